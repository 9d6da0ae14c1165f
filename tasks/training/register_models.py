"""Models in MLflow's registry: the base and each challenger, loadable by name and alias in any process."""

from pathlib import Path
from typing import TYPE_CHECKING

from storage.environment import Environment
from storage.records import Adapter, Model, Round
from tasks.prompt_files import prompts_of
from tasks.settings import Settings

if TYPE_CHECKING:
    from storage.mlflow_tracking import Tracking
    from tasks.engines.models.base_models import PreparedModel


def register_challenger(
    tracking: "Tracking",
    base: "PreparedModel",
    adapter: Adapter,
    model: Model,
    environment: Environment,
    settings: Settings,
    round: Round,
    run_id: str,
) -> None:
    """Base and challenger in MLflow's registry, loadable; the alias `challenger` moves, `champion` does not."""
    line = round.line
    _register_one(tracking, line, base, None, base.record, environment, settings, "")
    _register_one(tracking, line, base, adapter, model, environment, settings, run_id)
    tracking.move_challenger(line, model)
    if tracking.champion(line) is None:
        tracking.move_champion(line, base.record)


def _register_one(
    tracking: "Tracking",
    line: str,
    base: "PreparedModel",
    adapter: Adapter | None,
    model: Model,
    environment: Environment,
    settings: Settings,
    run_id: str,
) -> None:
    """One version: a reference to weights in the home; the LoRA adapter's own files travel with it."""
    weights = environment.home / adapter.location if adapter and adapter.kind == "full" else base.folder
    reference = {
        "base": _reference(base.folder, environment),
        "weights": _reference(weights, environment),
        "model_settings": settings.model.model_dump(mode="json"),
        "prompt": prompts_of(settings)["answer"].text,
        "max_tokens": settings.evaluation.sampling.max_tokens,
        "licence": base.licence,
        "model_id": str(model.id),
        "digest": adapter.digest if adapter else base.record.revision,
    }
    tags = {"regenesis.licence": base.licence or "unknown"}
    if adapter:
        tags["regenesis.training_set_id"] = str(adapter.training_set_id)
    tracking.register_model(
        line,
        model,
        reference=reference,
        code_file=Path(__file__).parents[1] / "engines" / "registered_model.py",
        run_id=run_id,
        tags=tags,
        files={"adapter": environment.home / adapter.location} if adapter and adapter.kind == "lora" else {},
    )


def _reference(folder: Path, environment: Environment) -> dict[str, str]:
    inside = folder.is_relative_to(environment.home)
    return {"folder": str(folder), "below_home": str(folder.relative_to(environment.home)) if inside else ""}
