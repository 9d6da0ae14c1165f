"""Rows leave whole, as other tools load them, with a card that says what they are; or nothing is
written.
"""

import json
import sys
from pathlib import Path
from typing import Any

import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
import yaml

from storage.environment import Environment
from storage.errors import InputError
from storage.open_store import Store
from storage.records import Path as RecordedPath
from storage.records import TrainingExample, TrainingSet, Verdict
from tasks.export import export_rows as exporting
from tasks.export.export_rows import export_rows
from tasks.export.formats import SHAPES, conversations
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
            known.verifier == "human",
            known.verifier_version,
        ):
            best[one.path_id] = one
    return {str(id) for id, one in best.items() if one.verdict == "correct"}


def conversation_of(one: TrainingExample) -> tuple[list[dict[str, str]], list[dict[str, str]]]:
    """As it was trained.

    The system message and the question, then the answer behind what was begun for it.
    """
    asked = [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": one.prompt.strip()},
    ]
    return asked, [{"role": "assistant", "content": f"Work: {one.completion.strip()}"}]


@pytest.mark.parametrize("format", ["parquet", "chat", "datasets"])
def test_rows_loaded_back_are_the_conversations_that_were_trained(
    format: str, store: Store, places: Environment, tmp_path: Path, datasets: Any
) -> None:
    export_rows(store, wanted_training_set(store), tmp_path / "out", places, format=format)

    loaded = load(datasets, format, tmp_path)
    assert [
        (row["prompt"], row["completion"], row["path_id"], row["training_example_id"])
        for row in loaded
    ] == [(*conversation_of(one), str(one.path_id), str(one.id)) for one in stored_examples(store)]
    assert {row["question_set_id"] for row in loaded} == {str(SUMS.id)}
    assert f'("{tmp_path / "out"}"' not in (tmp_path / "out" / "README.md").read_text("utf-8")


@pytest.mark.parametrize(
    ("format", "beside"), [("axolotl", "axolotl.yaml"), ("llama-factory", "dataset_info.json")]
)
def test_other_trainers_get_messages_and_the_lines_of_their_configuration(
    format: str, beside: str, store: Store, places: Environment, tmp_path: Path, datasets: Any
) -> None:
    done = export_rows(store, wanted_training_set(store), tmp_path / "out", places, format=format)

    assert [row["messages"] for row in load(datasets, format, tmp_path)] == [
        [*asked, *said] for asked, said in map(conversation_of, stored_examples(store))
    ]
    assert done.figures["files"] == ["README.md", *sorted([beside, "train.jsonl"])]
    text = (tmp_path / "out" / beside).read_text("utf-8")
    described = (
        yaml.safe_load(text)["datasets"][0]
        if format == "axolotl"
        else json.loads(text)["regenesis"]
    )
    expected = {  # as the documentation of each tool names them; neither installs beside vLLM here
        "axolotl": {
            "type": "chat_template",
            "field_messages": "messages",
            "roles_to_train": ["assistant"],
        },
        "llama-factory": {
            "formatting": "sharegpt",
            "columns": {"messages": "messages"},
            "file_name": "train.jsonl",
        },
    }[format]
    assert {name: described[name] for name in expected} == expected


def load(datasets: Any, format: str, folder: Path) -> Any:
    if format == "datasets":
        return datasets.load_from_disk(str(folder / "out"))
    return datasets.load_dataset(
        str(folder / "out"), split="train", cache_dir=str(folder / "cache")
    )


@pytest.mark.parametrize("format", ["parquet", "chat", "datasets"])
def test_an_export_holds_a_few_rows_at_a_time_and_they_are_the_same_rows(
    format: str,
    store: Store,
    places: Environment,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    datasets: Any,
) -> None:
    wanted = wanted_paths(store)
    held: list[int] = []

    def counted(rows: Any, *arguments: Any) -> Any:
        held.append(rows.num_rows)
        return conversations(rows, *arguments)

    monkeypatch.setattr(exporting, "conversations", counted)
    export_rows(store, wanted, tmp_path / "whole", places, format=format)
    whole = held.copy()
    monkeypatch.setattr(exporting, "ROWS_AT_ONCE", 2)
    export_rows(store, wanted, tmp_path / "out", places, format=format)

    in_parts = held[len(whole) :]
    assert max(in_parts) <= 2 < sum(in_parts) == sum(whole)
    assert rows_of(tmp_path / "out", datasets) == rows_of(tmp_path / "whole", datasets)


def rows_of(folder: Path, datasets: Any) -> list[Any]:
    """All rows of an export, whatever its format."""
    if lines := list(folder.glob("*.jsonl")):
        return lines[0].read_text("utf-8").split("\n")
    if tables := list(folder.glob("*.parquet")):
        return pq.read_table(tables[0]).to_pylist()
    return datasets.load_from_disk(str(folder)).to_list()


@pytest.mark.parametrize("format", ["parquet", "chat"])
@pytest.mark.parametrize("turned", [False, True])
def test_questions_of_every_kind_load_together(
    format: str, turned: bool, store: Store, places: Environment, tmp_path: Path, datasets: Any
) -> None:
    rows = store.query(wanted_paths(store).sql)
    kinds = pc.equal(pc.list_value_length(rows["choices"]), 0)
    parts = [rows.filter(kinds), rows.filter(pc.invert(kinds))]
    assert all(part.num_rows for part in parts)
    for number, part in enumerate(reversed(parts) if turned else parts):
        (tmp_path / str(number)).mkdir()
        exporting._write_rows(
            iter([part]), wanted_paths(store), tmp_path / str(number), SHAPES[format]
        )

    files = [str(tmp_path / str(number) / SHAPES[format].file) for number in (0, 1)]
    kind = "parquet" if format == "parquet" else "json"
    together = datasets.load_dataset(
        kind, data_files=files, split="train", cache_dir=str(tmp_path / "cache")
    )
    assert sorted(together["path_id"]) == sorted(rows["path_id"].to_pylist())


def test_the_rows_of_a_file_of_lines_have_one_type_a_column(
    store: Store, places: Environment, tmp_path: Path
) -> None:
    export_rows(store, wanted_paths(store), tmp_path / "out", places, format="chat")

    rows = [
        json.loads(line)
        for line in (tmp_path / "out" / "train.jsonl").read_text("utf-8").split("\n")[:-1]
    ]
    types = {name: {type(row[name]) for row in rows} for name in rows[0]}
    assert [name for name, kinds in types.items() if len(kinds) > 1 or type(None) in kinds] == []
    assert {name for name, kinds in types.items() if list in kinds} == {"prompt", "completion"}


def test_accepted_paths_are_those_whose_verdict_that_counts_is_correct(
    store: Store, places: Environment, tmp_path: Path, datasets: Any
) -> None:
    export_rows(store, wanted_paths(store, 2), tmp_path / "two", places, format="chat")
    export_rows(store, wanted_paths(store), tmp_path / "all", places)

    two = [
        json.loads(line)
        for line in (tmp_path / "two" / "train.jsonl").read_text("utf-8").split("\n")[:-1]
    ]
    every = datasets.load_dataset(
        str(tmp_path / "all"), split="train", cache_dir=str(tmp_path / "cache")
    )
    assert {row["path_id"] for row in two} == accepted_ids(store, 2)
    assert sorted(every["path_id"]) == sorted(accepted_ids(store, 1, 2, 3))
    texts = {str(one.id): one.text for one in store.select(RecordedPath)}
    assert [row["completion"][0]["content"] for row in two] == [
        texts[row["path_id"]] for row in two
    ]


def test_a_chat_row_of_a_path_asks_with_the_lettered_choices(
    store: Store, places: Environment, tmp_path: Path
) -> None:
    export_rows(store, wanted_paths(store, 1), tmp_path / "out", places, format="chat")

    rows = [
        json.loads(line)
        for line in (tmp_path / "out" / "train.jsonl").read_text("utf-8").split("\n")[:-1]
    ]
    asked = {row["prompt"][0]["content"] for row in rows if "Which?" in row["prompt"][0]["content"]}
    assert asked == {"Which?\nA. red\nB. blue"}


def test_a_folder_with_something_in_it_is_left_as_it_is(
    store: Store, places: Environment, tmp_path: Path
) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "mine.txt").write_text("mine", "utf-8")

    with pytest.raises(InputError, match="not empty"):
        export_rows(store, wanted_training_set(store), tmp_path / "out", places)

    assert [one.name for one in (tmp_path / "out").iterdir()] == ["mine.txt"]


def test_an_empty_folder_is_taken(store: Store, places: Environment, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()

    done = export_rows(store, wanted_training_set(store), tmp_path / "out", places)

    assert done.figures["files"] == ["README.md", "train.parquet"]


def test_a_place_that_cannot_be_written_is_named(
    store: Store, places: Environment, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("", "utf-8")

    with pytest.raises(InputError, match="can be written"):
        export_rows(store, wanted_training_set(store), tmp_path / "file" / "out", places)


def test_an_export_that_fails_in_the_middle_leaves_nothing(
    store: Store, places: Environment, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> object:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(exporting, "conversations", full)
    with pytest.raises(InputError, match="No space left"):
        export_rows(
            store, wanted_training_set(store), tmp_path / "new" / "out", places, format="chat"
        )

    assert list((tmp_path / "new").iterdir()) == []


def test_a_dry_run_counts_and_writes_nothing(
    store: Store, places: Environment, tmp_path: Path
) -> None:
    done = export_rows(store, wanted_training_set(store), tmp_path / "out", places, dry_run=True)

    assert list(tmp_path.iterdir()) == []
    assert (done.figures["rows"], done.figures["written"]) == (len(stored_examples(store)), False)
    assert done.text.startswith("Would write")


@pytest.mark.parametrize("format", ["csv", "arrow", "PARQUET"])
def test_another_format_is_refused(
    format: str, store: Store, places: Environment, tmp_path: Path
) -> None:
    with pytest.raises(InputError, match=f"preference, kto; found '{format}'"):
        export_rows(store, wanted_training_set(store), tmp_path / "out", places, format=format)


def test_without_the_package_datasets_it_says_what_to_install(
    store: Store, places: Environment, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "datasets", None)

    with pytest.raises(InputError, match="pip install datasets"):
        export_rows(store, wanted_training_set(store), tmp_path / "out", places, format="datasets")


def test_rows_that_are_none_are_not_exported(
    store: Store, places: Environment, tmp_path: Path
) -> None:
    empty = make(TrainingSet, "empty", settings="{}", round_id=None)
    store.append([empty])

    with pytest.raises(InputError, match="found none"):
        export_rows(store, wanted_training_set(store, str(empty.id)), tmp_path / "out", places)
