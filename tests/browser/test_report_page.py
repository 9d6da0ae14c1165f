"""The report in a real browser.

It fits a phone, asks nobody for anything, and runs nothing that a model wrote.
"""

from collections.abc import Callable
from pathlib import Path

import pytest

from storage.records import Round
from tasks.reports.round_report import draw_report, write_report
from tests.browser.conftest import DESKTOP, PHONE, Visit
from tests.fakes.hostile import HOSTILE, hostile_store
from tests.storage.story import round_id

LONG = "x" * 400


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A report whose every text is hostile and ends in a word that is too long for any screen."""
    folder = tmp_path_factory.mktemp("report")
    store = hostile_store(folder / "story.duckdb", after=HOSTILE["page"] + LONG)
    round = store.select(Round, id=round_id(3))[0]
    return write_report(draw_report(store, round), round, folder)


@pytest.mark.slow
@pytest.mark.parametrize("size", [DESKTOP, PHONE], ids=["desktop", "phone"])
def test_it_is_as_wide_as_the_screen_asks_nobody_and_runs_nothing(
    report: Path,
    visit: Callable[..., Visit],
    screenshot: Callable[..., Path],
    size: tuple[int, int],
) -> None:
    seen = visit(report.as_uri(), size=size)

    assert seen.page.evaluate("document.documentElement.scrollWidth") <= size[0]
    assert LONG in seen.page.inner_text("#broken_questions")
    assert seen.page.evaluate("window.harmed") is None
    assert (seen.page.title(), seen.foreign, seen.script_errors) == ("Round 3: promoted", [], [])
    assert screenshot(seen.page, "report").stat().st_size > 10_000
