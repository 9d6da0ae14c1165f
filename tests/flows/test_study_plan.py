"""The settings of the study on a real model say what its plan says, and its forecast runs.

The sets are made by hand, of the study's names and kinds of answers; nothing is generated.
"""

import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest

from storage.open_store import open_store
from storage.records import Comparison, Question, QuestionSet
from tasks.settings import load_settings
from tests.storage.examples import NOW, make

ROOT = Path(__file__).parents[2]
STUDY = ROOT / "docs" / "study-1.5b"
FILES = {
    "study.toml": "base, star_one_round, regenesis; seeds [1, 2, 3, 4, 5]",
    "more.toml": (
        "base, star_one_round, regenesis, random, rft, no_hints, star_one_round@6; seeds [1, 2, 3]"
    ),
    "rounds.toml": "base, star, regenesis; seeds [1]",
}
KINDS = {"arc_challenge": "choice", "strategyqa": "boolean", "aqua_rat": "choice", "qasc": "choice"}
Run = Callable[..., tuple[int, str, str]]


def sets_of(file: str) -> list[QuestionSet | Question]:
    """A few questions of each part of each set that a file names."""
    sizes = load_settings(overrides=tomllib.loads((STUDY / file).read_text("utf-8"))).questions
    rows: list[QuestionSet | Question] = []
    for domain, names in (("in_domain", sizes.in_domain), ("out_of_domain", sizes.out_of_domain)):
        for name in names:
            own = make(QuestionSet, name, name=name, domain=domain, source=f"{name}.jsonl")
            kind = KINDS.get(name, "number")
            rows.append(own)
            rows += [
                make(
                    Question,
                    (name, part, number),
                    question_set_id=own.id,
                    part=part,
                    draw=0,
                    created_at=NOW,
                    text=f"{part} {name} {number}",
                    answer={"choice": "A", "boolean": "yes"}.get(kind, str(number)),
                    answer_kind=kind,
                    choices=["one", "two"] if kind == "choice" else [],
                )
                for part in ("train", "gate", "final")
                for number in range(50 if part == "train" else 4)
            ]
    return rows


@pytest.mark.parametrize("file", FILES)
def test_the_forecast_of_the_study_runs_and_begins_nothing(
    file: str, home: Path, command: Run
) -> None:
    home.mkdir(parents=True, exist_ok=True)
    store = open_store(f"duckdb:///{home / 'regenesis.duckdb'}")
    store.append(sets_of(file))

    code, out, err = command("compare", "--plan", "--settings", str(STUDY / file))

    assert code == 0, err
    assert f"would begin: {FILES[file]}; matched by paths." in out
    assert "out of domain, 480 final questions" in out
    assert store.select(Comparison) == []


def test_the_three_files_of_the_study_share_sets_pools_and_lengths() -> None:
    texts = [tomllib.loads((STUDY / file).read_text("utf-8")) for file in FILES]
    for place in ("name", "model", "questions", "synthesis"):
        assert texts[0][place] == texts[1][place] == texts[2][place], place
    assert {text["comparison"]["most_examples"] for text in texts} == {120}
