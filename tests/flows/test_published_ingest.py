"""Published question sets from command line and Prefect.

Stored whole, or refused in one line with exit code 2.
"""

import json
from collections.abc import Callable
from pathlib import Path
from typing import get_args

import pytest

from flows.runs.parameters import PublishedName
from flows.stages import ingest
from flows.steps import ingest_published as known_ingest
from storage.open_store import Store, open_store
from storage.records import Question, QuestionSet
from tasks.rules.questions.published_sets import PUBLISHED_SETS
from tests.fakes.published_files import PUBLISHED, known_with_counts_of, write_published

Command = Callable[..., tuple[int, str, str]]


@pytest.fixture
def small_sets(monkeypatch: pytest.MonkeyPatch) -> None:
    """Known sets, as if only a few rows had been published."""
    monkeypatch.setattr(
        known_ingest, "published_set", lambda name: known_with_counts_of(name, PUBLISHED[name])
    )


def store_of(home: Path) -> Store:
    return open_store(f"duckdb:///{home / 'regenesis.duckdb'}")


@pytest.mark.usefixtures("small_sets")
def test_the_command_stores_a_published_set_and_says_what_it_left(
    tmp_path: Path, home: Path, command: Command
) -> None:
    folder = write_published(tmp_path / "anli", "anli", PUBLISHED["anli"])

    code, out, err = command("ingest", "--published", "anli", "--folder", str(folder))

    assert (code, err, len(store_of(home).select(Question))) == (0, "", 6)
    assert out.startswith("anli: 6 questions (0 train, ")
    assert "published train_r1, train_r2, train_r3 not taken" in out
    assert "may not be redistributed (CC BY-NC 4.0)" in out


@pytest.mark.usefixtures("small_sets")
def test_the_command_fetches_a_set_that_has_no_folder(
    tmp_path: Path, home: Path, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = write_published(tmp_path / "gsm8k", "gsm8k", PUBLISHED["gsm8k"])
    monkeypatch.setattr(known_ingest, "fetch_published_set", lambda known: folder)

    code, out, _ = command("ingest", "--published", "gsm8k", "--json")

    assert (code, json.loads(out)["parts"]["train"], json.loads(out)["licence"]) == (0, 1, "MIT")
    assert [one.name for one in store_of(home).select(QuestionSet)] == ["gsm8k"]


@pytest.mark.parametrize("with_folder", [True, False])
@pytest.mark.usefixtures("small_sets")
def test_a_dry_run_fetches_and_stores_nothing(
    with_folder: bool, tmp_path: Path, home: Path, command: Command
) -> None:
    folder = write_published(tmp_path / "gsm8k", "gsm8k", PUBLISHED["gsm8k"])

    code, out, _ = command(
        "ingest",
        "--published",
        "gsm8k",
        "--dry-run",
        *(["--folder", str(folder)] if with_folder else []),
    )

    assert (code, out.split()[0]) == (0, "Would")
    assert not with_folder or store_of(home).select(Question) == []


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--published", "gsm9k"], "gsm8k, numglue"),
        (["--published", "gsm8k", "--folder", "nowhere"], "'nowhere'"),
        (
            ["--published", "arc_challenge", "--folder", "{gsm8k}"],
            "ARC-Challenge/train-00000-of-00001.parquet",
        ),
        (["--published", "gsm8k", "--folder", "{gsm8k}"], "7473 rows as published; found 1"),
        (["--published", "gsm8k", "--folder", "{gsm8k}", "--licence", "mine"], "--licence"),
        (["--published", "gsm8k", "--folder", "{gsm8k}", "--domain", "out_of_domain"], "--domain"),
        (["--published", "strategyqa"], "https://github.com/eladsegal/strategyqa"),
        (["--folder", "{gsm8k}"], "--published NAME"),
        (["{gsm8k}", "--published", "gsm8k"], "--folder FOLDER"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_a_wrong_published_set_is_refused_whole_with_one_line(
    arguments: list[str], said: str, tmp_path: Path, home: Path, command: Command
) -> None:
    folder = write_published(tmp_path / "gsm8k", "gsm8k", PUBLISHED["gsm8k"])

    code, out, err = command("ingest", *(one.replace("{gsm8k}", str(folder)) for one in arguments))

    assert (code, out, len(err.strip().splitlines())) == (2, "", 1), err
    assert said in err
    assert not (home / "regenesis.duckdb").exists()


def test_the_list_shows_every_set_with_licence_counts_and_citation(
    home: Path, command: Command
) -> None:
    code, out, _ = command("ingest", "--known", "list")  # its first name, which still works

    lines = out.splitlines()
    assert (code, len(lines)) == (0, 1 + len(PUBLISHED_SETS))
    for known, line in zip(PUBLISHED_SETS, lines[1:], strict=True):
        assert line.startswith(known.name)
        assert all(f"{part} {rows:,}" in line for part, rows in known.counts.items())
        assert known.licence in line
        assert known.citation in line
    assert not home.exists()


@pytest.mark.usefixtures("small_sets")
def test_the_flow_takes_the_folder_of_a_published_set_as_its_file(
    tmp_path: Path, home: Path
) -> None:
    folder = write_published(tmp_path / "bbh", "bbh", PUBLISHED["bbh"])

    result = ingest(published="bbh", file=str(folder))

    assert result.text.startswith("bbh: 1 questions")
    assert [question.source_row_id for question in store_of(home).select(Question)] == ["task_a/1"]


def test_the_form_offers_every_published_set() -> None:
    assert get_args(PublishedName) == ("", *(known.name for known in PUBLISHED_SETS))
