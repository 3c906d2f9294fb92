"""TensorFlow Serving's file of batching parameters, and the flags that name it."""

import pytest

from serving.batching import BatchingParameters
from serving.errors import UserError
from serving.flags import Flags, read_flags
from serving.parameters import read_parameters

FILE = """
# as TensorFlow Serving's own documentation has it
max_batch_size { value: 128 }
batch_timeout_micros { value: 0 }
max_enqueued_batches { value: 1000000 }
num_batch_threads { value: 8 }
thread_pool_name { value: "batches" }
allowed_batch_sizes: 32
allowed_batch_sizes: 128
pad_variable_length_inputs: true
"""


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", BatchingParameters()),
        (FILE, BatchingParameters(128, 0, 1000000, 8, (32, 128), True)),
        (
            "max_batch_size: {value: 8}, max_execution_batch_size {value: 4} allowed_batch_sizes: [2, 4] "
            "enable_large_batch_splitting {value: true}",
            BatchingParameters(8, allowed_batch_sizes=(2, 4), max_execution_batch_size=4),
        ),
        ("max_batch_size {value: 8} max_execution_batch_size {value: 4}", BatchingParameters(8)),
    ],
)
def test_a_file(tmp_path, text, expected):
    (tmp_path / "batching.txt").write_text(text)
    assert read_parameters(tmp_path / "batching.txt") == expected


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("max_batch_size: 8", "must hold BatchingParameters in text format"),
        ("max_batch {value: 8}", 'has no field named "max_batch"'),
        ("max_batch_size {}", "max_batch_size must be at least 1, not 0"),
        ("num_batch_threads {value: -1}", "num_batch_threads must be at least 1, not -1"),
        ("max_enqueued_batches {value: 0}", "max_enqueued_batches must be at least 1, not 0"),
        ("batch_timeout_micros {value: -1}", "batch_timeout_micros must be at least 0, not -1"),
        ("max_batch_size {value: 8} allowed_batch_sizes: [4, 2, 8]", "must be positive and increasing, not"),
        ("max_batch_size {value: 8} allowed_batch_sizes: [0, 8]", "must be positive and increasing, not"),
        ("max_batch_size {value: 8} allowed_batch_sizes: 4", "must be the largest size of a batch, 8, not 4"),
        (
            "max_batch_size {value: 2} max_execution_batch_size {value: 3} "
            "enable_large_batch_splitting {value: true}",
            "max_execution_batch_size must be at most max_batch_size, not 3",
        ),
    ],
)
def test_a_file_of_something_else(tmp_path, text, message):
    (tmp_path / "batching.txt").write_text(text)
    with pytest.raises(UserError, match=message) as error:
        read_parameters(tmp_path / "batching.txt")
    assert "batching.txt" in str(error.value)
    assert "\n" not in str(error.value)


def test_no_file(tmp_path):
    with pytest.raises(UserError, match="must be a file that can be read; received"):
        read_parameters(tmp_path / "none")


def test_flags(tmp_path, monkeypatch):
    (tmp_path / "batching.txt").write_text("max_batch_size { value: 7 }")
    file = f"--batching_parameters_file={tmp_path / 'batching.txt'}"
    monkeypatch.setattr("sys.argv", ["serving", "--enable_batching=true", file])
    assert read_flags().batcher().parameters == BatchingParameters(7)
    assert Flags(enable_batching=True).batcher().parameters == BatchingParameters()
    assert Flags().batcher() is None
    with pytest.raises(UserError, match="must come with --enable_batching; received x alone"):
        Flags(batching_parameters_file="x").batcher()
    monkeypatch.setattr("sys.argv", ["serving", "--rest_api_timeout_in_ms=0"])
    with pytest.raises(UserError, match="--rest_api_timeout_in_ms must be above 0; received 0"):
        read_flags()
