"""The views on a store with 3 rounds, 2 re-judgings and shared paths.

Keys are unique, totals equal the tables'.
"""

import re
from pathlib import Path as FilePath
from typing import get_args

import pytest

from storage.open_store import Store, open_store
from storage.records import Path
from storage.views import View, all_views
from storage.views.comments import record_comments
from storage.views.reasons import CODES, FAILURES
from tasks.engines.server.client import ADVICE
from tests.conftest import empty_store
from tests.storage.story import SUMS, challenger, whole_story

VIEWS = {view.name: view for view in all_views()}


@pytest.fixture(scope="module", params=["file", "lake"])
def store(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Store:
    folder: FilePath = tmp_path_factory.mktemp("story")
    store = open_store(empty_store(request, request.param, folder))
    records = whole_story()
    assert store.append(records) == len(records)
    return store


@pytest.mark.parametrize("view", VIEWS.values(), ids=VIEWS.keys())
def test_a_view_states_its_grain_and_documents_every_column_in_order(
    store: Store, view: View
) -> None:
    columns = store.query(f"SELECT column_name FROM (DESCRIBE {view.name})")[
        "column_name"
    ].to_pylist()

    assert columns == list(view.columns)
    assert re.match(r"One row per .+ Key: \w+", view.comment)


OF_TABLES = [one for one in record_comments() if one.startswith("COMMENT ON TABLE")]


@pytest.mark.parametrize("statement", OF_TABLES)
def test_the_comment_of_a_table_is_whole_sentences(statement: str) -> None:
    """It is a record's first line, which a summary over two lines would cut in its middle."""
    whole = r" IS '(?:[A-Z].*\. One row per id|The store''s own books: one row.*)\.'$"

    assert re.search(whole, statement)


@pytest.mark.parametrize("view", VIEWS.values(), ids=VIEWS.keys())
def test_the_key_of_a_view_is_unique(store: Store, view: View) -> None:
    key = view.comment.split("Key: ")[1].split(".")[0].split(" (")[0]

    doubled = store.query(f"SELECT {key}, count(*) AS n FROM {view.name} GROUP BY ALL HAVING n > 1")

    assert store.query(f"SELECT count(*) AS n FROM {view.name}")["n"][0].as_py() > 0
    assert doubled.to_pylist() == []


@pytest.mark.parametrize(
    ("of_the_view", "of_the_tables"),
    [
        ("count(*) FROM lineage", "count(*) FROM paths"),
        ("sum(len(training_set_ids)) FROM lineage", "count(*) FROM training_examples"),
        ("count(*) FROM current_verdicts", "count(DISTINCT path_id) FROM verdicts"),
        ("sum(verdicts) FROM current_verdicts", "count(*) FROM verdicts"),
        (
            "count(*) FROM accepted_paths",
            "count(*) FROM current_verdicts WHERE verdict = 'correct'",
        ),
        (
            "sum(training_sets) FROM accepted_paths WHERE strategy <> 'direct'",
            (
                "count(*) FROM training_examples JOIN current_verdicts USING (path_id) WHERE"
                " verdict = 'correct' AND path_id IN (SELECT id FROM paths WHERE strategy <>"
                " 'direct')"
            ),
        ),
        ("count(*) FROM rejections", "count(*) FROM selections WHERE NOT kept"),
        (
            "sum(attempts + hinted_attempts) FROM guideline_leaderboard",
            "count(*) FROM paths WHERE strategy <> 'direct'",
        ),
        (
            "sum(attempts + hinted_attempts) FROM guideline_history WHERE draw = 2",
            "count(*) FROM paths WHERE strategy <> 'direct' AND draw = 2",
        ),
        (
            "sum(tokens) FROM guideline_leaderboard",
            "sum(completion_tokens) FROM paths WHERE strategy <> 'direct'",
        ),
        ("sum(paths + hinted_paths) FROM question_history", "count(*) FROM paths"),
        ("sum(answers) FROM question_history", "count(*) FROM answers"),
        ("sum(training_examples) FROM question_history", "count(*) FROM training_examples"),
        ("sum(paths) FROM round_summary", "count(*) FROM paths"),
        ("sum(correct_paths) FROM round_summary", "count(*) FROM accepted_paths"),
        ("sum(training_examples) FROM round_summary", "count(*) FROM training_examples"),
        ("sum(failed_requests) FROM round_summary", "count(*) FROM failed_requests"),
        ("sum(generated_tokens) FROM round_summary", "sum(completion_tokens) FROM token_costs"),
        ("sum(examples) FROM hint_share", "count(*) FROM training_examples"),
        (
            "sum(hinted_examples) FROM hint_share",
            "count(*) FROM training_examples t JOIN paths p ON p.id = t.path_id WHERE hinted",
        ),
        ("count(*) FROM training_set_contents", "count(*) FROM training_examples"),
        (
            "sum(examples) FROM model_lineage WHERE generation = 0",
            "count(*) FROM training_examples JOIN adapters USING (training_set_id)",
        ),
        (
            "sum(texts) FROM token_costs",
            (
                "(SELECT count(*) FROM paths) + (SELECT count(*) FROM structures) + (SELECT"
                " count(*) FROM adapted_guidelines) + (SELECT count(*) FROM answers)"
            ),
        ),
        (
            "count(*) FROM lineage_links WHERE relation = 'path_id'",
            (
                "(SELECT count(*) FROM verdicts) + (SELECT count(*) FROM selections)"
                " + (SELECT count(*) FROM training_examples)"
            ),
        ),
    ],
)
def test_totals_of_a_view_equal_those_of_the_tables(
    store: Store, of_the_view: str, of_the_tables: str
) -> None:
    [row] = store.query(
        f"SELECT (SELECT {of_the_view}) AS shown, (SELECT {of_the_tables}) AS stored"
    ).to_pylist()

    assert row["shown"] == row["stored"] != 0


def test_the_newest_version_counts_and_a_person_comes_before_it(store: Store) -> None:
    newest = store.query(
        "SELECT DISTINCT verifier, verifier_version FROM current_verdicts ORDER BY ALL"
    ).to_pylist()
    overruled = store.query(
        "SELECT verdict, reason FROM current_verdicts WHERE verifier = 'human'"
    ).to_pylist()

    assert [(row["verifier"], row["verifier_version"]) for row in newest] == [
        ("human", "1"),
        ("reference", "3"),
    ]
    assert overruled == [{"verdict": "wrong", "reason": "human"}] * 3


def test_a_path_lists_every_model_that_its_training_sets_made(store: Store) -> None:
    shared = store.query(
        "SELECT * FROM lineage WHERE draw = 1 AND len(trained_models) = 3"
    ).to_pylist()

    assert shared
    assert shared[0]["trained_models"] == [challenger(n).name for n in (1, 2, 3)]
    assert shared[0]["question_set"] == SUMS.name


def test_an_answer_that_changed_is_fixed_or_broken_by_the_direction_of_looking(
    store: Store,
) -> None:
    fixed = store.query(
        "SELECT before_answer_id AS a, after_answer_id AS b FROM answers_fixed"
    ).to_pylist()
    broken = store.query(
        "SELECT after_answer_id AS a, before_answer_id AS b FROM answers_broken"
    ).to_pylist()

    assert (
        {(row["a"], row["b"]) for row in fixed} == {(row["a"], row["b"]) for row in broken} != set()
    )


def test_unique_solves_are_questions_that_one_guideline_alone_solved(store: Store) -> None:
    by_hand = store.query(
        "SELECT count(*) AS n FROM (SELECT draw, question_id FROM accepted_paths WHERE guideline_id"
        " IS NOT NULL AND NOT hinted GROUP BY ALL HAVING count(DISTINCT guideline_id) = 1)"
    )

    assert (
        store.query("SELECT sum(unique_solves) AS n FROM guideline_leaderboard")["n"]
        == by_hand["n"]
    )


def test_a_model_lists_its_ancestors_training_sets(store: Store) -> None:
    generations = store.query(
        "SELECT DISTINCT generation, round FROM model_lineage WHERE model = ? ORDER BY generation",
        [challenger(3).name],
    )

    assert generations.to_pylist() == [{"generation": n, "round": 3 - n} for n in range(3)]


def test_every_code_in_the_store_is_in_the_glossary(store: Store) -> None:
    unknown = store.query(
        "SELECT reason FROM verdicts UNION SELECT reason FROM selections"
        " EXCEPT SELECT code FROM glossary WHERE kind = 'reason'"
    )

    assert unknown.to_pylist() == []


def test_every_code_that_a_record_names_is_in_the_glossary() -> None:
    from storage import records

    kinds = {
        "verdict": records.Label,
        "strategy": records.Strategy,
        "part": records.Part,
        "domain": records.Domain,
    }
    for kind, named in kinds.items():
        assert set(CODES[kind]) == set(get_args(named)), kind
    assert set(get_args(records.Outcome)) <= set(CODES["outcome"])
    assert set(ADVICE) <= set(FAILURES)


def test_every_table_column_and_view_column_has_its_comment(store: Store) -> None:
    lake = store.url.startswith("ducklake:")
    # DuckLake keeps no comment on a view's column
    only = " AND schema_name = 'stored'" if lake else ""
    bare = store.query(
        "SELECT table_name, column_name FROM duckdb_columns() WHERE NOT internal AND comment IS"
        f" NULL{only} UNION ALL SELECT table_name, '' FROM duckdb_tables() WHERE comment IS NULL"
        " AND schema_name IN ('stored', 'main') AND NOT starts_with(table_name, 'ducklake_')"
    )
    views = store.query(
        "SELECT view_name, comment FROM duckdb_views() WHERE NOT internal"
        " AND view_name NOT IN (SELECT table_name FROM duckdb_tables())"
    ).to_pylist()
    paths = store.query(
        "SELECT comment FROM duckdb_tables() WHERE table_name = ?", [Path.table]
    ).to_pylist()

    assert bare.to_pylist() == []
    assert {row["view_name"]: row["comment"] for row in views} == {
        name: view.comment for name, view in VIEWS.items()
    }
    assert paths[0]["comment"].startswith("A reasoning path")
