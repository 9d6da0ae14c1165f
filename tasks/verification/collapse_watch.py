"""The collapse watch's step: a draw's paths and verdicts in, figures and warnings out."""

import json
from typing import TYPE_CHECKING
from uuid import UUID

from storage.records import Path, Round
from storage.store.store import PAGE
from tasks.rules.training.collapse import TextHealth, collapse_warnings, text_health

if TYPE_CHECKING:
    from storage.open_store import Store

TIMINGS_KEY, WARNINGS_KEY = "text_health", "collapse_warnings"  # where a round keeps them


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


def watch_collapse(store: "Store", round: Round, writer: UUID) -> tuple[TextHealth, list[str]]:
    """The figures of this round's paths, and warnings against the line's earlier rounds."""
    now = read_text_health(store, round.number, writer)
    earlier = [
        stored_health(other)
        for other in store.select(Round, order_by="number", line=round.line)
        if other.number < round.number
    ]
    return now, collapse_warnings(now, [health for health in earlier if health])


def stored_health(round: Round) -> TextHealth | None:
    """The figures that a round keeps in its timings; None where it has none."""
    figures = json.loads(round.timings or "{}").get(TIMINGS_KEY)
    return TextHealth(**figures) if figures else None
