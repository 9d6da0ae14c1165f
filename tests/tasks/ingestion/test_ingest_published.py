"""Published question sets.

Each layout from file to stored questions, counted, divided, licensed, and only whole.
"""

import json
from pathlib import Path
from typing import Any

import pytest

from storage.errors import InputError
from storage.open_store import Store, open_store
from storage.records import Question, QuestionSet
from tasks.ingestion.ingest_published import ingest_published_set
from tasks.ingestion.published_files import fetch_published_set, read_published_set
from tasks.rules.questions.published_sets import PUBLISHED_SETS, published_set
from tests.fakes.published_files import PUBLISHED, Splits, known_with_counts_of, write_published

NLI = ["entailment", "neutral", "contradiction"]
# Of one question of each layout: source row id, whether it trains, beginning of the text, choices,
# answer, kind.
STORED: list[tuple[str, str, bool, str, list[str], str, str]] = [
    ("gsm8k", "train/1", True, "What is 500 + 572?", [], "1072", "number"),
    ("numglue", "validation/1", True, "P.\nHow many?", [], "7", "number"),
    ("strategyqa", "a2", False, "Is fire cold?", [], "no", "boolean"),
    ("strategyqa_facts", "a1", True, "Ice is frozen.\nIs ice cold?", [], "yes", "boolean"),
    ("reclor", "r2", False, "D.\nQ?", ["a", "b"], "A", "choice"),
    ("arc_challenge", "M1", True, "Which is warm?", ["ice", "fire"], "B", "choice"),
    ("svamp", "chal-1", False, "Ann has 5. How many?", [], "5", "number"),
    ("asdiv", "validation/1", False, "Seven apples. How many?", [], "7", "number"),
    ("aqua_rat", "test/1", False, "Twenty-two?", ["21", "22"], "B", "choice"),
    ("openbookqa", "7-1", False, "Which is warm?", ["ice", "fire"], "B", "choice"),
    ("bbh", "task_a/1", False, "Which is warm?", ["ice", "fire"], "B", "choice"),
    ("anli", "dev_r2", False, "It rains.\nHypothesis: It is wet dev_r2.", NLI, "C", "choice"),
]


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return open_store(f"duckdb:///{tmp_path / 'store.duckdb'}")


def ingest(
    store: Store, folder: Path, name: str, splits: Splits, own_name: str = ""
) -> list[Question]:
    published = read_published_set(known_with_counts_of(name, splits), folder)
    return ingest_published_set(store, published, own_name)[1]


@pytest.mark.parametrize(("name", "row_id", "trains", "text", "choices", "answer", "kind"), STORED)
def test_a_published_file_becomes_stored_questions(
    name: str,
    row_id: str,
    trains: bool,
    text: str,
    choices: list[str],
    answer: str,
    kind: str,
    store: Store,
    tmp_path: Path,
) -> None:
    ingest(store, write_published(tmp_path / name, name, PUBLISHED[name]), name, PUBLISHED[name])

    [question_set] = store.select(QuestionSet)
    [stored] = store.select(Question, source_row_id=row_id)
    known = published_set(name)
    assert (question_set.name, question_set.domain, question_set.source) == (
        name,
        known.domain,
        known.url,
    )
    assert (question_set.licence, question_set.citation) == (known.licence, known.citation)
    assert question_set.redistributable == known.redistributable
    assert stored.text.startswith(text)
    assert (stored.choices, stored.answer, stored.answer_kind) == (choices, answer, kind)
    assert (stored.part == "train") == trains


def test_every_known_set_has_its_layout_tested() -> None:
    assert {row[0] for row in STORED} == {known.name for known in PUBLISHED_SETS}


@pytest.mark.parametrize("name", ["gsm8k", "svamp"])
def test_a_file_may_be_gzipped(name: str, store: Store, tmp_path: Path) -> None:
    folder = write_published(tmp_path / name, name, PUBLISHED[name], gz=True)

    assert len(ingest(store, folder, name, PUBLISHED[name])) == sum(
        map(len, PUBLISHED[name].values())
    )


def test_a_json_file_may_have_one_object_a_line(tmp_path: Path) -> None:
    known = known_with_counts_of("numglue", PUBLISHED["numglue"])
    files = [
        write_published(tmp_path / str(lines), "numglue", PUBLISHED["numglue"], lines=lines)
        for lines in (0, 1)
    ]

    assert read_published_set(known, files[0]).rows == read_published_set(known, files[1]).rows


def test_the_same_files_again_change_nothing(store: Store, tmp_path: Path) -> None:
    folder = write_published(tmp_path, "gsm8k", PUBLISHED["gsm8k"])
    ingest(store, folder, "gsm8k", PUBLISHED["gsm8k"])
    before = store.select(QuestionSet), store.select(Question, order_by="id")

    ingest(store, folder, "gsm8k", PUBLISHED["gsm8k"])

    assert (store.select(QuestionSet), store.select(Question, order_by="id")) == before


def test_other_content_is_another_digest(tmp_path: Path) -> None:
    digests: set[str] = set()
    for answer in ("2", "3"):
        splits = {
            **PUBLISHED["gsm8k"],
            "test": [{"question": "What is it?", "answer": f"#### {answer}"}],
        }
        folder = write_published(tmp_path / answer, "gsm8k", splits)
        digests.add(read_published_set(known_with_counts_of("gsm8k", splits), folder).digest)

    assert len(digests) == 2


def test_a_published_test_split_is_halved_and_its_train_split_trains(
    store: Store, tmp_path: Path
) -> None:
    splits = {
        split: [
            {"question": f"What is {n} + {first}?", "answer": f"#### {n + first}"}
            for n in range(200)
        ]
        for split, first in (("train", 1000), ("test", 2000))
    }
    questions = ingest(store, write_published(tmp_path, "gsm8k", splits), "gsm8k", splits)

    parts = [(question.part, question.source_row_id.partition("/")[0]) for question in questions]
    assert parts.count(("train", "train")) == 200
    assert 70 < parts.count(("gate", "test")) < 130
    assert parts.count(("gate", "test")) + parts.count(("final", "test")) == 200


def test_questions_that_differ_only_in_their_options_are_divided_too(
    store: Store, tmp_path: Path
) -> None:
    rows = [
        {"input": f"Which is right?\nOptions:\n(A) {n}\n(B) -{n}", "target": "(A)"}
        for n in range(40)
    ]

    questions = ingest(
        store, write_published(tmp_path, "bbh", {"test": rows}), "bbh", {"test": rows}
    )

    assert {question.part for question in questions} == {"gate", "final"}


def test_an_out_of_domain_set_takes_no_published_train_split(store: Store, tmp_path: Path) -> None:
    known = known_with_counts_of("aqua_rat", PUBLISHED["aqua_rat"])
    published = read_published_set(
        known, write_published(tmp_path, "aqua_rat", PUBLISHED["aqua_rat"])
    )

    question_set, questions = ingest_published_set(store, published)

    assert published.not_taken == ("train", "validation")
    assert json.loads(question_set.mapping)["not_taken"] == ["train", "validation"]
    assert [(question.text, question.part == "train") for question in questions] == [
        ("Twenty-two?", False)
    ]


def test_repeats_and_rows_without_a_reference_are_left_out_and_counted(
    store: Store, tmp_path: Path
) -> None:
    [train] = PUBLISHED["gsm8k"]["train"]
    splits = {
        "train": [
            train,
            {**train, "question": "what is  500 + 572?"},
            {"question": "Why?", "answer": "#### because"},
        ],
        "test": [train, {"question": "How?", "answer": None}],
    }
    published = read_published_set(
        known_with_counts_of("gsm8k", splits), write_published(tmp_path, "gsm8k", splits)
    )

    question_set, [question] = ingest_published_set(store, published)

    assert (published.duplicates, published.unusable) == (2, 2)
    assert json.loads(question_set.mapping).items() >= {"duplicates": 2, "unusable": 2}.items()
    assert (question.source_row_id, question.part) == ("train/1", "train")


def test_hidden_labels_are_counted_only(tmp_path: Path) -> None:
    labelled = {**PUBLISHED["reclor"]["test"][0], "label": 1}
    splits = {**PUBLISHED["reclor"], "test": [labelled]}

    published = read_published_set(
        known_with_counts_of("reclor", splits), write_published(tmp_path, "reclor", splits)
    )

    assert published.unusable == 1
    assert {row.source_row_id for row in published.rows} == {"r1", "r2"}


def test_the_published_row_is_kept_whole(store: Store, tmp_path: Path) -> None:
    splits = PUBLISHED["gsm8k"]
    [_, question] = ingest(store, write_published(tmp_path, "gsm8k", splits), "gsm8k", splits)

    assert json.loads(question.extra) == {"published_split": "test", **splits["test"][0]}


def test_a_known_set_under_another_name_is_another_set(store: Store, tmp_path: Path) -> None:
    folder = write_published(tmp_path, "gsm8k", PUBLISHED["gsm8k"])
    for name in ("", "mine"):
        ingest(store, folder, "gsm8k", PUBLISHED["gsm8k"], name)

    assert {one.name for one in store.select(QuestionSet)} == {"gsm8k", "mine"}
    assert len(store.select(Question)) == 4


@pytest.mark.parametrize("rows", [0, 1, 3])
def test_another_number_of_rows_than_published_is_refused(rows: int, tmp_path: Path) -> None:
    known = known_with_counts_of("svamp", {"test": [{}, {}]})
    one = PUBLISHED["svamp"]["test"][0]
    folder = write_published(
        tmp_path, "svamp", {"test": [{**one, "Body": f"{n}."} for n in range(rows)]}
    )

    with pytest.raises(InputError, match=f"2 rows as published; found {rows}"):
        read_published_set(known, folder)


def test_a_published_total_is_checked_over_all_files(tmp_path: Path) -> None:
    folder = write_published(tmp_path, "numglue", PUBLISHED["numglue"])

    with pytest.raises(InputError, match="101835 rows as published; found 3"):
        read_published_set(published_set("numglue"), folder)


@pytest.mark.parametrize(
    ("splits", "message"),
    [
        (
            {"train": PUBLISHED["gsm8k"]["train"]},
            "gsm8k test is 'main/test-00000-of-00001.parquet' below the folder",
        ),
        (
            {**PUBLISHED["gsm8k"], "test": [{"frage": "x", "answer": "#### 1"}]},
            "row 1 has no column 'question'",
        ),
        (
            {
                "train": [{"question": "?", "answer": "x"}],
                "test": [{"question": "", "answer": "1"}],
            },
            "none of 2 rows",
        ),
    ],
)
def test_another_layout_is_one_line_that_says_what_to_do(
    splits: Splits, message: str, tmp_path: Path
) -> None:
    folder = write_published(tmp_path, "gsm8k", splits)

    with pytest.raises(
        InputError, match=r"^[^\n]*https://huggingface.co/datasets/openai/gsm8k[^\n]*$"
    ) as caught:
        read_published_set(known_with_counts_of("gsm8k", splits), folder)

    assert message in str(caught.value)


def test_the_hub_is_asked_for_the_files_that_are_read_and_no_others(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    asked: list[tuple[str, dict[str, Any]]] = []

    def fetched(repository: str, **options: Any) -> str:
        asked.append((repository, options))
        return str(tmp_path)

    monkeypatch.setattr("huggingface_hub.snapshot_download", fetched)

    folder = fetch_published_set(published_set("aqua_rat"))

    wanted = {"repo_type": "dataset", "allow_patterns": ["raw/test-00000-of-00001.parquet"]}
    assert (folder, asked) == (tmp_path, [("deepmind/aqua_rat", wanted)])


def test_a_hub_that_is_not_reached_says_what_to_do(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))

    with pytest.raises(
        InputError, match=r"^gsm8k could not be fetched[^\n]*openai/gsm8k[^\n]*--folder\.$"
    ):
        fetch_published_set(published_set("gsm8k"))


@pytest.mark.parametrize("name", ["strategyqa", "svamp"])
def test_a_set_that_is_not_on_the_hub_says_where_it_is(name: str) -> None:
    with pytest.raises(
        InputError, match=r"is not on the hub\. Download https://github\.com/\S+ elsewhere"
    ):
        fetch_published_set(published_set(name))
