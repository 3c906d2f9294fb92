"""Requests of the prediction service as the official stubs send them."""

from serving.quiet import tf

# isort: split
from tensorflow_serving.apis.classification_pb2 import ClassificationRequest
from tensorflow_serving.apis.get_model_metadata_pb2 import GetModelMetadataRequest
from tensorflow_serving.apis.inference_pb2 import MultiInferenceRequest
from tensorflow_serving.apis.predict_pb2 import PredictRequest
from tensorflow_serving.apis.prediction_service_pb2_grpc import PredictionServiceStub
from tensorflow_serving.apis.regression_pb2 import RegressionRequest


def example(**features):
    lists = {name: {"float_list": {"value": [value]}} for name, value in features.items()}
    return tf.train.Example(features={"feature": lists})


def call(channel, request, timeout=60):
    """The answer to a request of the prediction service."""
    stub = PredictionServiceStub(channel)
    procedures = {
        PredictRequest: stub.Predict,
        ClassificationRequest: stub.Classify,
        RegressionRequest: stub.Regress,
        MultiInferenceRequest: stub.MultiInference,
        GetModelMetadataRequest: stub.GetModelMetadata,
    }
    return procedures[type(request)](request, timeout=timeout)
