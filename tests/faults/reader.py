"""A reader beside writers that are killed: asks again and again, and notes each answer.

Arguments: store URL, note file. An answer counts every path once through each view, and what should
not be.
"""

import json
import sys

from storage.open_store import open_store
from tests.faults.writer import EVERYBODY, OWN, SHARED

THROUGH_EVERY_VIEW = {
    "paths": "count(*) FROM paths",
    "current_verdicts": "count(*) FROM current_verdicts",
    "lineage": "count(*) FROM lineage WHERE verdict = 'correct'",
    "lineage_links": (
        "count(*) FROM lineage_links WHERE parent_table = 'paths' AND child_table = 'verdicts'"
    ),
    "accepted_paths": "count(*) FROM accepted_paths",
    "rejections": "count(*) FROM rejections",
    "guideline_attempts": "sum(attempts) FROM guideline_attempts",
    "guideline_history": "sum(attempts) FROM guideline_history",
    "guideline_leaderboard": "sum(correct) FROM guideline_leaderboard",
    "question_history": "sum(correct_paths) FROM question_history",
    "token_costs": "sum(texts) FROM token_costs WHERE stage = 'path'",
    "round_summary": "sum(correct_paths) FROM round_summary",
    "training_set_contents": "count(*) FROM training_set_contents",
    "model_lineage": "sum(examples) FROM model_lineage",
}
MUST_BE_NONE = {
    "doubled": "count(*) - count(DISTINCT id) FROM paths",
    "torn": (
        "count(*) FROM (SELECT endpoint, seed FROM paths GROUP BY ALL"
        f" HAVING count(*) <> CASE endpoint WHEN '{EVERYBODY}' THEN {SHARED} ELSE {OWN} END)"
    ),
}
STATE = "SELECT " + ", ".join(
    f"(SELECT coalesce({counted.replace(' FROM', ', 0)::BIGINT FROM', 1)}) AS {name}"
    for name, counted in (THROUGH_EVERY_VIEW | MUST_BE_NONE).items()
)


def main(url: str, notes: str) -> None:
    store = open_store(url, busy_seconds=60)
    with open(notes, "a", encoding="utf-8", buffering=1) as answers:
        while True:
            [state] = store.query(STATE).to_pylist()
            answers.write(json.dumps(state) + "\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
