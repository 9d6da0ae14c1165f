"""How much memory a training takes at most, on a CPU; asked before it begins."""

from pathlib import Path

from tasks.engines.hardware import GIB
from tasks.engines.models.chat_template import read_json
from tasks.engines.models.model_files import model_size
from tasks.engines.trainer.completion_loss import LOGIT_ROWS
from tasks.settings import TrainingSettings

# Python with torch, TRL and its data sets
_PROCESS_BYTES = 2 * GIB
# Of float32 weights. LoRA: frozen ones as they are loaded and, in bfloat16, once more. Full:
# weights, gradients and Adam's two moments.
_COPIES = {"lora": 1.5, "full": 4.0}


def training_bytes(base: Path, training: TrainingSettings) -> int:
    """Bytes that a training of this base takes where every example is as long as may be."""
    config = read_json(base / "config.json")
    layers, wide, inner, words = (
        int(str(config.get(name) or 0))
        for name in ("num_hidden_layers", "hidden_size", "intermediate_size", "vocab_size")
    )
    rows = training.device_batch_size * training.max_tokens
    # What a layer keeps for its gradient: about 12 vectors of the model's width and three of the
    # feed-forward's, four bytes a value. Checkpointing keeps one vector of the width.
    values = wide if training.gradient_checkpointing else 12 * wide + 3 * inner
    kept = 4 * rows * layers * values
    logits = 3 * 4 * min(rows, LOGIT_ROWS) * words  # in float32, with their gradient and a copy
    weights = int(4 * model_size(base).parameters * _COPIES[training.kind])
    return _PROCESS_BYTES + weights + kept + logits
