"""What a training is expected to take of memory, which decides whether a server stays beside it."""

import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.engines.hardware import GIB
from tasks.engines.trainer.training_room import training_bytes
from tasks.settings import TrainingSettings

# of Qwen2.5-1.5B
CONFIG = {
    "num_hidden_layers": 28,
    "hidden_size": 1536,
    "intermediate_size": 8960,
    "vocab_size": 151936,
    "num_attention_heads": 12,
    "num_key_value_heads": 2,
    "torch_dtype": "bfloat16",
}
PARAMETERS = 1_543_714_304


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("base")
    (folder / "config.json").write_text(json.dumps(CONFIG), "utf-8")
    with (folder / "model.safetensors").open("wb") as file:
        file.truncate(2 * PARAMETERS)  # a hole, which takes no disk
    return folder


@settings(max_examples=40, deadline=None)
@given(batch=st.integers(1, 16), longest=st.integers(64, 4096))
def test_more_rows_or_longer_ones_never_take_less(base: Path, batch: int, longest: int) -> None:
    one = TrainingSettings(device_batch_size=batch, max_tokens=longest)
    wider = TrainingSettings(device_batch_size=batch + 1, max_tokens=longest)
    longer = TrainingSettings(device_batch_size=batch, max_tokens=2 * longest)
    checkpointed = one.model_copy(update={"gradient_checkpointing": True})
    full = one.model_copy(update={"kind": "full"})

    taken = training_bytes(base, one)

    assert taken < min(training_bytes(base, wider), training_bytes(base, longer))
    assert training_bytes(base, checkpointed) < taken < training_bytes(base, full)
    assert taken > 6 * PARAMETERS  # its weights, as they are loaded and in bfloat16


def test_full_weights_of_one_and_a_half_billion_do_not_fit_beside_a_server_on_24_gib(
    base: Path,
) -> None:
    assert training_bytes(base, TrainingSettings(kind="full", device_batch_size=1)) > 24 * GIB
