"""docs/sql.md shows every view and at least twenty questions, and each of its outputs is what the
query gives.
"""

from pathlib import Path

from storage.views import all_views
from tests.storage.sql.sql_page import COOKBOOK, EXAMPLES, PAGE, page, story_store


def test_the_page_is_what_its_queries_give(tmp_path: Path) -> None:
    assert PAGE.read_text("utf-8") == page(story_store(tmp_path)), (
        "Run: .venv/bin/python -m tests.storage.sql.sql_page"
    )


def test_every_view_has_an_example_and_every_query_shows_something(tmp_path: Path) -> None:
    store = story_store(tmp_path)

    assert set(EXAMPLES) == {view.name for view in all_views()}
    assert len(COOKBOOK) >= 20
    assert [sql for _, sql in COOKBOOK if store.query(sql).num_rows == 0] == []
    assert [sql for sql in EXAMPLES.values() if store.query(sql).num_rows == 0] == []
