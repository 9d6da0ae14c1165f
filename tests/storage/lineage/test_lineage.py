"""Lineage of any record, both ways, by id or by an unambiguous beginning of one."""

import json
from uuid import UUID

import pytest

from storage.errors import InputError
from storage.lineage.lineage_tree import LineageNode, find_record, lineage_tree, walk_nodes
from storage.lineage.taught_models import taught_models
from storage.open_store import Store, open_store
from storage.records import (
    RECORD_TYPES,
    Guideline,
    Model,
    Path,
    Question,
    Record,
    TrainingSet,
    Verdict,
)
from tests.conftest import empty_store
from tests.storage.examples import make
from tests.storage.story import challenger, whole_story


@pytest.fixture(scope="module", params=["file", "lake"])
def store(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Store:
    store = open_store(empty_store(request, request.param, tmp_path_factory.mktemp("lineage")))
    store.append(whole_story())
    return store


def tables_of(node: LineageNode) -> set[str]:
    tables: set[str] = set()
    walk_nodes(node, lambda one, _: tables.add(one.table))
    return tables


def family(node: LineageNode) -> list[tuple[int, str, int]]:
    """Distance, table and what is left out of every node.

    Which of many siblings are shown may differ.
    """
    nodes: list[tuple[int, str, int]] = []
    walk_nodes(
        node,
        lambda one, depth: nodes.append((depth, one.table, one.more_parents + one.more_children)),
    )
    return sorted(nodes)


@pytest.mark.parametrize("record_type", RECORD_TYPES, ids=lambda kind: kind.table)
def test_every_kind_of_record_is_found_and_has_a_tree(
    store: Store, record_type: type[Record]
) -> None:
    record = store.select(record_type)[0]

    tree = lineage_tree(store, find_record(store, record.id.hex[:20]).id)

    assert (tree.table, tree.id) == (record_type.table, record.id)
    json.dumps(tree.as_json())


def test_a_path_leads_up_to_its_question_and_down_to_the_model_it_taught(store: Store) -> None:
    [row, *_] = store.query("SELECT path_id FROM lineage WHERE len(trained_models) = 3").to_pylist()

    tree = lineage_tree(store, row["path_id"])

    up = {table for node in tree.parents for table in tables_of(node)}
    names: list[str] = []
    walk_nodes(tree, lambda node, _: names.append(node.label))
    assert {"structures", "adapted_guidelines", "guidelines", "questions", "question_sets"} <= up
    assert {
        "verdicts",
        "selections",
        "training_examples",
        "adapters",
        "evaluations",
        "promotions",
    } <= tables_of(tree)
    assert {challenger(n).name for n in (1, 2, 3)} <= set(names)


def test_an_answer_leads_up_to_the_guidelines_of_the_paths_its_model_learnt_from(
    store: Store,
) -> None:
    [row] = store.query(
        "SELECT a.id FROM answers a JOIN models m ON m.id = a.model_id WHERE m.adapter_id IS NOT"
        " NULL LIMIT 1"
    ).to_pylist()

    assert {"training_examples", "paths", "guidelines"} <= tables_of(lineage_tree(store, row["id"]))


def test_a_question_shows_some_children_and_counts_the_rest(store: Store) -> None:
    [row] = store.query("SELECT question_id FROM paths LIMIT 1").to_pylist()

    tree = lineage_tree(store, row["question_id"], most_children=2)

    assert sum(node.table == "adapted_guidelines" for node in tree.children) == 2
    assert tree.more_children == 1


@pytest.mark.parametrize(
    "kind", [Question, Model, TrainingSet, Guideline], ids=lambda kind: kind.table
)
def test_a_tree_is_the_same_whether_its_rows_are_fetched_together_or_apart(
    store: Store, kind: type[Record], monkeypatch: pytest.MonkeyPatch
) -> None:
    [id] = store.query(f"SELECT max(id) AS id FROM {kind.table}")["id"].to_pylist()
    together = family(lineage_tree(store, id, most_children=3))
    monkeypatch.setattr("storage.lineage.lineage_walk._MOST_TOGETHER", 1)

    assert family(lineage_tree(store, id, most_children=3)) == together
    assert len(together) > 3


@pytest.mark.parametrize(
    "table", ["questions", "guidelines", "adapted_guidelines", "structures", "paths", "verdicts"]
)
def test_every_model_that_a_record_touched_is_named(store: Store, table: str) -> None:
    column = {"paths": "path_id", "verdicts": "verdict_id"}.get(table, f"{table[:-1]}_id")
    by_record: dict[UUID, set[str]] = {}
    for row in store.query(f"SELECT {column} AS id, trained_models FROM lineage").to_pylist():
        by_record.setdefault(row["id"], set()).update(row["trained_models"])

    assert by_record
    for id, models in by_record.items():
        taught = taught_models(store, table, id) if id else []
        assert {one.name for one in taught if one.generation == 0} == (models if id else set())


def test_a_model_that_went_on_from_a_taught_one_is_touched_too(store: Store) -> None:
    [row, *_] = store.query(
        "SELECT path_id FROM lineage WHERE trained_models = [?]", [challenger(3).name]
    ).to_pylist()
    [first, *_] = store.query(
        "SELECT path_id FROM lineage WHERE draw = 1 AND len(trained_models) = 3"
    ).to_pylist()

    assert [
        (one.name, one.generation) for one in taught_models(store, "paths", row["path_id"])
    ] == [(challenger(3).name, 0)]
    assert {one.name for one in taught_models(store, "paths", first["path_id"])} == {
        challenger(n).name for n in (1, 2, 3)
    }


def test_an_ambiguous_prefix_lists_the_candidates(store: Store) -> None:
    store.append(
        [
            make(Path, "twin", id=UUID("abcdef00" + "0" * 24)),
            make(Verdict, "twin", id=UUID("abcdef00" + "1" * 24)),
        ]
    )

    with pytest.raises(
        InputError,
        match=r"unambiguous; 'ABCDEF' begins that of abcdef00-.* \(paths\), .*\(verdicts\)",
    ):
        find_record(store, "ABCDEF")


@pytest.mark.parametrize("prefix", ["abc", "xyz12", "", "0" * 33])
def test_what_is_not_an_id_is_refused(store: Store, prefix: str) -> None:
    with pytest.raises(InputError, match="An id is up to 32 hexadecimal digits"):
        find_record(store, prefix)


def test_an_unknown_id_says_so(store: Store) -> None:
    with pytest.raises(InputError, match="No record's id begins with"):
        find_record(store, "0123456789abcdef0123")
