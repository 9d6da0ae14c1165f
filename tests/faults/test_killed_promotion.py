"""kill -9 at seeded moments of training, evaluation and promotion.

One champion, store and registry agree. Three moments in `make test`, ten in `make soak`.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from storage.care.check_and_gc import check_store
from storage.mlflow_tracking import Tracking
from storage.open_store import Store, open_store
from storage.records import Adapter, Answer, Model, Promotion, Round
from tasks.promotion.promote import current_champion
from tests.fakes.scripted_machinery import BASE
from tests.fakes.small_round import small_settings


def outcome_of(home: Path, store: Store) -> dict[str, object]:
    """What must not depend on being killed: answers, losses, decision, models in the registry."""
    tracking, line = Tracking(home), store.select(Round)[0].line
    versions = [(one.id, tracking.version_of(line, one.id)) for one in store.select(Model)]
    return {
        "models": {(id, found and tuple(sorted(found.tags.items()))) for id, found in versions},
        "answers": {(one.id, one.text, one.strict_verdict) for one in store.select(Answer)},
        "losses": [(one.id, tuple(one.losses)) for one in store.select(Adapter)],
        "decisions": [(one.id, one.outcome, one.state) for one in store.select(Promotion)],
        "rounds": [(one.id, one.outcome, one.status) for one in store.select(Round)],
    }


@pytest.mark.slow
@pytest.mark.parametrize("kills", [3, pytest.param(10, marks=pytest.mark.soak)])
def test_killed_at_any_moment_store_and_registry_end_as_if_nothing_had_happened(
    tmp_path: Path, kills: int
) -> None:
    environment = {
        key: value for key, value in os.environ.items() if not key.startswith("REGENESIS_")
    }
    settings = tmp_path / "small.toml"
    settings.write_text(small_settings(tmp_path), "utf-8")
    command = [
        sys.executable,
        "-m",
        "tests.faults.dying_round",
        str(tmp_path),
        str(settings),
        "7",
        str(kills),
    ]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    moments = json.loads(done.stdout.splitlines()[-1])["moments"]
    assert len(moments) == kills
    whole = tmp_path / "undisturbed"
    expected = outcome_of(whole, open_store(f"duckdb:///{whole / 'regenesis.duckdb'}"))
    assert [outcome for _, outcome, _ in expected["decisions"]] == ["promoted"]  # type: ignore[attr-defined]

    for number, moment in enumerate(moments):
        home = tmp_path / f"killed-{number}"
        store = open_store(f"duckdb:///{home / 'regenesis.duckdb'}")
        line = store.select(Round)[0].line
        assert outcome_of(home, store) == expected, moment
        assert Tracking(home).champion(line) == current_champion(store, BASE, line).id, moment
        assert check_store(store, home) == [], moment
