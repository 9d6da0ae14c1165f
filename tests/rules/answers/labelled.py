"""Reads the hand-labelled cases.

Labels are made by reading, except a part of fourth_reading.jsonl, where the judge's verdict was
looked at and taken over. Those that a reading without it saw otherwise were read again, and say so
("read again").
"""

import json
from dataclasses import dataclass
from pathlib import Path

from storage.records import Label
from tasks.rules.answers.verdicts import Case

FOLDER = Path(__file__).parents[2] / "hand_labelled"


@dataclass(frozen=True)
class Labelled:
    """A case with the verdict that a reader gave it, and why."""

    case: Case
    verdict: Label
    reason: str | None
    adversarial: bool
    why: str


def labelled_cases() -> list[Labelled]:
    """All of them, in the order of the files."""
    rows = [
        json.loads(line)
        for file in sorted(FOLDER.glob("*.jsonl"))
        for line in file.read_text("utf-8").splitlines()
    ]
    return [
        Labelled(
            Case(
                row["text"],
                row["answer"],
                row["answer_kind"],
                tuple(row["choices"]),
                row["finish_reason"],
                row["question"],
            ),
            row["expected_verdict"],
            row["expected_reason"],
            row["adversarial"],
            row["why"],
        )
        for row in rows
    ]
