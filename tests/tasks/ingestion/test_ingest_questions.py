"""Ingest: three disjoint parts, fixed for ever; fresh questions for each round."""

import json
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from storage.errors import InputError
from storage.ids import content_id
from storage.open_store import Store, open_store
from storage.records import Part, Question, QuestionSet
from tasks.guidelines import builtin_guidelines, parse_guidelines
from tasks.ingestion.ingest_questions import NewSet, ingest_embedded, ingest_rows, questions_of
from tasks.ingestion.question_files import file_source
from tasks.settings import Settings, load_settings

PARTS: tuple[Part, ...] = ("train", "gate", "final")
SMALL = {
    "questions": {
        "in_domain": ["gcd"],
        "out_of_domain": ["lcm"],
        "train_per_set": 6,
        "gate_per_set": 8,
        "final_per_set": 4,
    }
}


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return open_store(f"duckdb:///{tmp_path / 'store.duckdb'}")


@pytest.fixture
def settings() -> Settings:
    return load_settings(overrides=SMALL)


def test_parts_of_an_embedded_set_are_disjoint_over_rounds(
    store: Store, settings: Settings
) -> None:
    for draw in (1, 2):
        ingest_embedded(store, settings, draw)
    questions = store.select(Question)
    texts = [(question.question_set_id, question.text) for question in questions]
    assert len(texts) == len(set(texts)) == (8 + 4 + 6) + (8 + 6) + (8 + 4) + 8


def test_a_second_round_draws_other_train_and_gate_questions_and_keeps_final(
    store: Store, settings: Settings
) -> None:
    picked: dict[tuple[int, Part], set[str]] = {}
    for draw in (1, 2):
        ingest_embedded(store, settings, draw)
        for part in PARTS:
            picked[draw, part] = {
                question.text for question in questions_of(store, settings, part, draw)
            }
    assert not picked[1, "train"] & picked[2, "train"]
    assert not picked[1, "gate"] & picked[2, "gate"]
    assert picked[1, "final"] == picked[2, "final"]
    assert len(picked[1, "gate"]) == 16


def test_drawing_twice_changes_nothing(store: Store, settings: Settings) -> None:
    ingest_embedded(store, settings, 1)
    before = store.select(Question, order_by="id")
    ingest_embedded(store, settings, 1)
    assert store.select(Question, order_by="id") == before


def test_train_questions_never_come_from_an_out_of_domain_set(
    store: Store, settings: Settings
) -> None:
    ingest_embedded(store, settings, 1)
    outside = {one.id for one in store.select(QuestionSet, domain="out_of_domain")}
    assert not [q for q in store.select(Question, part="train") if q.question_set_id in outside]


def test_a_set_too_small_for_the_round_says_so(store: Store) -> None:
    tiny = {**SMALL["questions"], "difficulty": {"gcd": {"min_value": 1, "max_value": 3}}}
    with pytest.raises(InputError, match="run out of questions"):
        ingest_embedded(store, load_settings(overrides={"questions": tiny}), 1)
    assert store.select(Question) == []


def test_a_file_set_keeps_its_split_and_its_parts(store: Store, tmp_path: Path) -> None:
    file = tmp_path / "own.jsonl"
    rows = [
        {
            "id": str(n),
            "question": f"What is {n} + 1?",
            "answer": str(n + 1),
            "answer_kind": "number",
            "split": "train" if n < 30 else "test",
        }
        for n in range(60)
    ]
    file.write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
    done = ingest_rows(store, file_source(file), NewSet("own", "in_domain"))
    question_set, questions = done.question_set, done.questions
    assert {q.source_row_id for q in questions if q.part == "train"} == {str(n) for n in range(30)}
    assert {q.part for q in questions} == {"train", "gate", "final"}
    assert (
        ingest_rows(store, file_source(file), NewSet("own", "in_domain")).question_set.id
        == question_set.id
    )
    assert len(store.select(Question)) == 60


@pytest.mark.parametrize("brought", ["another question", "another part", "a set of the year 2999"])
def test_a_file_is_refused_where_rounds_would_read_what_was_brought_before_it(
    store: Store, tmp_path: Path, brought: str
) -> None:
    file = tmp_path / "own.jsonl"
    rows = [
        {"question": f"What is {n} + 1?", "answer": str(n + 1), "answer_kind": "number"}
        for n in range(40)
    ]
    file.write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
    own = NewSet("own", "in_domain")
    read = ingest_rows(store, file_source(file), own, dry_run=True)
    first = next(one for one in read.questions if one.part == "gate")
    if brought == "another question":
        others = [replace(first, id=content_id("questions", "other"), text="What is it?")]
        store.append([read.question_set, *read.questions, *others])
    elif brought == "another part":
        store.append([read.question_set, replace(first, part="train")])
    else:
        far = datetime(2999, 1, 1, tzinfo=UTC)
        other = content_id("question_sets", "other")
        store.append([replace(read.question_set, id=other, created_at=far)])
    before = (store.select(QuestionSet), store.select(Question))

    with pytest.raises(
        InputError, match=r"must hold the questions of .*own\.jsonl.* Choose another"
    ):
        ingest_rows(store, file_source(file), own)

    assert (store.select(QuestionSet), store.select(Question)) == before


def test_a_set_is_never_both_in_and_out_of_domain(store: Store, tmp_path: Path) -> None:
    file = tmp_path / "own.csv"
    file.write_text("question,answer,answer_kind\nIs it?,yes,boolean\n", "utf-8")
    ingest_rows(store, file_source(file), NewSet("own", "in_domain"))
    with pytest.raises(InputError, match="never mixed"):
        ingest_rows(store, file_source(file), NewSet("own", "out_of_domain"))


def test_there_are_twenty_five_guidelines_and_the_last_three_sit_out_a_hinted_retry() -> None:
    guidelines = builtin_guidelines()
    assert [guideline.position for guideline in guidelines] == list(range(1, 26))
    assert [g.position for g in guidelines if not g.in_hinted_retry] == [23, 24, 25]


@pytest.mark.parametrize(
    "text",
    ["", "[[guideline]]\nname = 'x'", "[[guideline]]\ntext='a'\n[[guideline]]\ntext='a'", "["],
)
def test_a_bad_guideline_list_is_refused(text: str) -> None:
    with pytest.raises(InputError):
        parse_guidelines(text, "mine.toml")
