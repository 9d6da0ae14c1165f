"""Models in MLflow's registry: base and challengers, loadable by name and alias anywhere."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from storage.environment import Environment
from storage.records import Adapter, Model
from tasks.prompt_files import prompts_of
from tasks.settings import Settings

if TYPE_CHECKING:
    from storage.mlflow_tracking import Tracking
    from tasks.engines.models.base_models import PreparedModel


@dataclass(frozen=True)
class Registry:
    """Where the models of one line are registered, and what they have in common."""

    tracking: "Tracking"
    line: str
    base: "PreparedModel"
    environment: Environment
    settings: Settings

    def register_challenger(self, adapter: Adapter, model: Model, run_id: str) -> None:
        """Base and challenger, loadable; the alias `challenger` moves, `champion` does not."""
        self._register(None, self.base.record, "")
        self._register(adapter, model, run_id)
        self.tracking.move_challenger(self.line, model)
        # a line's first champion is its base, so that the alias is there from the first round on
        if self.tracking.champion(self.line) is None:
            self.tracking.move_champion(self.line, self.base.record)

    def _register(self, adapter: Adapter | None, model: Model, run_id: str) -> None:
        """One version: a reference to weights in the home, with a LoRA adapter's own files."""
        home = self.environment.home
        tags = {"regenesis.licence": self.base.licence or "unknown"}
        if adapter:
            tags["regenesis.training_set_id"] = str(adapter.training_set_id)
        self.tracking.register_model(
            self.line,
            model,
            reference=self._reference(adapter, model),
            code_file=Path(__file__).parents[1] / "engines" / "registered_model.py",
            run_id=run_id,
            tags=tags,
            files={"adapter": home / adapter.location}
            if adapter and adapter.kind == "lora"
            else {},
        )

    def _reference(self, adapter: Adapter | None, model: Model) -> dict[str, object]:
        """What the loader needs: where base and weights lie, and how the model is asked."""
        full = adapter is not None and adapter.kind == "full"
        weights = self.environment.home / adapter.location if adapter and full else self.base.folder
        return {
            "base": _place(self.base.folder, self.environment),
            "weights": _place(weights, self.environment),
            "model_settings": self.settings.model.model_dump(mode="json"),
            "prompt": prompts_of(self.settings)["answer"].text,
            "max_tokens": self.settings.evaluation.sampling.max_tokens,
            "licence": self.base.licence,
            "model_id": str(model.id),
            "digest": adapter.digest if adapter else self.base.record.revision,
        }


def _place(folder: Path, environment: Environment) -> dict[str, str]:
    inside = folder.is_relative_to(environment.home)
    return {
        "folder": str(folder),
        "below_home": str(folder.relative_to(environment.home)) if inside else "",
    }
