"""The collapse watch's step: a draw's paths and verdicts in, figures and warnings out."""

import json
from typing import TYPE_CHECKING
from uuid import UUID

from storage.records import Path, Round, Verdict
from tasks.rules.training.collapse import TextHealth, collapse_warnings, text_health

if TYPE_CHECKING:
    from storage.open_store import Store

TIMINGS_KEY, WARNINGS_KEY = "text_health", "collapse_warnings"  # where a round keeps them


def read_text_health(store: "Store", draw: int, model_id: UUID | None = None) -> TextHealth:
    """The figures of one draw (of one model, where given)."""
    paths = [
        path
        for path in store.select(Path, order_by="id", draw=draw)
        if model_id is None or path.model_id == model_id
    ]
    right = {
        verdict.path_id: verdict.verdict == "correct"
        for verdict in store.select(Verdict, order_by="created_at", draw=draw)
        # votes and second opinions are no measure of what is right
        if verdict.verifier == "reference"
    }
    return text_health(paths, right)


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
