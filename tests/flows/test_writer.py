"""Who writes the paths of the next round: the base, or the best model so far."""

from pathlib import Path

import pytest

from flows.improve import improve
from storage.open_store import open_store
from storage.records import Path as RecordedPath
from storage.records import Round
from tests.fakes.scripted_machinery import ScriptedMachinery


@pytest.mark.parametrize("writer", ["base", "champion"])
def test_the_second_rounds_paths_are_written_by_whom_the_settings_name(
    home: Path, small: str, machinery: ScriptedMachinery, writer: str
) -> None:
    toml = small.replace("[synthesis]", f'[synthesis]\nwriter = "{writer}"')

    outcomes = [improve(settings_toml=toml).outcome for _ in range(2)]

    store = open_store(f"duckdb:///{home / 'regenesis.duckdb'}")
    first, second = store.select(Round, order_by="number")
    expected = second.champion_model_id if writer == "champion" else second.base_model_id
    assert outcomes[0] == "promoted"
    assert second.champion_model_id != second.base_model_id
    assert {one.model_id for one in store.select(RecordedPath, draw=first.number)} == {
        first.base_model_id
    }
    assert {one.model_id for one in store.select(RecordedPath, draw=second.number)} == {expected}
