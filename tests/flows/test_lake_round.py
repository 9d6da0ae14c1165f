"""A round on a lake, what docs/storage.md tells a user to type after it, the nightly care, and two
runs at once.
"""

from collections.abc import Callable
from pathlib import Path

import pytest

from flows.improve import improve
from flows.maintain import maintain
from flows.stages import synthesize
from storage.care.check_and_gc import check_store
from storage.errors import InputError
from storage.open_store import open_store
from storage.records import Adapter, Round, TrainingSet
from tests.conftest import empty_store
from tests.fakes.scripted_machinery import ScriptedMachinery
from tests.flows.test_documented_commands import commands_of


@pytest.fixture
def url(
    request: pytest.FixtureRequest, home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> str:
    url = empty_store(request, "lake", tmp_path / "first")
    monkeypatch.setenv("REGENESIS_STORE", url)
    return url


@pytest.mark.slow
def test_a_round_runs_whole_on_a_lake_and_every_command_of_its_page_after_it(
    url: str,
    home: Path,
    small: str,
    tmp_path: Path,
    machinery: ScriptedMachinery,
    command: Callable[..., tuple[int, str, str]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)

    result = improve(settings_toml=small)

    store = open_store(url)
    [record], [adapter] = store.select(Round), store.select(Adapter)
    assert (result.outcome, record.outcome, record.status) == ("promoted", "promoted", "finished")
    assert store.select(TrainingSet)[0].snapshot
    assert not (home / "regenesis.duckdb").exists()
    assert maintain().figures["files_after"]
    assert check_store(store, home) == []
    for words in commands_of("docs/storage.md"):
        typed = [
            word.replace("ADAPTER", str(adapter.id)).replace("/tmp/lake", str(tmp_path / "lake"))
            for word in words
        ]
        code, out, err = command(*typed)
        assert code == 0, (typed, err)
        assert out.strip(), typed
    assert len(open_store(f"duckdb:///{tmp_path / 'backup.duckdb'}").select(Round)) == 1


def test_two_homes_do_not_work_on_one_round_of_a_lake(
    url: str, home: Path, small: str, machinery: ScriptedMachinery
) -> None:
    synthesize(settings_toml=small)
    [record] = open_store(url).select(Round)

    with (
        open_store(url).leased(["chain_sum"], record.number),
        pytest.raises(InputError, match="works on 'chain_sum' in round 1"),
    ):
        improve(settings_toml=small)

    assert [one.status for one in open_store(url).select(Round)] == ["running"]
    assert improve(settings_toml=small).outcome == "promoted"
