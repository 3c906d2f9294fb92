"""How an exported model answers: over HTTP, over gRPC or in a script. Knows nothing of training."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from serving.predictor import Predictor

__all__ = ["Predictor"]


def __getattr__(name: str) -> Any:
    # Loaded when asked for: `serving.client` needs no TensorFlow.
    if name == "Predictor":
        from serving.predictor import Predictor

        return Predictor
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
