"""The report of a round: each figure equals its SQL; nothing in the page runs or reaches out."""

import json
import re
from dataclasses import dataclass, field, replace
from html import unescape
from html.parser import HTMLParser
from pathlib import Path

import pytest

from storage.open_store import Store, open_store
from storage.records import Adapter, Answer, Round
from storage.records import Path as RecordedPath
from tasks.promotion.promote import carry_out
from tasks.reports.drawing import interval_chart, line_chart
from tasks.reports.round_report import draw_report, round_table, shown, write_report
from tasks.settings import EvaluationSettings, Settings
from tests.fakes.scripted_engine import Asked
from tests.fakes.small_store import BASE, CHALLENGER, clock, model, round_of, small_store
from tests.storage.story import round_id, whole_story
from tests.tasks.evaluation.test_evaluate_model import evaluated, right_below
from tests.tasks.evaluation.test_noise import asked_again
from tests.tasks.promotion.test_promote import Aliases, played

HOSTILE = (
    "<script>alert('x')</script><img src=http://evil.example/x onerror=go()> </pre></dd>&amp;"
    " ${HOME} $title"
)


@dataclass
class Page(HTMLParser):
    """What a reader sees of each figure: its SQL and its cells, row by row."""

    sql: dict[str, str] = field(default_factory=dict[str, str])
    rows: dict[str, list[list[str]]] = field(default_factory=dict[str, list[list[str]]])
    tags: list[str] = field(default_factory=list[str])
    links: list[str] = field(default_factory=list[str])
    _figure: str = ""
    _inside: str = ""
    _text: str = ""

    def __post_init__(self) -> None:
        super().__init__()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        known = dict(attrs)
        self.tags.append(tag)
        self.links += [
            value or "" for name, value in attrs if name in ("src", "href", "xlink:href")
        ]
        if known.get("class") == "figure":
            self._figure = known["id"] or ""
            self.rows[self._figure] = []
        if tag in ("tr", "dl"):
            self.rows[self._figure].append([])
        if tag in ("td", "dd") or known.get("class") == "sql":
            self._inside, self._text = tag, ""

    def handle_data(self, data: str) -> None:
        self._text += data

    def handle_endtag(self, tag: str) -> None:
        if tag != self._inside:
            return
        self._inside = ""
        if tag == "pre":
            self.sql[self._figure] = self._text
        else:
            self.rows[self._figure][-1].append(self._text)


def read(html: str) -> Page:
    page = Page()
    page.feed(html)
    page.rows = {name: [row for row in rows if row] for name, rows in page.rows.items()}
    return page


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory) -> tuple[Store, Round]:
    """Three rounds; the last one holds hostile texts, a loss curve and timings."""
    store = open_store(f"duckdb:///{tmp_path_factory.mktemp('report') / 'story.duckdb'}")
    store.append(whole_story())
    timings = {
        "seconds": {"synthesis": 120.5, "training": 61.0},
        "total_seconds": 181.5,
        "raw_tokens_per_second": 431.2,
    }
    last = store.select(Round, id=round_id(3))[0]
    store.update(replace(last, timings=json.dumps(timings), line="it's a line"))
    for path in store.select(RecordedPath, draw=3):
        store.update(replace(path, text=HOSTILE))
    for answer in store.select(Answer, round_id=last.id):
        store.update(replace(answer, text=HOSTILE))
    for adapter in store.select(Adapter, round_id=last.id):
        store.update(replace(adapter, losses=[2.5, 1.25, 0.7]))
    return store, store.select(Round, id=last.id)[0]


def test_every_figure_is_what_its_sql_gives(story: tuple[Store, Round]) -> None:
    store, round = story
    page = read(draw_report(store, round).page)
    assert len(page.sql) >= 20
    for name, sql in page.sql.items():
        expected = [[shown(cell) for cell in row.values()] for row in store.query(sql).to_pylist()]
        assert page.rows[name] == expected, name


def test_the_figures_that_a_round_must_show_are_not_empty(story: tuple[Store, Round]) -> None:
    page = read(draw_report(*story).page)
    for name in (
        "accuracy_in_domain_strict",
        "accuracy_out_of_domain_lenient",
        "accepted_by_guideline",
        "rejects_by_reason",
        "loss_curve",
        "changes",
        "fixed_questions",
        "accepted_chains",
        "refused_chains",
        "decision",
        "timings",
        "rates",
        "rounds_in_domain",
        "lengths",
        "training_sets",
    ):
        assert page.rows[name], name


def test_figures_of_a_live_round_equal_their_sql_too(tmp_path: Path) -> None:
    store, _ = small_store(tmp_path)
    ticks = clock()
    carry_out(store, Aliases(), played(store, 1, BASE, CHALLENGER, 20, 50, ticks))
    played(store, 2, CHALLENGER, model("base+round2", "round2"), 50, 40, ticks)
    page = read(draw_report(store, store.select(Round, number=2)[0]).page)
    for name, sql in page.sql.items():
        expected = [[shown(cell) for cell in row.values()] for row in store.query(sql).to_pylist()]
        assert page.rows[name] == expected, name
    for name in ("gate_gain", "gate_no_loss", "gate_sets", "endings", "lengths"):
        assert page.rows[name], name
    assert page.rows["gate_gain"][0][:5] == ["64", "50", "40", "0", "10"]
    held_to = [
        ("champion", "strict"),
        ("champion", "lenient"),
        ("base", "strict"),
        ("base", "lenient"),
    ]
    assert [tuple(row[:2]) for row in page.rows["gate_no_loss"]] == held_to
    assert page.rows["changes"] == [
        ["broken", "in_domain", "sums", "10"],
        ["broken", "out_of_domain", "riddles", "10"],
    ]
    assert len(page.rows["broken_questions"]) == 6


def test_sampled_answers_are_reported_alone_any_and_by_majority(tmp_path: Path) -> None:
    store, questions = small_store(tmp_path, gate=4, final=0)
    store.append([round_of(1)])
    told = {"0": ("0", "0", "9"), "1": ("9", "9", "1"), "2": ("9", "9", "9"), "3": ("3", "3", "3")}
    given: dict[str, int] = {}

    def votes(asked: Asked) -> str:
        if asked.sampling.temperature == 0:
            return "The answer is 0."
        place = asked.prompt.rpartition("number ")[2][0]
        key = f"{asked.question} {place}"
        given[key] = given.get(key, 0) + 1
        return f"The answer is {told[place][given[key] - 1]}."

    evaluated(store, votes, questions, settings=Settings(evaluation=EvaluationSettings(samples=3)))
    page = read(draw_report(store, store.select(Round, number=1)[0]).page)
    strict = [row[3:8] for row in page.rows["sampled"] if row[1] == "sums" and row[3] == "strict"]
    assert strict == [
        ["strict", "pass_at_k", "1", "4", "0.5"],
        ["strict", "pass_at_k", "3", "4", "0.75"],
        ["strict", "maj_at_k", "3", "4", "0.5"],
    ]


def test_the_noise_floor_stands_in_the_report_with_its_sql(tmp_path: Path) -> None:
    store, questions = small_store(tmp_path, gate=20, final=0)
    store.append([round_of(1)])
    evaluated(store, right_below(10), questions)
    asked_again(store, 12, questions)
    page = read(draw_report(store, store.select(Round, number=1)[0]).page)
    assert page.rows["noise"] == [["base", "40", "0.1", "0.1"]]


def test_the_noise_of_fixed_questions_stands_in_later_reports_too(tmp_path: Path) -> None:
    store, questions = small_store(tmp_path, gate=20, final=0, draw=0)
    store.append([round_of(1), round_of(2)])
    evaluated(store, right_below(10), questions)
    asked_again(store, 12, questions)
    evaluated(store, right_below(10), questions, number=2)
    page = read(draw_report(store, store.select(Round, number=2)[0]).page)
    assert page.rows["noise"] == [["base", "40", "0.1", "0.1"]]


def test_text_of_a_model_is_shown_and_never_run(story: tuple[Store, Round]) -> None:
    html = draw_report(*story).page
    page = read(html)
    assert HOSTILE in [cell for rows in page.rows.values() for row in rows for cell in row]
    assert not {"script", "img", "iframe", "link", "object"} & set(page.tags)


def test_the_report_reaches_for_nothing(story: tuple[Store, Round]) -> None:
    html = draw_report(*story).page
    assert read(html).links == []
    assert "default-src 'none'" in html
    assert "@import" not in html
    assert "url(" not in html


def test_it_fits_a_phone(story: tuple[Store, Round]) -> None:
    html = draw_report(*story).page
    assert 'name="viewport" content="width=device-width' in html
    assert "<svg viewBox" in html
    assert '<svg width="' not in html


def first_sentence(store: Store, number: int) -> str:
    head = draw_report(store, store.select(Round, number=number)[0]).page.partition("</header>")[0]
    [sentence] = re.findall(r'<span class="sentence">(.*?)</span>', head)
    return unescape(sentence)


def test_the_first_screen_says_in_one_sentence_what_came_out(tmp_path: Path) -> None:
    store, _ = small_store(tmp_path)
    ticks = clock()
    carry_out(store, Aliases(), played(store, 1, BASE, CHALLENGER, 20, 50, ticks))
    played(store, 2, CHALLENGER, model("base+round2", "round2"), 50, 40, ticks)

    assert (
        first_sentence(store, 1)
        == "Better in domain, no worse outside than the margin allows, and promoted: in domain 31.2"
        " % -> 78.1 % right (+46.9 points), out of domain 31.2 % -> 78.1 % (+46.9 points)."
    )
    assert first_sentence(store, 2).startswith(
        "Worse in domain, and refused because it is significantly worse"
    )


def test_a_round_that_has_hardly_begun_has_a_report(tmp_path: Path) -> None:
    store = open_store(f"duckdb:///{tmp_path / 'empty.duckdb'}")
    story_round = next(record for record in whole_story() if isinstance(record, Round))
    story_round = replace(story_round, timings="{}")
    store.append([story_round])
    page = read(draw_report(store, story_round).page)
    assert all(rows == [] for rows in page.rows.values())


def test_a_report_replaces_the_older_one_whole(story: tuple[Store, Round], tmp_path: Path) -> None:
    first = write_report(draw_report(*story), story[1], tmp_path / "reports")
    again = write_report(draw_report(*story), story[1], tmp_path / "reports")
    assert first == again
    assert [one.name for one in again.parent.iterdir()] == ["round-3.html"]


def test_an_interval_chart_says_each_figure_in_words(tmp_path: Path) -> None:
    row = {
        "question_set": "sums",
        "model": "a<b",
        "role": "base",
        "accuracy": 0.25,
        "low": 0.1,
        "high": 0.4,
    }
    assert "<title>a&lt;b (base): 25.0%, 10.0% to 40.0%</title>" in interval_chart([row])


@pytest.mark.parametrize(
    ("highest", "end"), [(0.0, "10%"), (0.09, "10%"), (0.11, "20%"), (0.5, "50%"), (0.6, "100%")]
)
def test_an_axis_of_shares_ends_where_low_ones_can_still_be_told_apart(
    highest: float, end: str
) -> None:
    row = {
        "question_set": "sums",
        "model": "m",
        "role": "base",
        "accuracy": highest,
        "low": 0.0,
        "high": highest,
    }

    for chart in (
        interval_chart([row]),
        line_chart([row | {"round": 1}], "round", "accuracy", "role", percent=True),
    ):
        assert re.findall(r'class="soft"[^>]*>([\d.]+%)<', chart)[-1] == end


def test_the_terminal_table_holds_domains_and_readings_apart(tmp_path: Path) -> None:
    store, _ = small_store(tmp_path)
    played(store, 1, BASE, CHALLENGER, 16, 48, clock())
    lines = round_table(store, store.select(Round, number=1)[0]).splitlines()
    heads = ["base strict", "challenger strict", "base lenient", "challenger lenient"]
    assert lines[0].split() == ["set", "n", *" ".join(heads).split()]
    assert lines[1].split() == ["in", "domain", "sums", "64", "25.0%", "75.0%", "25.0%", "75.0%"]
    assert lines[2].split()[:5] == ["out", "of", "domain", "riddles", "64"]
