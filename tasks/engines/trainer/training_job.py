"""What the parent asks of the training process: one JSON file, written whole."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, cast


@dataclass(frozen=True)
class Job:
    """What the parent asks for; field for field the JSON file."""

    base_folder: str
    base_name: str
    parent_folder: str  # adapter or full weights to go on from; empty for the base
    kind: str
    precision: str
    seed: int
    settings: dict[str, Any]  # TrainingSettings
    device_batch_size: int
    end_of_turn: int
    examples_file: str
    checkpoint_folder: str
    output_folder: str
    own_loss: bool = True  # logits at the completion's positions alone; False: TRL's own loss


def read_job(work_folder: Path) -> Job | None:
    """The job of a work folder; None when there is none that can be read."""
    try:
        return Job(
            **cast("dict[str, Any]", json.loads((work_folder / "job.json").read_text("utf-8")))
        )
    except (FileNotFoundError, ValueError, TypeError):
        return None


def write_job(job: Job, work_folder: Path) -> None:
    """Write it under a temporary name, then rename."""
    temporary = work_folder / "job.json.part"
    temporary.write_text(json.dumps(asdict(job)), "utf-8")
    temporary.rename(work_folder / "job.json")
