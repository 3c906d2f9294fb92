"""An export behind LitServe: python -m benchmarks.peers.litserve_server VERSION_FOLDER PATH."""

import sys
from typing import Any

import litserve

from benchmarks.peers.model import Export, Instances, free_port


class Faces(litserve.LitAPI):
    """One process computes what came together, up to 16 requests; another speaks HTTP."""

    def setup(self, device: str) -> None:
        """Loads the export, in the process that computes."""
        self.export = Export(sys.argv[1])

    def decode_request(self, request: dict[str, Instances]) -> Instances:
        """The instances of a request."""
        return request["instances"]

    def predict(self, batch: list[Instances]) -> list[list[dict[str, Any]]]:
        """The predictions of each request."""
        rows = iter(self.export.predictions([instance for instances in batch for instance in instances]))
        return [[next(rows) for _ in instances] for instances in batch]

    def encode_response(self, predictions: list[dict[str, Any]]) -> dict[str, Any]:
        """The answer."""
        return {"predictions": predictions}


if __name__ == "__main__":
    faces = Faces(max_batch_size=16, batch_timeout=0.002, api_path=sys.argv[2])
    server = litserve.LitServer(faces, accelerator="cpu", workers_per_device=1, fast_queue=True)
    server.run(host="127.0.0.1", port=free_port(), log_level="warning", generate_client_file=False)
