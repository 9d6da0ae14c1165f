"""Rows leave whole, as other tools load them, with a card that says what they are; or nothing is written."""

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from storage.environment import Environment
from storage.errors import InputError
from storage.open_store import Store
from storage.records import Path as RecordedPath
from storage.records import TrainingExample, TrainingSet, Verdict
from tasks.export import export_rows as exporting
from tasks.export.export_rows import export_rows
from tasks.export.wanted_rows import wanted_paths, wanted_training_set
from tests.fakes.story_store import NEWEST, story_store
from tests.storage.examples import make
from tests.storage.story import SUMS


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    return story_store(tmp_path_factory.mktemp("export") / "story.duckdb")


@pytest.fixture
def places(tmp_path: Path) -> Environment:
    return Environment(tmp_path / "home", "", (), None)


@pytest.fixture(scope="module")
def datasets() -> Any:
    import datasets

    datasets.disable_progress_bars()
    return datasets


def stored_examples(store: Store) -> list[TrainingExample]:
    return store.select(TrainingExample, training_set_id=NEWEST.id, order_by="position")


def accepted_ids(store: Store, *draws: int) -> set[str]:
    """By the records alone: a person's verdict, else the newest version's."""
    best: dict[Any, Verdict] = {}
    for one in store.select(Verdict, draw=list(draws)):
        known = best.get(one.path_id)
        if known is None or (one.verifier == "human", one.verifier_version) > (
            known.verifier == "human", known.verifier_version,
        ):  # fmt: skip
            best[one.path_id] = one
    return {str(id) for id, one in best.items() if one.verdict == "correct"}


def test_parquet_loaded_back_is_the_training_set_row_by_row(
    store: Store, places: Environment, tmp_path: Path, datasets: Any
) -> None:
    export_rows(store, wanted_training_set(store), tmp_path / "out", places)

    loaded = datasets.load_dataset(str(tmp_path / "out"), split="train", cache_dir=str(tmp_path / "cache"))
    expected = [
        {"training_example_id": str(one.id), "path_id": str(one.path_id), "question_id": str(one.question_id),
         "position": one.position, "prompt": one.prompt, "completion": one.completion}
        for one in stored_examples(store)
    ]  # fmt: skip
    assert [{name: row[name] for name in expected[0]} for row in loaded] == expected
    assert {row["question_set_id"] for row in loaded} == {str(SUMS.id)}


def test_chat_rows_loaded_back_are_the_conversations_that_were_trained(
    store: Store, places: Environment, tmp_path: Path, datasets: Any
) -> None:
    export_rows(store, wanted_training_set(store), tmp_path / "out", places, format="chat")

    loaded = datasets.load_dataset(str(tmp_path / "out"), split="train", cache_dir=str(tmp_path / "cache"))
    assert [(row["messages"], row["path_id"], row["training_example_id"]) for row in loaded] == [
        (
            [
                {"role": "system", "content": "Be brief."}, {"role": "user", "content": one.prompt.strip()},
                {"role": "assistant", "content": f"Work: {one.completion.strip()}"},
            ],
            str(one.path_id),
            str(one.id),
        )
        for one in stored_examples(store)
    ]  # fmt: skip
    assert not {"prompt", "completion"} & set(loaded.column_names)


def test_a_datasets_folder_opens_from_disk_with_the_rows_of_parquet(
    store: Store, places: Environment, tmp_path: Path, datasets: Any
) -> None:
    wanted = wanted_training_set(store)
    export_rows(store, wanted, tmp_path / "disk", places, format="datasets")

    loaded = datasets.load_from_disk(str(tmp_path / "disk"))

    assert loaded.to_list() == store.query(wanted.sql).to_pylist()
    assert "load_from_disk" in (tmp_path / "disk" / "README.md").read_text("utf-8")


def test_accepted_paths_are_those_whose_verdict_that_counts_is_correct(
    store: Store, places: Environment, tmp_path: Path, datasets: Any
) -> None:
    export_rows(store, wanted_paths(store, 2), tmp_path / "two", places, format="chat")
    export_rows(store, wanted_paths(store), tmp_path / "all", places)

    two = [json.loads(line) for line in (tmp_path / "two" / "train.jsonl").read_text("utf-8").split("\n")[:-1]]
    every = datasets.load_dataset(str(tmp_path / "all"), split="train", cache_dir=str(tmp_path / "cache"))
    assert {row["path_id"] for row in two} == accepted_ids(store, 2)
    assert sorted(every["path_id"]) == sorted(accepted_ids(store, 1, 2, 3))
    texts = {str(one.id): one.text for one in store.select(RecordedPath)}
    assert [row["messages"][-1]["content"] for row in two] == [texts[row["path_id"]] for row in two]


def test_a_chat_row_of_a_path_asks_with_the_lettered_choices(store: Store, places: Environment, tmp_path: Path) -> None:
    export_rows(store, wanted_paths(store, 1), tmp_path / "out", places, format="chat")

    rows = [json.loads(line) for line in (tmp_path / "out" / "train.jsonl").read_text("utf-8").split("\n")[:-1]]
    asked = {row["messages"][0]["content"] for row in rows if row["choices"]}
    assert asked == {"Which?\nA. red\nB. blue"}


def test_a_folder_with_something_in_it_is_left_as_it_is(store: Store, places: Environment, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "mine.txt").write_text("mine", "utf-8")

    with pytest.raises(InputError, match="not empty"):
        export_rows(store, wanted_training_set(store), tmp_path / "out", places)

    assert [one.name for one in (tmp_path / "out").iterdir()] == ["mine.txt"]


def test_an_empty_folder_is_taken(store: Store, places: Environment, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()

    done = export_rows(store, wanted_training_set(store), tmp_path / "out", places)

    assert done.figures["files"] == ["README.md", "train.parquet"]


def test_a_place_that_cannot_be_written_is_named(store: Store, places: Environment, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("", "utf-8")

    with pytest.raises(InputError, match="can be written"):
        export_rows(store, wanted_training_set(store), tmp_path / "file" / "out", places)


def test_an_export_that_fails_in_the_middle_leaves_nothing(
    store: Store, places: Environment, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(row: object, wanted: object) -> dict[str, object]:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(exporting, "chat_row", full)
    with pytest.raises(InputError, match="No space left"):
        export_rows(store, wanted_training_set(store), tmp_path / "new" / "out", places, format="chat")

    assert list((tmp_path / "new").iterdir()) == []


def test_a_dry_run_counts_and_writes_nothing(store: Store, places: Environment, tmp_path: Path) -> None:
    done = export_rows(store, wanted_training_set(store), tmp_path / "out", places, dry_run=True)

    assert list(tmp_path.iterdir()) == []
    assert (done.figures["rows"], done.figures["written"]) == (len(stored_examples(store)), False)
    assert done.text.startswith("Would write")


@pytest.mark.parametrize("format", ["csv", "arrow", "PARQUET"])
def test_another_format_is_refused(format: str, store: Store, places: Environment, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=f"parquet, chat, datasets; found '{format}'"):
        export_rows(store, wanted_training_set(store), tmp_path / "out", places, format=format)


def test_without_the_package_datasets_it_says_what_to_install(
    store: Store, places: Environment, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "datasets", None)

    with pytest.raises(InputError, match="pip install datasets"):
        export_rows(store, wanted_training_set(store), tmp_path / "out", places, format="datasets")


def test_rows_that_are_none_are_not_exported(store: Store, places: Environment, tmp_path: Path) -> None:
    empty = make(TrainingSet, "empty", settings="{}", round_id=None)
    store.append([empty])

    with pytest.raises(InputError, match="found none"):
        export_rows(store, wanted_training_set(store, str(empty.id)), tmp_path / "out", places)
