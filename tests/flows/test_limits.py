"""A run that a window or a budget ends.

Cleanly, with its own exit code and state, and the next run goes on.
"""

import importlib
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import prefect.runtime
import pytest
from hypothesis import given
from hypothesis import strategies as st

from flows.improve import improve
from flows.runs.parameters import limits_of, settings_toml_with
from flows.stages import synthesize
from storage.environment import time_zone
from storage.errors import InputError, Stopped
from storage.open_store import Store, open_store
from storage.records import Adapter, Answer, Round
from storage.records import Path as RecordedPath
from tasks.budget import Spending
from tasks.settings import load_settings
from tests.fakes.scripted_machinery import ScriptedMachinery

Command = Callable[..., tuple[int, str, str]]


def store_of(home: Path) -> Store:
    return open_store(f"duckdb:///{home / 'regenesis.duckdb'}")


def test_a_round_under_a_token_budget_goes_on_night_after_night_and_is_paid_for_once(
    home: Path, small: str, machinery: ScriptedMachinery
) -> None:
    outcomes: list[str] = []
    while len(outcomes) < 30 and (not outcomes or outcomes[-1] == "budget spent"):
        outcomes.append(improve(settings_toml=small, budget_tokens=1000).outcome)

    store = store_of(home)
    [record] = store.select(Round)
    assert outcomes[-1] == record.outcome == "promoted"
    assert len(outcomes) > 2
    assert len(store.select(Adapter)) == len(machinery.trained) == 1
    answers = store.select(Answer)
    assert len({(one.question_id, one.model_id, one.sample) for one in answers}) == len(answers)


def test_a_stopped_round_is_running_still_and_says_why(
    home: Path, small: str, machinery: ScriptedMachinery
) -> None:
    state: Any = improve(settings_toml=small, budget_tokens=300, return_state=True)

    [record] = store_of(home).select(Round)
    assert (record.status, record.outcome) == ("running", "budget_spent")
    assert (state.name, state.is_completed()) == ("budget spent", True)
    assert "300 tokens" in state.message


def test_no_task_of_a_stopped_run_has_failed(
    home: Path, small: str, machinery: ScriptedMachinery
) -> None:
    from prefect.client.orchestration import get_client

    state: Any = synthesize(settings_toml=small, budget_tokens=300, return_state=True)

    with get_client(sync_client=True) as client:
        runs = client.read_task_runs()
    ours = [run for run in runs if run.flow_run_id == state.state_details.flow_run_id]
    assert {run.state_name for run in ours} <= {"Completed", "budget spent"}


def test_the_command_line_ends_with_3_and_then_goes_on(
    home: Path, small: str, tmp_path: Path, command: Command
) -> None:
    file = tmp_path / "small.toml"
    file.write_text(small, "utf-8")

    code, out, _ = command("synthesize", "--settings", str(file), "--budget-tokens", "300")

    assert code == 3
    assert "300 tokens" in out
    paths = len(store_of(home).select(RecordedPath))
    assert command("synthesize", "--settings", str(file))[0] == 0
    assert len(store_of(home).select(RecordedPath)) > paths
    assert [record.number for record in store_of(home).select(Round)] == [1]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["round", "--until", "late"], "06:00"),
        (["round", "--budget-money", "5"], "price_per_hour"),
        (["synthesize", "--budget-tokens", "-5"], "budget"),
    ],
)
def test_a_limit_that_means_nothing_is_refused_with_one_line(
    arguments: list[str], said: str, command: Command
) -> None:
    code, _, err = command(*arguments)

    lines = [line for line in err.strip().splitlines() if line != "Starting ..."]
    assert (code, len(lines)) == (2, 1)
    assert said in lines[0]


def test_a_budget_of_money_in_the_settings_needs_a_price_too(
    tmp_path: Path, command: Command
) -> None:
    file = tmp_path / "money.toml"
    file.write_text("[synthesis]\nmoney_budget = 5\n", "utf-8")

    code, _, err = command("round", "--settings", str(file))

    lines = [line for line in err.strip().splitlines() if line != "Starting ..."]
    assert (code, len(lines)) == (2, 1)
    assert "price_per_hour" in lines[0]


def test_a_time_of_day_is_the_next_one_in_the_time_zone_of_the_nights(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("REGENESIS_TIMEZONE", "Asia/Kolkata")
    limits = limits_of("06:00", 0, 0.0, now=datetime(2026, 1, 1, 23, tzinfo=time_zone()))

    assert limits.until == datetime(2026, 1, 2, 0, 30, tzinfo=UTC)


@pytest.mark.parametrize("setting", ["REGENESIS_TIMEZONE", "TZ"])
@pytest.mark.parametrize(
    "name",
    [
        "Europe/Atlantis",
        "JST-9",
        '"Europe/Berlin"',
        "CET-1CEST,M3.5.0,M10.5.0/3",
        "Europe",
        "../UTC",
        "Berlin",
    ],
)
def test_a_time_zone_that_is_none_is_refused_with_one_line(
    monkeypatch: pytest.MonkeyPatch, setting: str, name: str
) -> None:
    monkeypatch.delenv("REGENESIS_TIMEZONE", raising=False)
    monkeypatch.setenv(setting, name)

    with pytest.raises(InputError) as refused:
        limits_of("06:00", 0, 0.0)
    assert str(refused.value).startswith(f"{setting} takes a name")
    assert f"such as Europe/Berlin or UTC; found {name!r}" in str(refused.value)


@pytest.mark.parametrize("name", ["Asia/Tokyo", ":Asia/Tokyo"])
def test_the_zone_of_a_shell_is_that_of_the_nights_and_of_their_messages(
    monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.delenv("REGENESIS_TIMEZONE", raising=False)
    monkeypatch.setenv("TZ", name)
    now = datetime(2026, 1, 1, 23, tzinfo=UTC)

    limits = limits_of("09:30", 0, 0.0, now=now)

    assert limits.until == datetime(2026, 1, 2, 0, 30, tzinfo=UTC)
    assert "ended at 2026-01-02 09:30 JST;" in str(Spending(limits).stopped("window"))


PLANNED = datetime(2026, 1, 2, 1, tzinfo=UTC)


@given(waited=st.floats(0, 48).map(lambda hours: timedelta(hours=hours)))
def test_a_night_that_waited_has_what_is_left_of_its_window_and_ends_at_once_where_nothing_is(
    waited: timedelta,
) -> None:
    end = datetime(2026, 1, 2, 6, 15, tzinfo=UTC)
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("REGENESIS_TIMEZONE", "UTC")
        if PLANNED + waited < end:
            assert limits_of("06:15", 0, 0.0, PLANNED, PLANNED + waited).until == end
        else:
            with pytest.raises(
                Stopped,
                match=r"planned for 2026-01-02 01:00 UTC and had until 2026-01-02 06:15 UTC",
            ):
                limits_of("06:15", 0, 0.0, PLANNED, PLANNED + waited)


@pytest.mark.parametrize(
    "flow", ["flows.improve.improve", "flows.stages.synthesize", "flows.compare.compare"]
)
def test_a_run_whose_window_was_over_before_its_turn_ends_as_budget_spent_and_begins_nothing(
    home: Path, flow: str, machinery: ScriptedMachinery, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the queue does to a night that stood behind another one."""
    monkeypatch.setitem(prefect.runtime.flow_run.FIELDS, "scheduled_start_time", lambda: PLANNED)
    module, _, name = flow.rpartition(".")

    state = getattr(importlib.import_module(module), name)(until="06:15", return_state=True)

    assert (state.type.value, state.name) == ("COMPLETED", "budget spent")
    assert "its turn came after that" in state.message
    assert not (home / "regenesis.duckdb").exists()


def test_options_without_a_field_in_the_form_stand_above_the_file() -> None:
    toml = settings_toml_with(
        "seed = 3\n[synthesis]\nchains_per_question = 4", {"synthesis.chains_per_question": 9}
    )

    chosen = load_settings(toml_text=toml)
    assert (chosen.seed, chosen.synthesis.chains_per_question) == (3, 9)
    assert settings_toml_with("# as it is", {"seed": 0}) == "# as it is"


def test_a_plan_says_what_would_be_generated_and_begins_nothing(
    home: Path, small: str, tmp_path: Path, machinery: ScriptedMachinery, command: Command
) -> None:
    file = tmp_path / "small.toml"
    file.write_text(small, "utf-8")

    code, out, _ = command("synthesize", "--plan", "--settings", str(file))

    assert code == 0
    assert "Round 1 would begin." in out
    assert "8 questions" in out
    assert "to generate: at most 128 (32 adapted_guideline, 32 structure, 32 path, 32 close)" in out
    assert machinery.served == []
    assert store_of(home).select(Round) == []


def test_the_plan_before_a_round_and_after_its_synthesis_agree(
    home: Path, small: str, tmp_path: Path, machinery: ScriptedMachinery, command: Command
) -> None:
    file = tmp_path / "small.toml"
    # a scripted structure is numbered by its seed, and may hold the answer by chance
    every = "[synthesis]\nadaptive = false\nhinted_retry = false\nrefuse_telling_structures = false"
    file.write_text(small.replace("[synthesis]", every), "utf-8")
    before = json.loads(command("synthesize", "--plan", "--json", "--settings", str(file))[1])

    command("synthesize", "--settings", str(file))
    after = json.loads(command("synthesize", "--dry-run", "--json", "--settings", str(file))[1])

    assert (
        before["to_generate"]["path"]
        == len(store_of(home).select(RecordedPath))
        == after["reused"]["path"]
    )
    assert after["to_generate"] == {}
    assert after["finished_questions"] == after["questions"] == before["questions"]


def test_a_forecast_for_hardware_that_is_not_there_prints_rate_and_money(
    home: Path, small: str, tmp_path: Path, command: Command
) -> None:
    file = tmp_path / "small.toml"
    file.write_text(small.replace("[synthesis]", "[synthesis]\nprice_per_hour = 3.5"), "utf-8")

    code, out, err = command("forecast", "--rate", "20000", "--settings", str(file))

    assert code == 0, err
    for word in (
        "tokens",
        "time",
        "disk",
        "accepted",
        "money",
        "generation at 20,000 tokens/s (given, not measured)",
    ):
        assert word in out
