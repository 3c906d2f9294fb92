"""TensorFlow Serving's file of batching parameters."""

from pathlib import Path

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory, wrappers_pb2

from serving.batching import BatchingParameters
from serving.errors import UserError
from serving.messages import read_message

NUMBERS = (
    "max_batch_size",
    "batch_timeout_micros",
    "max_enqueued_batches",
    "num_batch_threads",
    "max_execution_batch_size",
)


def read_parameters(path: Path) -> BatchingParameters:
    """The batching parameters of a file with `BatchingParameters` in text format.

    Raises:
        UserError: the file can't be read, holds something else or numbers that contradict each other.
    """
    message = read_message("batching_parameters_file", path, _message()(), "BatchingParameters")
    numbers = {name: getattr(message, name).value for name in NUMBERS if message.HasField(name)}
    if not message.enable_large_batch_splitting.value:
        numbers.pop("max_execution_batch_size", None)
    elif "max_batch_size" in numbers:
        numbers.setdefault("max_execution_batch_size", numbers["max_batch_size"])
    parameters = BatchingParameters(
        **numbers,
        allowed_batch_sizes=tuple(message.allowed_batch_sizes),
        pad_variable_length_inputs=message.pad_variable_length_inputs,
    )
    if problem := _problem(parameters):
        raise UserError(f"{problem}; received {path}")
    return parameters


def _problem(parameters: BatchingParameters) -> str | None:
    size, sizes = parameters.batch_size, parameters.allowed_batch_sizes
    for name in NUMBERS:
        least = 0 if name == "batch_timeout_micros" else 1
        if (number := getattr(parameters, name)) is not None and number < least:
            return f"{name} must be at least {least}, not {number}"
    if size > parameters.max_batch_size:
        return f"max_execution_batch_size must be at most max_batch_size, not {size}"
    if list(sizes) != sorted(set(sizes)) or (sizes[:1] and sizes[0] < 1):
        return f"allowed_batch_sizes entries must be positive and increasing, not {list(sizes)}"
    if sizes and sizes[-1] != size:
        return f"the last of allowed_batch_sizes must be the largest size of a batch, {size}, not {sizes[-1]}"
    return None


def _message() -> type:
    """The message, which tensorflow-serving-api lacks: servables/tensorflow/session_bundle_config.proto."""
    file = descriptor_pb2.FileDescriptorProto(
        name="session_bundle_config.proto", package="tensorflow.serving", syntax="proto3"
    )
    file.dependency.append(wrappers_pb2.DESCRIPTOR.name)
    field = descriptor_pb2.FieldDescriptorProto
    fields = [
        *((name, field.TYPE_MESSAGE, "Int64Value") for name in NUMBERS),
        ("thread_pool_name", field.TYPE_MESSAGE, "StringValue"),
        ("enable_large_batch_splitting", field.TYPE_MESSAGE, "BoolValue"),
        ("allowed_batch_sizes", field.TYPE_INT64, None),
        ("pad_variable_length_inputs", field.TYPE_BOOL, None),
    ]
    message = file.message_type.add(name="BatchingParameters")
    for number, (name, kind, wrapper) in enumerate(fields, start=1):
        label = field.LABEL_REPEATED if name == "allowed_batch_sizes" else field.LABEL_OPTIONAL
        type_name = f".google.protobuf.{wrapper}" if wrapper else None
        message.field.add(name=name, number=number, type=kind, label=label, type_name=type_name)
    pool = descriptor_pool.DescriptorPool()
    pool.AddSerializedFile(wrappers_pb2.DESCRIPTOR.serialized_pb)
    pool.AddSerializedFile(file.SerializeToString())
    return message_factory.GetMessageClass(
        pool.FindMessageTypeByName("tensorflow.serving.BatchingParameters")
    )
