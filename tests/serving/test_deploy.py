"""What is deployed elsewhere, as far as it can be checked here: schemas, a linter, and commands that run.

No container is built and no cluster is asked: whether the images exist and start, whether a GPU is found, and
how KServe takes the service, is not seen here.
"""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from serving.app import create_app
from serving.flags import Flags, read_flags
from serving.parameters import read_parameters

DEPLOY = Path(__file__).parents[2] / "serving" / "deploy"
DEAD = "127.0.0.1:1"


def load(name):
    return yaml.safe_load((DEPLOY / name).read_text())


def run(*command):
    return subprocess.run([*map(str, command)], capture_output=True, text=True, timeout=60)


@pytest.fixture(scope="module")
def address(serve, faces):
    return serve(create_app(faces)).removeprefix("http://")


@pytest.fixture(scope="module")
def compose():
    return load("compose.yaml")


@pytest.fixture(scope="module")
def predictor():
    return load("kserve.yaml")["spec"]["predictor"]


def test_the_compose_file_follows_the_compose_specifications_schema():
    checker = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.compose-spec"]
    checked = run(*checker, DEPLOY / "compose.yaml")
    assert checked.returncode == 0, checked.stdout


def test_the_dockerfile_passes_the_linter_and_ends_as_nobody_of_importance():
    linted = run(Path(sys.executable).with_name("hadolint"), DEPLOY / "Dockerfile")
    assert (linted.returncode, linted.stdout) == (0, "")
    lines = (DEPLOY / "Dockerfile").read_text().splitlines()
    users = [line.split()[1] for line in lines if line.startswith("USER ")]
    assert [int(user) > 0 for user in users] == [True]
    assert all(re.search(r":\d+\.\d+\.\d+", line) for line in lines if line.startswith("FROM "))


def test_tensorflow_servings_files_are_read(ask, faces):
    assert read_parameters(DEPLOY / "batching.txt").allowed_batch_sizes[-1] == 64
    assert read_parameters(DEPLOY / "batching_processor.txt").max_batch_size == 32
    # tensorflow-serving-api has no MonitoringConfig: by the eye of monitoring_config.proto.
    config = re.sub("#.*", "", (DEPLOY / "monitoring.txt").read_text()).strip()
    path = re.fullmatch(r'prometheus_config \{ enable: true path: "([\w/]+)" \}', config)[1]
    assert ask(faces, "GET", path).status_code == 200
    (job,) = load("prometheus.yml")["scrape_configs"]
    assert job["metrics_path"] == path


def test_prometheus_asks_the_service_of_the_compose_file(compose):
    (job,) = load("prometheus.yml")["scrape_configs"]
    ((name, port),) = [target.split(":") for group in job["static_configs"] for target in group["targets"]]
    assert any(published.endswith(f":{port}") for published in compose["services"][name]["ports"])


def flags_and_files(arguments):
    """Names of flags, and the files that they name."""
    pairs = [argument.removeprefix("--").partition("=")[::2] for argument in arguments]
    return {name for name, _ in pairs}, {value for _, value in pairs if value.startswith("/")}


def test_every_flag_is_tensorflow_servings_and_every_file_is_mounted(compose, predictor):
    known = {*Flags.__dataclass_fields__, "monitoring_config_file"}
    service, model = compose["services"]["serving"], predictor["model"]
    mounts = [volume.rsplit(":", 2) for volume in service["volumes"] if volume.startswith("./")]
    assert all((DEPLOY / source).is_file() for source, _, _ in mounts)
    flags, files = flags_and_files(service["command"])
    assert flags <= known
    assert files == {target for _, target, _ in mounts}
    flags, files = flags_and_files(model["args"])
    assert flags <= known
    (mount,), (volume,) = model["volumeMounts"], predictor["volumes"]
    (generated,) = load("kustomization.yaml")["configMapGenerator"]
    assert (mount["name"], volume["configMap"]["name"]) == (volume["name"], generated["name"])
    assert files == {f"{mount['mountPath']}/{name}" for name in generated["files"]}
    assert all((DEPLOY / name).is_file() for name in generated["files"])


def test_the_inference_service_scales_and_asks_for_a_gpu(predictor):
    service = load("kserve.yaml")
    assert (service["apiVersion"], service["kind"]) == ("serving.kserve.io/v1beta1", "InferenceService")
    assert 1 <= predictor["minReplicas"] < predictor["maxReplicas"]
    assert predictor["scaleMetric"] in ("concurrency", "rps", "cpu", "memory")
    assert isinstance(predictor["scaleTarget"], int)
    assert predictor["model"]["modelFormat"]["name"] == "tensorflow"
    resources = predictor["model"]["resources"]
    assert resources["requests"]["nvidia.com/gpu"] == resources["limits"]["nvidia.com/gpu"] == "1"


def instruction(name):
    """The array of a Dockerfile's instruction."""
    text = (DEPLOY / "Dockerfile").read_text().replace("\\\n", "")
    return json.loads(re.search(rf"^{name}\b.*?(\[.*\])$", text, re.M)[1])


def test_the_image_starts_the_server_with_flags_it_knows(monkeypatch):
    entrypoint = instruction("ENTRYPOINT")
    assert entrypoint[:3] == ["python", "-m", "serving"]
    monkeypatch.setattr("sys.argv", [*entrypoint[2:], *instruction("CMD")])
    flags = read_flags()
    assert (flags.host, flags.model_base_path, flags.enable_batching) == ("0.0.0.0", "/models/faces", True)
    assert (DEPLOY.parents[1] / flags.batching_parameters_file).is_file()  # where it is copied to, too


def test_the_images_health_check_tells_a_server_from_none(address):
    _, *arguments = instruction("HEALTHCHECK")
    for where, code in ((address, 0), (DEAD, 1)):
        command = [argument.replace("127.0.0.1:8501", where) for argument in arguments]
        assert run(sys.executable, *command).returncode == code


def test_the_compose_files_health_check_tells_a_model_from_none(compose, address):
    _, *command = compose["services"]["serving"]["healthcheck"]["test"]
    for where, name, code in ((address, "faces", 0), (address, "none", 1), (DEAD, "faces", 1)):
        host, port = where.split(":")
        script = (
            command[-1].replace("127.0.0.1/8501", f"{host}/{port}").replace("models/faces", f"models/{name}")
        )
        assert run(*command[:-1], script).returncode == code
