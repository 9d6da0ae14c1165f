"""A person over the gate.

Forced, vetoed, rolled back; the reason stands in store, report and MLflow.
"""

from collections.abc import Callable
from pathlib import Path

import pytest

from flows.improve import improve
from storage.mlflow_tracking import Tracking
from storage.open_store import Store, open_store
from storage.records import Model, Promotion, Round
from tasks.promotion.promote import current_champion
from tests.fakes.scripted_machinery import BASE, ScriptedMachinery

Command = Callable[..., tuple[int, str, str]]


@pytest.fixture
def settled(
    home: Path,
    small: str,
    tmp_path: Path,
    machinery: ScriptedMachinery,
    monkeypatch: pytest.MonkeyPatch,
) -> str:
    """A first round, promoted; returns its line."""
    settings = tmp_path / "small.toml"
    settings.write_text(small, "utf-8")
    monkeypatch.setenv("REGENESIS_CONFIG", str(settings))
    improve()
    return store_of(home).select(Round)[0].line


def store_of(home: Path) -> Store:
    return open_store(f"duckdb:///{home / 'regenesis.duckdb'}")


def champions(home: Path, line: str) -> tuple[Model, object]:
    """By the store and by the registry."""
    return current_champion(store_of(home), BASE, line), Tracking(home).champion(line)


def test_a_veto_brings_back_the_champion_before_and_force_undoes_it(
    home: Path, settled: str, command: Command
) -> None:
    trained, named = champions(home, settled)
    assert trained != BASE
    assert named == trained.id

    code, out, err = command(
        "promote", "--veto", "--reason", "It is <rude>.", "--by", "Ada", "--yes"
    )

    assert code == 0, err
    assert champions(home, settled) == (BASE, BASE.id)
    report = Path(out.strip().rpartition("Report: ")[2]).read_text("utf-8")
    assert "<strong>Ada</strong>: Vetoed. It is &lt;rude&gt;." in report
    assert "<strong>Challenger taken back by Ada</strong>" in report
    version = Tracking(home).version_of(settled, trained.id)
    assert version is not None
    assert version.tags["regenesis.overruled"] == "Vetoed. It is <rude>."

    code, out, err = command(
        "promote", "--force", "--reason", "It was a joke.", "--by", "Ada", "--round", "1", "--yes"
    )

    assert code == 0, err
    assert champions(home, settled) == (trained, trained.id)
    report = Path(out.strip().rpartition("Report: ")[2]).read_text("utf-8")
    assert "<strong>Challenger promoted by Ada</strong>" in report
    kept = store_of(home).select(Promotion, decided_by="Ada", order_by="created_at")
    assert [(one.state, one.reasons) for one in kept] == [
        ("done", "Vetoed. It is <rude>."),
        ("done", "Forced. It was a joke."),
    ]


def test_a_roll_back_returns_to_the_base_and_says_so(
    home: Path, settled: str, command: Command
) -> None:
    code, out, err = command("rollback", "--reason", "A test.", "--yes")
    assert code == 0, err
    assert BASE.name in out
    assert champions(home, settled) == (BASE, BASE.id)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--force"], "with a --reason"),
        (["--force", "--veto", "--reason", "x"], "--force or --veto"),
        (["--reason", "x"], "go with --force or --veto"),
    ],
)
def test_a_persons_decision_needs_one_word_and_a_reason(
    command: Command, arguments: list[str], said: str
) -> None:
    code, _, err = command("promote", *arguments, "--yes")
    assert (code, said in err) == (2, True)


def test_asking_again_keeps_the_first_answers_and_says_what_changed(
    home: Path, settled: str, command: Command
) -> None:
    before = (
        store_of(home)
        .query("SELECT id, text FROM answers WHERE sample = 0 ORDER BY id")
        .to_pylist()
    )

    code, out, err = command("evaluate", "--again", "--role", "challenger")

    assert code == 0, err
    assert "answers asked for again" in out
    assert (
        store_of(home)
        .query("SELECT id, text FROM answers WHERE sample = 0 ORDER BY id")
        .to_pylist()
        == before
    )
    [noise] = (
        store_of(home)
        .query("SELECT count(*) AS n FROM answers WHERE sample > 1 OR sample = 1")
        .to_pylist()
    )
    assert noise["n"] > len(before) / 3
