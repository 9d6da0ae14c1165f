"""The judge on other graders' own tests: how many rows agree, and who is wrong where they differ.

benchmarks/other_graders.jsonl holds the rows (facts: a reference, a text, whether that grader's
test expects it to be accepted), with source and licence. A text that states nothing gives its last
formula, as those graders read it; one without a formula either is out of scope. What stands in
`difference` was written by reading the row.
"""

import json
import re
from collections import Counter, defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from storage.records import AnswerKind
from tasks.engines.algebra.math_verify_worker import expressions_equal
from tasks.rules.answers.final_answer import Stated, final_answer
from tasks.rules.answers.verdicts import Case, Pending, judged_quickly

ROWS = Path(__file__).with_name("other_graders.jsonl")
FORMULA = re.compile(r"\$[^$]+\$|\\\[.*?\\\]|\\\(.*?\\\)", re.DOTALL)
SHORT = 120
OPTIONS = ("a", "b", "c", "d")


def main() -> None:
    counts: defaultdict[str, Counter[str]] = defaultdict(Counter)
    reasons: Counter[str] = Counter()
    for row in rows():
        accepted = verdict(row)
        counts[row["source"]]["rows"] += 1
        if accepted is None:
            counts[row["source"]]["scope"] += 1
        elif accepted == row["accepted"]:
            counts[row["source"]]["agree"] += 1
        else:
            who, _, why = row["difference"].partition(": ")
            counts[row["source"]][who] += 1
            counts[row["source"]]["accepted by us alone"] += accepted
            reasons[f"{who}: {why}"] += 1
    print_table(counts, reasons)
    rates = {
        source: one["agree"] / max(1, one["rows"] - one["scope"]) for source, one in counts.items()
    }
    total = sum(one["agree"] for one in counts.values()) / sum(
        one["rows"] - one["scope"] for one in counts.values()
    )
    size = sum(one["rows"] for one in counts.values())
    print(
        json.dumps(
            {
                "name": "verdicts",
                "ratio": round(total, 3),
                "goal": 0.9,
                "by_grader": rates,
                "size": size,
            }
        )
    )


def rows() -> Iterator[dict[str, Any]]:
    """The rows of other graders' tests."""
    for line in ROWS.read_text("utf-8").splitlines():
        yield json.loads(line)


def verdict(row: dict[str, Any]) -> bool | None:
    """Whether the judge accepts a row's text; None where the text states nothing at all."""
    kind: AnswerKind = "choice" if "abc" in row["test"] else "expression"
    text = stated_text(row["text"], kind)
    if text is None:
        return None
    stated = final_answer(row["reference"].strip())
    reference = (
        (stated.words if isinstance(stated, Stated) else row["reference"])
        .strip()
        .strip("$")
        .strip()
    )
    judged = judged_quickly(Case(text, reference, kind, OPTIONS if kind == "choice" else ()))
    if not isinstance(judged, Pending):
        return judged.verdict == "correct"
    try:
        return expressions_equal(judged.undecided.answer, judged.undecided.references)
    except Exception:
        return False


def stated_text(text: str, kind: AnswerKind) -> str | None:
    """The text with a statement: its own, else its last formula, else all of a short one."""
    if isinstance(final_answer(text, "stop", kind), Stated):
        return text
    formulas = FORMULA.findall(text)
    if formulas:
        return f"The answer is {formulas[-1]}"
    return f"The answer is {text}" if len(text) <= SHORT else None


def print_table(counts: dict[str, Counter[str]], reasons: Counter[str]) -> None:
    """One line per grader, then why verdicts differ."""
    print(
        "| grader | rows | agree | it is wrong | we are wrong | out of scope | accepted by us"
        " alone |"
    )
    print("| --- | --- | --- | --- | --- | --- | --- |")
    for source, one in counts.items():
        figures = (
            one["rows"],
            one["agree"],
            one["theirs"],
            one["ours"],
            one["scope"],
            one["accepted by us alone"],
        )
        print(f"| {source} | " + " | ".join(map(str, figures)) + " |")
    for reason, count in reasons.most_common():
        print(f"{count:4}  {reason}")


if __name__ == "__main__":
    main()
