"""Preference pairs: a right and a wrong path of one question, unaided and ended by the model
itself.
"""

import json
from collections.abc import Callable
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from storage.environment import Environment
from storage.errors import InputError
from storage.open_store import Store, open_store
from storage.sql.sandbox import run_user_sql
from tasks.export.export_rows import export_rows
from tasks.export.wanted_rows import Wanted, wanted_judged, wanted_pairs, wanted_paths
from tests.fakes.judged_paths import judged_store


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return judged_store(tmp_path)


@pytest.fixture
def places(tmp_path: Path) -> Environment:
    return Environment(tmp_path / "home", "", (), None)


def test_each_pair_is_a_right_and_a_wrong_path_of_one_question_and_each_path_is_there_once(
    store: Store, places: Environment, tmp_path: Path
) -> None:
    export_rows(store, wanted_pairs(store), tmp_path / "out", places, format="preference")

    rows = pq.read_table(str(tmp_path / "out" / "train.parquet")).to_pylist()
    pairs = {
        (row["prompt"][0]["content"], row["chosen"][0]["content"], row["rejected"][0]["content"])
        for row in rows
    }
    assert len(rows) == 2
    assert ("Which?\nA. red\nB. blue", "A.", "B.") in pairs
    assert {(asked, rejected) for asked, _, rejected in pairs} == {
        ("Which?\nA. red\nB. blue", "B."),
        ("1 + 1?", "It is 3."),
    }
    assert {row["prompt"][0]["role"] for row in rows} == {"user"}


def test_labelled_paths_leave_out_what_is_hinted_cut_unjudged_said_twice_or_of_no_round(
    store: Store, places: Environment, tmp_path: Path
) -> None:
    export_rows(store, wanted_judged(store), tmp_path / "out", places, format="kto")

    rows = pq.read_table(str(tmp_path / "out" / "train.parquet")).to_pylist()
    assert sorted((row["completion"][0]["content"], row["label"]) for row in rows) == [
        ("A.", True),
        ("B.", False),
        ("It is 2.", True),
        ("It is 3.", False),
        ("It is 5.", False),
        ("Two, so 2.", True),
    ]
    card = (tmp_path / "out" / "README.md").read_text("utf-8")
    assert "trl.KTOTrainer" in card
    assert "cut texts are left out" in card


@pytest.mark.parametrize("wanted_of", [wanted_pairs, wanted_judged])
def test_the_sql_of_the_card_gives_the_same_rows(
    wanted_of: Callable[[Store], Wanted], store: Store
) -> None:
    again = json.loads(run_user_sql(store.url, wanted_of(store).sql, output="json"))
    assert [row["path_id"] for row in again] == store.query(wanted_of(store).sql)[
        "path_id"
    ].to_pylist()
    assert again


@pytest.mark.parametrize("wanted_of", [wanted_pairs, wanted_judged, wanted_paths])
def test_of_all_rounds_means_no_comparisons_paths(
    wanted_of: Callable[[Store], Wanted], store: Store
) -> None:
    rows = store.query(wanted_of(store).sql).to_pylist()
    assert {row["round"] for row in rows} == {1}


def test_a_store_without_pairs_says_so(tmp_path: Path, places: Environment) -> None:
    empty = open_store(f"duckdb:///{tmp_path / 'empty.duckdb'}")
    with pytest.raises(InputError, match="found none"):
        export_rows(empty, wanted_pairs(empty), tmp_path / "out", places, format="preference")
