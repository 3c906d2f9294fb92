"""What each procedure of TensorFlow Serving's gRPC services answers: a request's message to the answer's.

All raise `Refused`, in TensorFlow Serving's words: NOT_FOUND, there is no such model or version;
FAILED_PRECONDITION, no such signature; INVALID_ARGUMENT, no such label, or the request does not fit.
"""

from collections.abc import Iterable
from contextlib import AbstractContextManager
from typing import Any

from serving.arrays import invalid
from serving.calls import check_names
from serving.config import model_list
from serving.examples import classify, infer, regress
from serving.loading import DEFAULT_SIGNATURE, Model
from serving.metrics import RUNTIME_LATENCY, observed
from serving.predictor import Predictor
from serving.protos import to_array, to_proto
from serving.store import Store

# isort: split
from tensorflow_serving.apis.classification_pb2 import ClassificationRequest, ClassificationResponse
from tensorflow_serving.apis.get_model_metadata_pb2 import GetModelMetadataRequest, GetModelMetadataResponse
from tensorflow_serving.apis.get_model_status_pb2 import GetModelStatusRequest, GetModelStatusResponse
from tensorflow_serving.apis.inference_pb2 import MultiInferenceRequest, MultiInferenceResponse
from tensorflow_serving.apis.model_management_pb2 import ReloadConfigRequest, ReloadConfigResponse
from tensorflow_serving.apis.model_pb2 import ModelSpec
from tensorflow_serving.apis.predict_pb2 import PredictRequest, PredictResponse
from tensorflow_serving.apis.regression_pb2 import RegressionRequest, RegressionResponse
from tensorflow_serving.apis.status_pb2 import StatusProto


def predict(store: Store, request: PredictRequest) -> PredictResponse:
    """The outputs of a signature, each in its type's own field: all, or those that `output_filter` names."""
    with _observed(store, request.model_spec, "Predict"):
        version, model = _find(store, request)
        predictor = Predictor(model)
        signature = predictor.signature(request.model_spec.signature_name)
        chosen = _chosen(request.output_filter, signature.outputs)
        # First, as for each name a few bytes may become a large array.
        check_names(signature, request.inputs.keys())
        inputs = {name: to_array(name, proto) for name, proto in request.inputs.items()}
        with RUNTIME_LATENCY.time(request.model_spec.name, "Predict", "TF1"):
            outputs = predictor.call(signature, inputs)
        return PredictResponse(
            model_spec=_answered(request.model_spec, version),
            outputs={name: to_proto(outputs[name]) for name in chosen},
        )


def classification(store: Store, request: ClassificationRequest) -> ClassificationResponse:
    """The classes of each example."""
    with _observed(store, request.model_spec, "Classify"):
        version, model = _find(store, request)
        spec = request.model_spec
        return ClassificationResponse(
            model_spec=_answered(spec, version),
            result=classify(spec.name, model, spec.signature_name, request.input),
        )


def regression(store: Store, request: RegressionRequest) -> RegressionResponse:
    """The value of each example."""
    with _observed(store, request.model_spec, "Regress"):
        version, model = _find(store, request)
        spec = request.model_spec
        return RegressionResponse(
            model_spec=_answered(spec, version),
            result=regress(spec.name, model, spec.signature_name, request.input),
        )


def multi_inference(store: Store, request: MultiInferenceRequest) -> MultiInferenceResponse:
    """What several signatures say of the same examples."""
    spec = request.tasks[0].model_spec if request.tasks else ModelSpec()
    version, model = _find_spec(store, spec)
    results = infer(spec.name, model, list(request.tasks), request.input)
    for task, result in zip(request.tasks, results, strict=True):
        result.model_spec.CopyFrom(_answered(task.model_spec, version))
    return MultiInferenceResponse(results=results)


def model_metadata(store: Store, request: GetModelMetadataRequest) -> GetModelMetadataResponse:
    """The signatures of a model."""
    if not request.HasField("model_spec"):
        raise invalid("Missing ModelSpec")
    if not request.metadata_field:
        raise invalid("GetModelMetadataRequest must specify at least one metadata_field")
    for field in request.metadata_field:
        if field != "signature_def":
            raise invalid(f"Metadata field {field} is not supported")
    version, model = _find(store, request)
    response = GetModelMetadataResponse(
        model_spec=ModelSpec(name=request.model_spec.name, version={"value": version})
    )
    response.metadata["signature_def"].Pack(model.metadata)
    return response


def model_status(store: Store, request: GetModelStatusRequest) -> GetModelStatusResponse:
    """The states of a model's versions."""
    if not request.HasField("model_spec"):
        raise invalid("Missing ModelSpec")
    return store.status(*_named(request.model_spec))


def reload_config(store: Store, request: ReloadConfigRequest) -> ReloadConfigResponse:
    """Serves the models of another configuration; the answer comes when they are loaded."""
    store.reload(model_list(request.config))
    return ReloadConfigResponse(status=StatusProto())


def _find(store: Store, request: Any) -> tuple[int, Model]:
    if not request.HasField("model_spec"):
        raise invalid("Missing ModelSpec")
    return _find_spec(store, request.model_spec)


def _find_spec(store: Store, spec: ModelSpec) -> tuple[int, Model]:
    if not spec.name:
        raise invalid("ModelSpec has no name specified.")
    return store.find(*_named(spec))


def _named(spec: ModelSpec) -> tuple[str, int | None, str | None]:
    chosen = spec.WhichOneof("version_choice")
    return (
        spec.name,
        spec.version.value if chosen == "version" else None,
        spec.version_label if chosen == "version_label" else None,
    )


def _answered(spec: ModelSpec, version: int) -> ModelSpec:
    return ModelSpec(
        name=spec.name, signature_name=spec.signature_name or DEFAULT_SIGNATURE, version={"value": version}
    )


def _chosen(wanted: Iterable[str], known: Iterable[str]) -> list[str]:
    chosen: list[str] = []
    for name in wanted:
        if name not in known:
            raise invalid(
                f"output tensor alias not found in signature: {name} "
                f"Outputs expected to be in the set {{{','.join(sorted(known))}}}."
            )
        if name in chosen:
            raise invalid(f"duplicate output tensor alias: {name}")
        chosen.append(name)
    return chosen or list(known)


def _observed(store: Store, spec: ModelSpec, api: str) -> AbstractContextManager[None]:
    return observed(spec.name if spec.name in store else "", api, "GRPC")
