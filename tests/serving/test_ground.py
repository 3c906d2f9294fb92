"""The ground gives way under a server: its models' folder is deleted, and nothing can be written anywhere."""

import json
import os
import resource
import shutil
import signal
import subprocess
import sys
import urllib.request

import grpc
from faults import GOOD, check_good
from small_models import picture

from serving.quiet import tf

# isort: split
from tensorflow_serving.apis.predict_pb2 import PredictRequest
from tensorflow_serving.apis.prediction_service_pb2_grpc import PredictionServiceStub


def fill_the_disk():
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))  # to this process: no file may have a byte


def test_it_serves_without_a_disk_and_goes_on_without_its_folder(faces_path, tmp_path):
    base = tmp_path / "faces"
    shutil.copytree(faces_path / "007", base / "7")
    flags = ["--model_base_path", base, "--model_name", "faces", "--rest_api_port", "0", "--enable_batching"]
    server = subprocess.Popen(
        [sys.executable, "-m", "serving", *flags, "--access_log"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=fill_the_disk,
        env={**os.environ, "MPLCONFIGDIR": f"{os.devnull}/none"},  # folders could still be made
    )
    try:
        ready = server.stdout.readline()
        url, rpc = ready.split()[-1], ready.split("gRPC at ")[1].split(",")[0]
        shutil.rmtree(base)
        while "base_path must be a folder" not in server.stderr.readline():
            assert server.poll() is None

        def ask(path, body, kind="application/json"):
            request = urllib.request.Request(url + path, body, {"Content-Type": kind})
            with urllib.request.urlopen(request) as response:
                return response.status, json.load(response)

        for _ in range(3):
            check_good(*ask("/v1/models/faces:predict", GOOD))
            large = picture(255, 0, 0) + bytes(3 * 2**20)
            form = b'--x\r\nContent-Disposition: form-data; name="f"; filename="a"\r\n\r\n' + large
            _, found = ask("/predict?faces=crop", form + b"\r\n--x--\r\n", "multipart/form-data; boundary=x")
            assert found["files"][0]["faces"][0]["age"]["value"] == 100
            request = PredictRequest(model_spec={"name": "faces"})
            request.inputs["image_bytes"].CopyFrom(tf.make_tensor_proto([picture(0, 0, 255)]))
            with grpc.insecure_channel(rpc) as channel:
                outputs = PredictionServiceStub(channel).Predict(request, timeout=60).outputs
            assert list(outputs["gender"].float_val) == [1.0]
    finally:
        server.send_signal(signal.SIGTERM)
        _, err = server.communicate(timeout=60)
    assert (server.returncode, "Traceback" in err) == (0, False), err
