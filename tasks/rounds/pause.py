"""Whether a line should run on by itself after its nights, and the morning's summary of rounds."""

import json
from datetime import datetime
from typing import TYPE_CHECKING

from storage.records import Round
from tasks.rounds.round_row import settings_of
from tasks.rules.nights.night_summary import RoundLine, reason_to_pause
from tasks.verification.collapse_watch import WARNINGS_KEY

if TYPE_CHECKING:
    from storage.open_store import Store


def pause_reason(store: "Store", number: int) -> str:
    """Why the line of this round should not go on by itself; empty when it should."""
    newest = store.select(Round, number=number)[0]
    line = [
        one
        for one in store.select(Round, line=newest.line, order_by="number")
        if one.number <= number
    ]
    warnings = json.loads(newest.timings).get(WARNINGS_KEY, [])
    outcomes = [one.outcome for one in line if one.status == "finished"]
    return reason_to_pause(outcomes, settings_of(newest).gate.pause_after_refused, warnings)


def rounds_since(store: "Store", moment: datetime) -> list[RoundLine]:
    """The rounds that were at work since this moment, in their order."""
    found = store.query(_ROUNDS, [moment, moment]).to_pylist()
    return [RoundLine(**row) for row in found]


_ROUNDS = """
SELECT round, line, status, outcome, coalesce(nullif(reason, ''), decision, '') AS reason,
    questions, paths, correct_paths, training_examples,
    in_domain_before, in_domain_after, out_of_domain_before, out_of_domain_after,
    generated_tokens, failed_requests, seconds
FROM round_summary
WHERE status = 'running' OR started_at >= ? OR finished_at >= ?
ORDER BY round
"""
