"""The SQL of reports, of comparisons and of the explorer lies in files.

Each is used, none has a gap left open, and what a person wrote is quoted.
"""

import re
from dataclasses import fields
from importlib import resources
from pathlib import Path
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from storage.open_store import open_store
from storage.records import Round
from storage.views import quoted
from tasks.comparison.comparison_report_figures import comparison_figures
from tasks.reports.figure import sql_of, statement
from tasks.reports.round_figures import figures_of
from tasks.rules.training.collapse import TextHealth
from tests.storage.examples import make

HOSTILE = "o'hara; DROP TABLE paths --/$round"
NAMES = {
    file.name.removesuffix(".sql") for file in (resources.files("tasks.reports") / "sql").iterdir()
}


def hostile_round() -> Round:
    return make(Round, "hostile", number=3, line=HOSTILE)


def test_every_figure_runs_and_no_gap_is_left_open(tmp_path: Path) -> None:
    store = open_store(f"duckdb:///{tmp_path / 'store.duckdb'}")
    identity = str(hostile_round().id)
    for figure in figures_of(hostile_round(), identity, identity):
        store.query(figure.sql)
        assert set(re.findall(r"\$[a-z_]+", figure.sql)) <= {"$round"}, (
            figure.name
        )  # the one of the line's own name


def test_every_file_is_the_sql_of_a_figure() -> None:
    shown = {figure.sql for figure in figures_of(hostile_round(), "after", "before")}
    more = [
        {"domain": "in_domain"},
        {"domain": "out_of_domain"},
        {"challenger": "after", "champion": "before"},
        {},
    ]

    def is_shown(name: str) -> bool:
        for values in more:
            try:
                if sql_of(name, hostile_round(), **values) in shown:
                    return True
            except KeyError:  # it has a gap for another value
                continue
        return False

    assert {name for name in NAMES if not is_shown(name)} == set()


def test_a_lines_name_is_a_literal_whatever_is_in_it() -> None:
    assert "line = 'o''hara; DROP TABLE paths --/$round'" in sql_of(
        "rounds", hostile_round(), domain="in_domain"
    )


def test_the_collapse_watch_shows_each_of_its_figures() -> None:
    shown = set(re.findall(r"\$\.text_health\.(\w+)", sql_of("text_health", hostile_round())))

    assert shown == {field.name for field in fields(TextHealth)}


def test_every_figure_of_a_comparison_runs_and_no_gap_is_left_open(tmp_path: Path) -> None:
    store = open_store(f"duckdb:///{tmp_path / 'store.duckdb'}")
    for figure in comparison_figures(UUID(int=1), [3, 5]):
        store.query(figure.sql)
        assert re.findall(r"\$[a-z_]+", figure.sql) == [], figure.name


@pytest.mark.parametrize("package", ["tasks.comparison", "tasks.explore"])
def test_every_file_of_a_package_is_named_in_its_code(package: str) -> None:
    files = [file for file in resources.files(package).iterdir() if file.name.endswith(".py")]
    code = "".join(file.read_text("utf-8") for file in files)
    names = [
        file.name.removesuffix(".sql") for file in (resources.files(package) / "sql").iterdir()
    ]

    assert names
    assert [name for name in names if f'"{name}"' not in code] == []


@given(st.text(alphabet="'$domain\\\n ;-x", max_size=30))
def test_a_text_is_one_literal_whatever_is_in_it(text: str) -> None:
    shown = statement("tasks.explore", "accuracies", domain=text)

    assert shown == statement("tasks.explore", "accuracies", domain="@").replace(
        "'@'", quoted(text)
    )
