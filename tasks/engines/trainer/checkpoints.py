"""Checkpoints that are whole or absent: a file written last says so, then older ones go."""

import os
import shutil
from pathlib import Path
from typing import Any

from storage.whole_file import sync

WHOLE = "WHOLE"  # a checkpoint without this file was cut off by a crash


def newest_checkpoint(folder: Path) -> Path | None:
    """The newest whole checkpoint; those that a crash cut off are removed."""
    whole: list[Path] = []
    for checkpoint in folder.glob("checkpoint-*"):
        if (checkpoint / WHOLE).is_file():
            whole.append(checkpoint)
        else:
            shutil.rmtree(checkpoint, ignore_errors=True)
    return max(whole, key=step_of, default=None)


def step_of(checkpoint: Path | None) -> int:
    """The step that a checkpoint was written at; 0 without one."""
    return int(checkpoint.name.rpartition("-")[2]) if checkpoint else 0


def trainer_class() -> Any:
    """TRL's trainer with such checkpoints."""
    from trl.trainer.sft_trainer import SFTTrainer

    class WholeCheckpoints(SFTTrainer):
        """A checkpoint counts only once its last file says so; then the ones before it go."""

        def _save_checkpoint(self, model: Any, trial: Any) -> None:
            super()._save_checkpoint(model, trial)
            if not self.accelerator.is_main_process:
                return
            newest = Path(str(self.args.output_dir)) / f"checkpoint-{self.state.global_step}"
            # the mark last: after a power cut a checkpoint with the mark has all its bytes
            _sync_tree(newest)
            _write_synced(newest / WHOLE)
            for other in Path(str(self.args.output_dir)).glob("checkpoint-*"):
                if other != newest:
                    shutil.rmtree(other)

        def create_model_card(self, *args: Any, **kwargs: Any) -> None:
            """None is wanted."""

    return WholeCheckpoints


def _write_synced(file: Path) -> None:
    with file.open("w") as stream:
        os.fsync(stream.fileno())
    sync(file.parent)


def _sync_tree(folder: Path) -> None:
    for file in folder.iterdir():
        sync(file)
