"""What a flow gives back: a text for a person, and the same as JSON."""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Result:
    """The end of a flow; `outcome` names its state in Prefect's UI."""

    outcome: str
    text: str
    figures: Mapping[str, object] = field(default_factory=dict[str, object])

    def as_json(self) -> dict[str, object]:
        """One object, for `--json`."""
        return {"outcome": self.outcome, **self.figures}
