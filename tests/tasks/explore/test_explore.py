"""What the pages of `regenesis explore` ask and show, without a browser."""

from dataclasses import replace
from html import escape
from pathlib import Path as FilePath

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from storage.environment import read_environment
from storage.errors import InputError
from storage.ids import content_id
from storage.open_store import Store
from storage.records import Path, Question
from storage.sql.sandbox import first_rows
from tasks.explore import asking, pages, rating
from tasks.explore.asking import Chosen, rows_of
from tasks.explore.markup import cell, said, story_markup, table
from tasks.explore.story import question_story
from tasks.reports.round_report import table_html
from tests.fakes.hostile import HOSTILE as TEXTS
from tests.storage.sql.sql_page import story_store
from tests.storage.story import challenger

HOSTILE = TEXTS["page"]


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    return story_store(tmp_path_factory.mktemp("explore"))


def test_a_text_is_shown_and_does_nothing() -> None:
    shown = said("first\nsecond" + HOSTILE) + cell(HOSTILE) + table([{HOSTILE: HOSTILE}])

    assert "first\nsecond" in shown
    assert "\\x1b[31mred\\x07 \\u202eesrever" in shown
    assert "<script" not in shown
    assert "<img" not in shown
    assert (
        shown.count("</pre>") == 2
    )  # of `said`, and of the table's cell, which unfolds to the whole text


@pytest.mark.parametrize("draw", [None, 2])
@pytest.mark.parametrize("question_set", ["", "sums", "it's"])
def test_every_question_of_the_pages_runs_under_every_filter(
    store: Store, draw: int | None, question_set: str
) -> None:
    chosen = Chosen(draw, question_set)
    ids = challenger(1).id, challenger(2).id
    statements = [
        asking.guidelines_sql(chosen),
        asking.rejects_sql(chosen),
        asking.rejected_sql(chosen, "answer_differs"),
        asking.changes_sql(*ids, chosen),
        *(asking.questions_sql(chosen, "train", solved, "What's") for solved in asking.SOLVED),
        *(asking.pairs_sql(*ids, chosen, change) for change in asking.CHANGES),
        *(asking.to_rate_sql(chosen, kind) for kind in asking.RATEABLE),
    ]

    for statement in statements:
        assert len(rows_of(store, statement)) <= asking.MOST_ROWS


def test_the_leaderboard_of_the_only_trained_set_is_that_of_all(store: Store) -> None:
    assert rows_of(store, asking.guidelines_sql(Chosen(None, "sums"))) == rows_of(
        store, asking.guidelines_sql(Chosen())
    )
    assert rows_of(store, asking.guidelines_sql(Chosen(2, "sums"))) == rows_of(
        store, asking.guidelines_sql(Chosen(2))
    )


def test_a_questions_tree_holds_each_of_its_paths_once(store: Store) -> None:
    question = store.select(Question, part="train", draw=2, source_row_id="train-2-0")[0]
    paths = store.select(Path, question_id=question.id)

    shown = story_markup(question_story(store, question.id))

    assert len(paths) == 4
    assert all(shown.count(str(path.id)) == 1 for path in paths)
    assert shown.count("<b>(counts)</b>") == 4
    assert shown.count("<b>structure</b>") == 3


def test_an_id_that_is_no_questions_is_refused(store: Store) -> None:
    with pytest.raises(InputError, match="A question was expected"):
        question_story(store, content_id("questions", "none"))


def test_a_comparison_begins_with_champion_and_challenger_of_the_newest_round(store: Store) -> None:
    found = pages.models(store)

    assert (found.first, found.second) == (challenger(2).name, challenger(3).name)
    assert found.options[challenger(3).name] == str(challenger(3).id)


def test_fixed_and_broken_are_those_of_the_views(store: Store) -> None:
    first, second = challenger(1).id, challenger(2).id
    [by_view] = store.query(
        f"SELECT (SELECT count(*) FROM answers_fixed WHERE before_model_id = '{first}' AND"
        f" after_model_id = '{second}') AS fixed, (SELECT count(*) FROM answers_broken WHERE"
        f" before_model_id = '{first}' AND after_model_id = '{second}') AS broken"
    ).to_pylist()

    counted = rows_of(store, asking.changes_sql(first, second, Chosen()))

    assert sum(int(str(row["fixed"])) for row in counted) == by_view["fixed"]
    assert sum(int(str(row["broken"])) for row in counted) == by_view["broken"]


def test_a_rated_or_skipped_path_is_not_shown_again(tmp_path: FilePath) -> None:
    store = story_store(tmp_path)
    first = rating.to_rate(store, Chosen(3), "any", rating.Rated())
    assert first.path_id is not None

    skipped = rating.to_rate(store, Chosen(3), "any", rating.Rated().and_then(first.path_id))
    kept, _ = rating.keep(store, first.path_id, "correct", "ann", "")
    after = rating.to_rate(store, Chosen(3), "any", rating.Rated())

    assert kept
    assert skipped.path_id == after.path_id != first.path_id


def test_a_verdict_without_a_rater_is_refused_in_words(store: Store) -> None:
    shown = rating.to_rate(store, Chosen(), "any", rating.Rated())
    assert shown.path_id is not None

    kept, sentence = rating.keep(store, shown.path_id, "correct", " ", "")

    assert not kept
    assert "names its rater" in sentence


LONG_TEXTS = st.text(min_size=161, max_size=400) | st.sampled_from(
    [HOSTILE * 4, "x" * 5000, "a b " * 100]
)


@settings(max_examples=40, deadline=None)
@given(LONG_TEXTS)
def test_a_long_text_stands_whole_in_a_table_and_is_broken_over_lines(text: str) -> None:
    assert f"<td class=long><details><summary>{cell(text)}</summary>{said(text)}" in table(
        [{"why": text}]
    )
    assert f"<td class=long>{escape(text)}</td>" in table_html([{"why": text}])


@pytest.mark.parametrize(
    ("sql", "shown"),
    [
        ("SELECT 0.123456 AS share, 12345678 AS n", ["0.123456", "12,345,678", "1 rows."]),
        (
            "SELECT ['a', 'b'] AS names, {'x': 1} AS pair",
            ["[&quot;a&quot;, &quot;b&quot;]", "{&quot;x&quot;: 1}"],
        ),
        ("SELECT repeat('word ', 60) AS text", ["<td class=long><details>", "word word"]),
        (
            "SELECT range AS n FROM range(201)",
            ["<td class=number>199</td>", "The first 200 rows; regenesis sql"],
        ),
        ("SELECT 1 AS n WHERE FALSE", ["The statement gives no rows."]),
        ("SELECT 1 AS n, 2 AS n", ["<th>n</th>", "<th>n 1</th>"]),
        ("DELETE FROM paths", ["refused", "Only SELECT"]),
    ],
)
def test_the_rows_of_a_users_select_are_a_table(
    sql: str, shown: list[str], store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        pages, "read_environment", lambda: replace(read_environment(), store_url=store.url)
    )
    page = pages.asked(sql)

    assert [one for one in shown if one not in page] == []
    assert "<td class=number>200</td>" not in page


def test_of_huge_rows_a_page_takes_some_megabytes(store: Store) -> None:
    rows, more = first_rows(store.url, "SELECT repeat('x', 1000000) AS x FROM range(50)", 200)

    assert (more, len(rows) < 10) == (True, True)
