"""The base's log-probabilities of one fixed text, by which a server's model is recognised.

Computed once a home and model, in a child process, so that its memory returns; for weights that a
CPU reads in seconds. Usage: python -m tasks.engines.models.fingerprint FOLDER TARGET.json
"""

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from storage.child_process import die_with_parent
from storage.environment import Environment
from tasks.engines.hardware import GIB, find_hardware
from tasks.engines.models.base_models import PreparedModel
from tasks.engines.models.model_files import weight_bytes
from tasks.engines.models.rendering import Renderer
from tasks.settings import ModelSettings

# prose, code, arithmetic and another language: models of one family differ in some of them
TEXT = (
    "The ferry left the harbour at a quarter past six, with eleven crates of apples, two bicycles"
    " and a violin. def area(width, height): return width * height\n7 + 5 = 12, and 12 * 3 = 36."
    " Wer zuletzt lacht, lacht am besten."
)
MOST_WEIGHTS = 4 * GIB  # a forward pass over them takes about a minute on two cores
MEMORY = 3  # times the weights, in float32 where they are bfloat16, and room beside them
# Mean difference in nats. Measured on the embedded model against float32: bfloat16 0.04, its Q4_1
# file 0.07, weights rounded to 6 bits 0.20, to 5 bits 0.49. What trained a step of LoRA (0.04)
# cannot be told from precision.
SAME_MODEL = 0.3


@dataclass(frozen=True)
class Fingerprint:
    """Token ids, and the log-probability of each after those before it; the first has none."""

    ids: tuple[int, ...]
    logprobs: tuple[float, ...]

    def difference(self, theirs: Sequence[float]) -> float:
        """Mean distance of the log-probabilities, in nats."""
        pairs = list(zip(self.logprobs, theirs, strict=True))
        return sum(abs(own - other) for own, other in pairs) / len(pairs)


def fingerprint_ids(folder: Path) -> tuple[int, ...]:
    """The fixed text in the model's tokens."""
    return tuple(Renderer(folder, ModelSettings(thinking=True)).text_ids(TEXT))


def fingerprint_of(base: PreparedModel, environment: Environment) -> Fingerprint | None:
    """The base's own; None where its weights are too large to be read here, or cannot be."""
    kept = environment.models / "fingerprints" / f"{base.record.id}.json"
    if not kept.is_file() and not _make(base.folder, kept):
        return None
    found: dict[str, Any] = json.loads(kept.read_text("utf-8"))
    return Fingerprint(tuple(found["ids"]), tuple(found["logprobs"]))


def _make(folder: Path, target: Path) -> bool:
    size = weight_bytes(folder)
    if size > MOST_WEIGHTS or MEMORY * size > find_hardware().available_bytes:
        return False
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = target.with_name(f".{target.name}.part-{os.getpid()}")
    command = [sys.executable, "-m", "tasks.engines.models.fingerprint", str(folder), str(partial)]
    # on the CPU: a GPU may be full with the server whose model is compared
    quiet = {**os.environ, "HF_HUB_OFFLINE": "1", "CUDA_VISIBLE_DEVICES": ""}
    done = subprocess.run(command, capture_output=True, check=False, env=quiet)
    if done.returncode:
        partial.unlink(missing_ok=True)
        return False
    partial.rename(target)
    return True


def write_fingerprint(folder: Path, target: Path) -> None:
    """One forward pass in float32."""
    import torch
    from transformers import AutoModelForCausalLM

    load_model: Any = getattr(AutoModelForCausalLM, "from_pretrained")  # noqa: B009 - its stubs know no `dtype`
    model = load_model(str(folder), dtype=torch.float32, trust_remote_code=False).eval()
    ids = fingerprint_ids(folder)
    row = torch.tensor([ids])
    with torch.no_grad():
        logits: torch.Tensor = model(input_ids=row).logits[0, :-1]
    chosen = torch.log_softmax(logits.float(), dim=-1).gather(1, row[0, 1:].unsqueeze(1)).squeeze(1)
    values = cast("list[float]", chosen.tolist())
    target.write_text(
        json.dumps({"ids": ids, "logprobs": [round(one, 4) for one in values]}), "utf-8"
    )


if __name__ == "__main__":
    die_with_parent()
    write_fingerprint(Path(sys.argv[1]), Path(sys.argv[2]))
