"""Which rows an export holds, and its card.

Counts, sources, licences, and SQL that gives the same rows.
"""

import json
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
import yaml

from storage.environment import Environment
from storage.errors import InputError
from storage.open_store import Store, open_store
from storage.records import QuestionSet, TrainingSet
from storage.sql.sandbox import run_user_sql
from tasks.export.export_rows import export_rows
from tasks.export.wanted_rows import Wanted, wanted_paths, wanted_training_set
from tests.fakes.story_store import NEWEST, story_store
from tests.storage.examples import uid
from tests.storage.story import BASE, SUMS


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    return story_store(tmp_path_factory.mktemp("export") / "story.duckdb")


@pytest.fixture
def places(tmp_path: Path) -> Environment:
    return Environment(tmp_path / "home", "", (), None)


def card_of(folder: Path) -> str:
    return (folder / "README.md").read_text("utf-8")


def front_of(folder: Path) -> dict[str, Any]:
    return yaml.safe_load(card_of(folder).split("\n---", 1)[0])


@pytest.mark.parametrize(
    "wanted_of", [wanted_training_set, wanted_paths, lambda store: wanted_paths(store, 2)]
)
def test_the_sql_of_the_card_gives_the_same_ids(
    wanted_of: Callable[[Store], Wanted], store: Store, places: Environment, tmp_path: Path
) -> None:
    export_rows(store, wanted_of(store), tmp_path / "out", places)

    found = re.search(r"```sql\n(.*?)\n```", card_of(tmp_path / "out"), re.DOTALL)
    assert found
    again = json.loads(run_user_sql(store.url, found[1], output="json"))
    assert again
    ids = pq.read_table(str(tmp_path / "out" / "train.parquet"))["path_id"].to_pylist()
    assert [row["path_id"] for row in again] == ids


def test_the_card_says_counts_sources_seed_filters_and_what_was_left_out(
    store: Store, places: Environment, tmp_path: Path
) -> None:
    done = export_rows(store, wanted_training_set(store), tmp_path / "out", places)

    card, front = card_of(tmp_path / "out"), front_of(tmp_path / "out")
    hinted = sum(pq.read_table(str(tmp_path / "out" / "train.parquet"))["hinted"].to_pylist())
    count = store.select(TrainingSet, id=NEWEST.id)[0].examples
    assert (done.figures["rows"], done.figures["hinted_rows"]) == (count, hinted)
    assert front["license"] == "cc-by-sa-4.0"
    assert front["size_categories"] == ["n<1K"]
    assert f"| rows | {count} |" in card
    assert f"{hinted} ({hinted / count:.1%})" in card
    assert f"| sums | in_domain | {count} | CC BY-SA 4.0 | Doe, Sums, 2026 | allowed |" in card
    assert "| round | 3 |\n| seed | 11 |" in card
    assert '"keep_per_question": 5' in card
    assert '"questions_left_out_as_contaminated": 1' in card
    assert "| answer_differs |" in card


def test_the_base_models_licence_is_that_of_the_prepared_model_or_unknown(
    store: Store, places: Environment, tmp_path: Path
) -> None:
    export_rows(store, wanted_training_set(store), tmp_path / "before", places)
    digests = places.models / ".digests"
    digests.mkdir(parents=True)
    known = {
        "weights": BASE.revision,
        "chat_template": BASE.chat_template_hash,
        "licence": "Apache-2.0",
    }
    (digests / "x.json").write_text(json.dumps(known), "utf-8")
    export_rows(store, wanted_training_set(store), tmp_path / "after", places)

    assert "| small | unknown |" in card_of(tmp_path / "before")
    assert "| small | Apache-2.0 |" in card_of(tmp_path / "after")
    assert front_of(tmp_path / "after")["base_model_licence"] == ["apache-2.0"]


def test_the_default_is_the_newest_rounds_own_training_set(store: Store) -> None:
    assert str(NEWEST.id) in wanted_training_set(store).sql
    assert str(uid(TrainingSet, (2, "regenesis"))) in wanted_training_set(store, round=2).sql


def test_a_training_set_is_named_by_the_beginning_of_its_id(store: Store) -> None:
    wanted = uid(TrainingSet, (1, "random"))

    assert str(wanted) in wanted_training_set(store, str(wanted)[:12]).sql


@pytest.mark.parametrize(
    ("ask", "said"),
    [
        (lambda store: wanted_training_set(store, "ffffffffffff"), "ffffffffffff"),
        (lambda store: wanted_training_set(store, str(SUMS.id)), "question_sets"),
        (lambda store: wanted_training_set(store, round=9), "there: 1, 2, 3"),
        (lambda store: wanted_paths(store, 9), "there: 1, 2, 3"),
    ],
)
def test_rows_that_are_not_there_are_named(
    ask: Callable[[Store], Wanted], said: str, store: Store
) -> None:
    with pytest.raises(InputError, match=said):
        ask(store)


def test_a_store_without_a_training_set_says_what_to_run(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="regenesis round"):
        wanted_training_set(open_store(f"duckdb:///{tmp_path / 'empty.duckdb'}"))


@pytest.fixture(scope="module")
def shut(tmp_path_factory: pytest.TempPathFactory) -> Store:
    """The story with a source that forbids redistribution, and a name that would break a table."""
    store = story_store(tmp_path_factory.mktemp("shut") / "shut.duckdb", redistributable=False)
    store.update(replace(store.select(QuestionSet, id=SUMS.id)[0], name="shut <b>|"))
    return store


def test_a_source_that_forbids_redistribution_stops_the_export(
    shut: Store, places: Environment, tmp_path: Path
) -> None:
    with pytest.raises(InputError, match=r"shut.*research only.*--private"):
        export_rows(shut, wanted_training_set(shut), tmp_path / "out", places)

    assert not (tmp_path / "out").exists()


def test_a_private_export_says_so_in_its_card(
    shut: Store, places: Environment, tmp_path: Path
) -> None:
    done = export_rows(shut, wanted_training_set(shut), tmp_path / "out", places, private=True)

    assert "**Private: do not publish this folder.**" in card_of(tmp_path / "out")
    assert front_of(tmp_path / "out")["private"] is True
    assert "| shut &lt;b>&#124; | in_domain |" in card_of(tmp_path / "out")
    assert done.figures["private"] is True
