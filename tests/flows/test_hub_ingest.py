"""Data sets in the layout of the hub, by `datasets` itself, from a local folder.

The hub's refusals by a stand-in.
"""

import json
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from storage.open_store import open_store
from storage.records import Question, QuestionSet

Command = Callable[..., tuple[int, str, str]]
GSM8K = {
    "train": [
        {"question": f"{n} and 1?", "answer": f"{n}+1=<<{n}+1={n + 1}>>{n + 1}\n#### {n + 1}"}
        for n in range(4)
    ],
    "test": [{"question": f"{n} and 2?", "answer": f"So {n + 2}.\n#### {n + 2}"} for n in range(6)],
}
ARC = {
    split: [
        {
            "id": f"{split}_{n}",
            "question": f"{split} {n}?",
            "answerKey": "2",
            "choices": {"text": ["oak", "iron"], "label": ["1", "2"]},
        }
        for n in range(3)
    ]
    for split in ("train", "validation", "test")
}
STRATEGYQA = {
    "train": [
        {
            "qid": "a",
            "term": "x",
            "description": "y",
            "question": "Is it?",
            "answer": True,
            "facts": ["z"],
        }
    ],
    "test": [
        {
            "qid": "b",
            "term": "x",
            "description": "y",
            "question": "Was it?",
            "answer": False,
            "facts": ["z"],
        }
    ],
}


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("datasets.config.HF_DATASETS_CACHE", tmp_path / "cache")


@pytest.mark.parametrize(
    ("rows", "kind", "answers"),
    [
        (GSM8K, "number", {"1", "2", "3", "4", "5", "6", "7"}),
        (ARC, "choice", {"B"}),
        (STRATEGYQA, "boolean", {"yes", "no"}),
    ],
    ids=["gsm8k", "arc", "strategyqa"],
)
def test_a_set_in_the_layout_of_the_hub_needs_no_mapping(
    rows: dict[str, list[dict[str, object]]],
    kind: str,
    answers: set[str],
    tmp_path: Path,
    home: Path,
    command: Command,
) -> None:
    folder = tmp_path / "set"
    folder.mkdir()
    for split, of_split in rows.items():
        pq.write_table(pa.Table.from_pylist(of_split), folder / f"{split}-00000-of-00001.parquet")

    code, out, err = command("ingest", "--hub", str(folder), "--name", "mine", "--json")

    assert (code, err) == (0, "")
    store = open_store(f"duckdb:///{home / 'regenesis.duckdb'}")
    questions = store.select(Question)
    assert json.loads(out)["parts"]["train"] == len(rows["train"])
    assert len(questions) == sum(map(len, rows.values()))
    assert ({one.answer_kind for one in questions}, {one.answer for one in questions}) == (
        {kind},
        answers,
    )
    assert [one.source for one in store.select(QuestionSet)] == ["set"]
    command("ingest", "--hub", str(folder), "--name", "mine")
    assert store.select(Question) == questions


@pytest.mark.parametrize(
    ("arguments", "raised", "says"),
    [
        (["--hub", "mine"], None, "owner/name"),
        (
            ["--hub", "me/set"],
            ConnectionError("Couldn't reach 'me/set' on the Hub"),
            "Couldn't reach",
        ),
        (
            ["--hub", "me/set"],
            ValueError("Config name is missing.\nPick one among: ['main', 'socratic']"),
            "--config",
        ),
        (["--config", "main"], None, "--hub OWNER/NAME"),
    ],
)
def test_a_set_that_cannot_be_had_is_one_line(
    arguments: list[str],
    raised: Exception | None,
    says: str,
    command: Command,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def load(*_: object) -> object:
        assert raised
        raise raised

    monkeypatch.setattr("datasets.load_dataset", load)
    code, out, err = command("ingest", *arguments)

    assert (code, out, len(err.strip().splitlines())) == (2, "", 1)
    assert says in err
