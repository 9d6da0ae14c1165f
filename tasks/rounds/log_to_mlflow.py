"""A finished round in MLflow: nested runs for synthesis and evaluations, plots, environment.

The figures are the store's; logging a round again changes nothing.
"""

import json
import platform
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import UUID

from storage.records import Evaluation, QuestionSet, Round
from tasks.engines.hardware import find_hardware
from tasks.reports.round_report import ROLES, Report
from tasks.rounds.round_row import settings_of

if TYPE_CHECKING:
    from storage.mlflow_tracking import Tracking
    from storage.open_store import Store

SYNTHESIS = (
    "paths",
    "accepted_paths",
    "synthesis_tokens",
    "synthesis_prompt_tokens",
    "synthesis_seconds",
)


def log_round(
    store: "Store",
    tracking: "Tracking",
    round: Round,
    figures: Mapping[str, float],
    report: Report,
    page: Path,
) -> None:
    """Log the round's stages, then close its parent run with report, plots and environment."""
    settings = settings_of(round)
    synthesis = {name: figures[name] for name in SYNTHESIS if name in figures}
    tracking.log_stage(
        round, "synthesis", params=settings.synthesis.model_dump(mode="json"), metrics=synthesis
    )
    rows = store.select(Evaluation, round_id=round.id)
    sets = {
        one.id: one.name
        for one in store.select(QuestionSet, id=list({row.question_set_id for row in rows}))
    }
    for role in ROLES:
        if own := [row for row in rows if row.role == role]:
            params = {"model_id": own[0].model_id, **settings.evaluation.model_dump(mode="json")}
            tracking.log_stage(
                round, f"evaluation-{role}", params=params, metrics=_accuracies(own, sets)
            )
    with tempfile.TemporaryDirectory() as folder:
        _write_files(report, page, Path(folder))
        tracking.finish_round(round, figures, Path(folder))


def _accuracies(rows: Sequence[Evaluation], sets: Mapping[UUID, str]) -> dict[str, float]:
    """MLflow groups what has a slash."""
    return {
        f"{row.domain}.{row.part}/{sets[row.question_set_id]}.{reading}": correct / row.questions
        for row in rows
        for reading, correct in (("strict", row.strict_correct), ("lenient", row.lenient_correct))
    }


def _write_files(report: Report, page: Path, folder: Path) -> None:
    # a folder of its own is logged as a whole: page, plots and environment
    shutil.copyfile(page, folder / page.name)
    plots = folder / "plots"
    plots.mkdir()
    for name, plot in report.plots.items():
        (plots / f"{name}.html").write_text(plot, "utf-8")
    (folder / "environment.json").write_text(json.dumps(_environment(), indent=2), "utf-8")


def _environment() -> dict[str, object]:
    """Machine and every installed package; versions by metadata, which costs no import."""
    machine = find_hardware()
    packages = {str(one.metadata["Name"]): one.version for one in metadata.distributions()}
    return {
        "python": platform.python_version(),
        "system": platform.platform(),
        "processor": machine.processor,
        "cores": len(machine.cores),
        "memory_bytes": machine.memory_bytes,
        "gpus": [gpu.name for gpu in machine.gpus],
        "packages": dict(sorted(packages.items())),
    }
