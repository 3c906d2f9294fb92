"""What a client reads over HTTP is what the model in memory says."""

import base64
import io

import anyio
import httpx
import numpy as np
import pytest
import tensorflow as tf

from multitask.images import decode_images
from multitask.tasks import TASKS
from serving.app import create_app
from serving.config import one_model
from serving.store import Store
from training import TrainConfig, export, train
from training.datasets.drawing import draw_face


def drawn(number: int) -> bytes:
    out = io.BytesIO()
    face = draw_face(7.0 * number, number % 7, number % 2, np.random.default_rng(number), size=100 + number)
    face.save(out, "JPEG" if number % 2 else "PNG")
    return out.getvalue()


@pytest.mark.parametrize("form", ["instances", "inputs"])
def test_http_answers_equal_the_models(form, tmp_path):
    config = TrainConfig(
        run=tmp_path / "run",
        datasets="synthetic_faces/tiny",
        trunk="lenet",
        image_size=32,
        epochs=1,
        data_dir=tmp_path / "data",
    )
    run = train(config)
    store = Store(one_model("faces", export(run, tmp_path / "exports").parent))
    store.load()
    pictures = [drawn(number) for number in range(12)]
    document = {form: [{"b64": base64.b64encode(picture).decode()} for picture in pictures]}
    transport = httpx.ASGITransport(create_app(store))

    async def ask():
        async with httpx.AsyncClient(transport=transport, base_url="http://server") as client:
            return await client.post("/v1/models/faces:predict", json=document)

    answer = anyio.run(ask).json()
    if form == "instances":
        answers = {name: [row[name] for row in answer["predictions"]] for name in answer["predictions"][0]}
    else:
        answers = answer["outputs"]
    logits = run.best_model()(decode_images(tf.constant(pictures), 32), training=False)
    expected = {
        name: value for task in TASKS.values() for name, value in task.decode(logits[task.name]).items()
    }
    assert answers.keys() == expected.keys()
    for name, value in expected.items():
        np.testing.assert_allclose(answers[name], value, rtol=1e-4, atol=1e-4)
