"""The collapse watch's step: a draw's paths, verdicts and the champion's answers in, figures and
warnings out.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING
from uuid import UUID

from storage.records import Answer, Path, Round
from storage.store.store import PAGE
from tasks.rules.training.collapse import TextHealth, collapse_warnings, text_health

if TYPE_CHECKING:
    from storage.open_store import Store

# where a round keeps them
TIMINGS_KEY, HELD_OUT_KEY, WARNINGS_KEY = "text_health", "held_out_health", "collapse_warnings"


@dataclass(frozen=True)
class Watched:
    """What the watch saw in one round."""

    paths: TextHealth
    held_out: TextHealth | None
    """Of the champion's answers; None where it is the base, or has not been asked."""
    warnings: list[str]

    def as_figures(self) -> dict[str, object]:
        """For the round's timings, where later rounds look."""
        held_out = {HELD_OUT_KEY: self.held_out.as_dict()} if self.held_out else {}
        return {TIMINGS_KEY: self.paths.as_dict(), **held_out, WARNINGS_KEY: self.warnings}


def read_text_health(store: "Store", draw: int, model_id: UUID | None = None) -> TextHealth:
    """The figures of one draw (of one model, where given)."""
    of_model = {"model_id": model_id} if model_id is not None else {}
    right = store.query(
        # votes and second opinions are no measure of what is right
        "SELECT path_id FROM verdicts WHERE draw = ? AND verifier = 'reference'"
        " GROUP BY path_id HAVING arg_max(verdict, created_at) = 'correct'",
        [draw],
    )["path_id"].to_pylist()
    paths = (path for page in store.pages(Path, size=PAGE, draw=draw, **of_model) for path in page)
    return text_health(paths, dict.fromkeys(right, True))


def read_held_out_health(store: "Store", model_id: UUID) -> TextHealth | None:
    """The figures of a model's first answers to gate and final questions; None without any."""
    answers = (
        answer for page in store.pages(Answer, size=PAGE, model_id=model_id) for answer in page
    )
    # others were drawn, or asked again to see what changes
    health = text_health((answer for answer in answers if answer.sample == 0), {})
    return health if health.paths else None


def watch_collapse(store: "Store", round: Round, writer: UUID, base: UUID) -> Watched:
    """This round's paths and its champion's answers, against the line's earlier rounds.

    A base has answers of another form than what is trained on it, so only champions that were
    trained are compared.
    """
    earlier = [
        other
        for other in store.select(Round, order_by="number", line=round.line)
        if other.number < round.number
    ]
    paths = read_text_health(store, round.number, writer)
    warnings = collapse_warnings(paths, _stored(earlier, TIMINGS_KEY))
    champion = round.champion_model_id
    held_out = read_held_out_health(store, champion) if champion != base else None
    if held_out is not None:
        warnings += [
            f"In the champion's held-out answers {warning}"
            for warning in collapse_warnings(held_out, _stored(earlier, HELD_OUT_KEY))
        ]
    return Watched(paths, held_out, warnings)


def _stored(rounds: Sequence[Round], key: str) -> list[TextHealth]:
    """The figures that rounds keep in their timings, of those that have them."""
    found = [json.loads(one.timings or "{}").get(key) for one in rounds]
    return [TextHealth(**figures) for figures in found if figures]
