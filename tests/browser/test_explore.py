"""`regenesis explore` in a real browser, over a store whose every text is hostile."""

import os
import re
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from storage.open_store import Store, open_store
from storage.records import Path as RecordedPath
from storage.records import Verdict
from tests.browser.conftest import PHONE, Visit
from tests.fakes.hostile import HOSTILE, hostile_store
from tests.storage.examples import make

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

pytestmark = pytest.mark.slow
PAGES = ("Rounds", "Questions", "Guidelines", "Rejects", "Models", "Rate", "SQL")


@dataclass
class Running:
    """The command at work."""

    url: str
    store: Store


@pytest.fixture(scope="module")
def running(browser: "Browser", tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """`regenesis explore` on a free port; it ends at the first interrupt, as at a Ctrl-C."""
    home = tmp_path_factory.mktemp("home")
    store = hostile_store(home / "regenesis.duckdb", after=HOSTILE["page"])
    words = ["-m", "flows.cli.main", "explore", "--port", "0", "--home", str(home)]
    process = subprocess.Popen(
        [sys.executable, *words],
        stderr=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        text=True,
        env={key: value for key, value in os.environ.items() if not key.startswith("REGENESIS_")},
        preexec_fn=lambda: signal.signal(
            signal.SIGINT, signal.default_int_handler
        ),  # where the shell ignores it
    )
    assert process.stderr is not None
    try:
        said = process.stderr.readline()
        found = re.search(r"http://\S+", said)
        assert found, said
        yield Running(found[0], store)
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=60) == 130
    finally:
        process.kill()
        process.wait()
        process.stderr.close()


@pytest.fixture
def page(running: Running, visit: Callable[..., Visit]) -> "Page":
    seen = visit(running.url)
    seen.page.wait_for_selector(".rg svg")
    return seen.page


def opened(page: "Page", name: str, contains: str) -> str:
    """Go to a page of the app; its text once that is there."""
    page.get_by_role("tab", name=name).click()
    page.locator(".rg", has_text=contains).first.wait_for()
    return page.locator("body").text_content() or ""  # folded parts too


def test_rounds_are_drawn_and_listed(page: "Page") -> None:
    text = page.inner_text("body")

    assert page.locator(".rg svg").count() >= 3
    assert "8 of 15" in text
    assert page.locator(".rg tbody tr").count() == 3


def test_a_question_shows_its_whole_tree_with_texts_and_verdicts(page: "Page") -> None:
    text = opened(page, "Questions", "structure")

    for part in (
        "Advice 0",
        "For this question, advice 0",
        "Steps: 1. Add.",
        "The answer is 3",
        "answer_differs",
    ):
        assert part in text
    assert "Taught: small+round3" in text


def test_questions_are_filtered_by_what_they_contain_and_by_round(page: "Page") -> None:
    opened(page, "Questions", "structure")
    page.get_by_label("Round", exact=True).select_option("round 1")
    page.get_by_label("Contains").fill("1 + 2?")
    page.get_by_label("Contains").press("Enter")

    page.locator(".rg", has_text="What is 1 + 2?").first.wait_for()
    page.get_by_text("questions as a table").wait_for()
    assert "2 + " not in page.inner_text("body")


def test_the_guideline_leaderboard_follows_the_filter_of_the_round(page: "Page") -> None:
    opened(page, "Guidelines", "7 of 9")

    page.get_by_label("Round", exact=True).select_option("round 3")

    page.locator(".rg", has_text="3 of 3").first.wait_for()


def test_rejects_are_counted_by_reason_and_shown_with_their_texts(page: "Page") -> None:
    text = opened(page, "Rejects", "What is 3 + 0?")

    assert "The stated answer was read, and differs from the reference." in text


def test_two_models_answers_stand_side_by_side(page: "Page") -> None:
    opened(page, "Models", "Reference answer")

    page.get_by_label("Answers").select_option("fixed")

    pair = page.locator(".rg .pair")
    pair.wait_for()
    page.locator(".rg .pair .badge.correct").wait_for()
    assert pair.locator(".badge").all_inner_texts() == ["wrong", "correct"]


def test_a_person_rates_a_path_and_the_store_keeps_it(page: "Page", running: Running) -> None:
    opened(page, "Rate", "What is")
    page.get_by_text("Keep this verdict").click()
    page.locator(".refused", has_text="A verdict is correct, wrong, unjudged").wait_for()

    page.get_by_label("Your name").fill("bob")
    page.get_by_label("Your name").press("Tab")
    page.get_by_label("Because").fill("read it twice")
    page.get_by_label("Because").press("Tab")
    page.get_by_role("radio", name="correct").click()
    page.get_by_text("Keep this verdict").click()

    page.locator(".rg", has_text="says bob").first.wait_for()
    [kept] = running.store.select(Verdict, verifier="human", rater="bob")
    assert (kept.verdict, kept.details) == ("correct", '{"note": "read it twice"}')
    assert running.store.get(RecordedPath, kept.path_id)


def test_a_users_select_is_shown_and_what_writes_is_refused(page: "Page") -> None:
    opened(page, "SQL", "view accepted_paths")
    editor = page.locator(".cm-content").last
    for sql, said in (("SELECT 40 + 2 AS found", "42"), ("DELETE FROM paths", "Only SELECT")):
        editor.click()
        page.keyboard.press("Control+a")
        page.keyboard.type(sql)
        page.get_by_text("Ask", exact=True).click()
        page.locator(".rg", has_text=said).first.wait_for()


@pytest.mark.parametrize("size", [(1280, 900), PHONE], ids=["desktop", "phone"])
def test_no_stored_text_does_anything_on_any_page(
    running: Running, visit: Callable[..., Visit], size: tuple[int, int]
) -> None:
    seen = visit(running.url, size=size)
    page = seen.page
    page.wait_for_selector(".rg svg")
    awaited = {
        "Rounds": "finished",
        "Questions": "structure",
        "Guidelines": "of 9",
        "Rejects": "Reference answer",
        "SQL": "view accepted_paths",
    }
    for name in PAGES:
        text = opened(page, name, awaited.get(name, "What is"))
        if name not in ("SQL", "Guidelines"):
            assert "<script>window.harmed = 1</script>" in text or "<img src=" in text
        assert page.locator(".rg script, .rg img, .rg a, .rg marimo-ui-element").count() == 0
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), (
            f"{name} is wider than the screen"
        )

    assert page.evaluate("window.harmed") is None
    assert seen.foreign == []
    assert seen.script_errors == []


def test_only_who_has_the_token_under_a_loopback_name_is_let_in(running: Running) -> None:
    address = running.url.partition("?")[0]

    with urllib.request.urlopen(address, timeout=30) as asked_to_log_in:
        assert "/auth/login" in asked_to_log_in.url
    with pytest.raises(urllib.error.HTTPError, match="403"):
        urllib.request.urlopen(
            urllib.request.Request(running.url, headers={"Host": "evil.example"}), timeout=30
        )


def test_an_open_page_keeps_no_writer_out(page: "Page", running: Running) -> None:
    opened(page, "Questions", "structure")
    time.sleep(0.2)

    impatient = open_store(running.store.url, busy_seconds=0.05)

    assert impatient.append([make(RecordedPath, "written while the page is open")]) == 1
