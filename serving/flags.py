"""The command line, by TensorFlow Serving's own names where it has them."""

import re
import sys
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import tyro

from serving.bearer import read_token
from serving.contents import Contents
from serving.errors import UserError
from serving.limits import Limits
from serving.tls import Tls, read_tls

if TYPE_CHECKING:
    from tensorflow_serving.config.model_server_config_pb2 import ModelConfigList

    from serving.batching import Batcher

RPC_PORT = 8500
CONTENTS = Contents()
LIMITS = Limits()


@dataclass(frozen=True)
class Flags:
    """Serves SavedModels over TensorFlow Serving's wire, REST and gRPC."""

    model_base_path: str = ""
    """Folder of version folders: DIR in DIR/1/saved_model.pb."""
    model_name: str = "default"
    """What clients call the model."""
    model_config_file: str = ""
    """File with a ModelServerConfig in text format: several models, version policies, labels. If given,
    model_base_path and model_name are ignored."""
    model_config_file_poll_wait_seconds: int = 0
    """Seconds between looks at model_config_file; 0: never again."""
    file_system_poll_wait_seconds: int = 1
    """Seconds between looks for new versions; 0: never again."""
    allow_version_labels_for_unavailable_models: bool = False
    """Lets a new label stand for a version that does not answer yet, as at the start none does."""
    enable_model_warmup: bool = True
    """Replays a version's assets.extra/tf_serving_warmup_requests before it answers."""
    port: int | None = None
    """Port of gRPC; 0 takes any free one. If not given, 8500, or any free one where rest_api_port is 0."""
    rest_api_port: int = 8501
    """Port of REST; 0 takes any free one."""
    rest_api_timeout_in_ms: int = 30000
    """Milliseconds after which a REST request no longer waits to be computed: 504. Calls over gRPC say so
    themselves."""
    enable_batching: bool = False
    """Computes requests that come at the same time together."""
    batching_parameters_file: str = ""
    """File with BatchingParameters in text format: how large batches are, and how long and how many wait."""
    tensorflow_intra_op_parallelism: int = 0
    """Threads that one operation of a model is computed by; 0: one per core."""
    tensorflow_inter_op_parallelism: int = 0
    """Operations of a model that are computed at the same time; 0: as many as there are cores."""
    contents: Annotated[Contents, tyro.conf.OmitArgPrefixes] = CONTENTS
    """What a request may hold."""
    rest_api_enable_cors_support: bool = False
    """Lets scripts of any web page ask over REST."""
    cors_origins: str = ""
    """Lets scripts of these web pages ask over REST: https://a.example,https://b.example."""
    ssl_config_file: str = ""
    """File with an SSLConfig in text format, for both ports: key, certificate, whether clients need one."""
    access_log: bool = False
    """Writes a line of JSON about every request to stderr: who asks, and what, is not in it."""
    token_file: str = ""
    """File with a token that must be brought, over REST and gRPC: Authorization: Bearer TOKEN. If not given,
    the environment variable SERVING_TOKEN holds it, or nobody is asked for one."""
    limits: Annotated[Limits, tyro.conf.OmitArgPrefixes] = LIMITS
    """What clients may take at most."""
    host: str = "127.0.0.1"
    """Address to listen on; 0.0.0.0 lets other machines in."""

    @property
    def rpc_port(self) -> int:
        """Port of gRPC, 0 for any."""
        return self.port if self.port is not None else RPC_PORT if self.rest_api_port else 0

    def models(self) -> "ModelConfigList":
        """What is to be served.

        Raises:
            UserError: neither a base path nor a file is named, the model has no name, or the file holds
                something else.
        """
        from serving.config import one_model, read_config

        if self.model_config_file:
            return read_config(Path(self.model_config_file))
        if not self.model_base_path:
            raise UserError(
                "--model_base_path must name a folder of version folders, "
                "or --model_config_file a file of models; received neither"
            )
        if not self.model_name:
            raise UserError("--model_name must be what clients call the model; received an empty one")
        return one_model(self.model_name, self.model_base_path)

    def batcher(self) -> "Batcher | None":
        """What puts requests together; None if they are computed one by one.

        Raises:
            UserError: the file holds something else, or nothing is to follow it.
        """
        if not self.enable_batching:
            if self.batching_parameters_file:
                raise UserError(
                    "--batching_parameters_file must come with --enable_batching; "
                    f"received {self.batching_parameters_file} alone"
                )
            return None
        from serving.batching import Batcher, BatchingParameters
        from serving.parameters import read_parameters

        file = self.batching_parameters_file
        return Batcher(read_parameters(Path(file)) if file else BatchingParameters())

    def tls(self) -> Tls | None:
        """What the server proves itself with; None without TLS.

        Raises:
            UserError: the file holds nothing for TLS.
        """
        return read_tls(Path(self.ssl_config_file)) if self.ssl_config_file else None

    def token(self) -> bytes | None:
        """What all must bring who ask a model; None if anybody may.

        Raises:
            UserError: the file or variable holds no token.
        """
        return read_token(self.token_file)

    @property
    def origins(self) -> list[str]:
        """Whose scripts may ask, "*" for anybody's."""
        if self.rest_api_enable_cors_support:
            return ["*"]
        return [origin.strip() for origin in self.cors_origins.split(",") if origin.strip()]


def read_flags() -> Flags:
    """The flags of this command.

    Raises:
        UserError: one is unknown, or its value can't be.
    """
    arguments = [_switched(argument) for argument in sys.argv[1:]]
    flags, unknown = tyro.cli(
        Flags, prog="python -m serving", args=arguments, use_underscores=True, return_unknown_args=True
    )
    if unknown:
        raise UserError(f"no such flag: {unknown[0]}; see python -m serving --help")
    for name, port in (("rest_api_port", flags.rest_api_port), ("port", flags.rpc_port)):
        if not 0 <= port < 2**16:
            raise UserError(f"--{name} must be 0 to 65535; received {port}")
    if flags.rest_api_timeout_in_ms <= 0:
        raise UserError(f"--rest_api_timeout_in_ms must be above 0; received {flags.rest_api_timeout_in_ms}")
    for name in ("tensorflow_intra_op_parallelism", "tensorflow_inter_op_parallelism"):
        if not 0 <= getattr(flags, name) < 2**31:
            raise UserError(
                f"--{name} must be 0, for one per core, or above; received {getattr(flags, name)}"
            )
    for name, most in asdict(flags.contents).items():
        if most < 0:
            raise UserError(f"--{name} must be 0, for no limit, or above; received {most}")
    for name, value in asdict(flags.limits).items():
        if not 0 < value < 2**31:
            raise UserError(f"--{name} must be above 0 and below 2**31; received {value}")
    for origin in flags.origins:
        if origin != "*" and not re.fullmatch(r"https?://[^/?#@\s]+", origin):
            raise UserError(
                f"--cors_origins must be like https://a.example, several with commas; received {origin}"
            )
    return flags


SWITCHES = [field.name for field in fields(Flags) if field.type is bool]


def _switched(argument: str) -> str:
    """--flag=true and --flag=false, as TensorFlow Serving's users write it, to --flag and --no_flag."""
    match = re.fullmatch(rf"--({'|'.join(SWITCHES)})=(true|1|false|0)", argument)
    if match is None:
        return argument
    return f"--{match[1]}" if match[2] in ("true", "1") else f"--no_{match[1]}"
