"""An export behind KServe's SDK: python -m benchmarks.peers.kserve_server VERSION_FOLDER."""

import asyncio
import logging
import os
import sys
from typing import Any

import kserve

from benchmarks.peers.model import Export, Instances, free_port


class Faces(kserve.Model):
    """Computes each request alone, as many at a time as there are cores: the SDK has no batches."""

    def __init__(self) -> None:
        super().__init__("faces")
        self.export = Export(sys.argv[1])
        self.ready = True

    async def predict(
        self, payload: dict[str, Instances], headers: dict[str, str] | None = None
    ) -> dict[str, Any]:
        """The answer to a request."""
        return {"predictions": await asyncio.to_thread(self.export.predictions, payload["instances"])}


if __name__ == "__main__":
    server = kserve.ModelServer(
        http_port=free_port(),
        enable_grpc=False,
        enable_latency_logging=False,
        max_asyncio_workers=os.cpu_count(),
    )
    logging.getLogger("uvicorn.access").disabled = True
    server.start([Faces()])
