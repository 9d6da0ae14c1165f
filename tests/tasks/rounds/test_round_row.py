"""A line's round is begun once, however many machines begin it at the same moment."""

import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from storage.errors import InputError
from storage.open_store import open_store
from storage.records import Model, Round
from tasks.rounds.round_row import find_round, start_round
from tasks.settings import Settings
from tests.conftest import empty_store
from tests.storage.examples import make

TIMES = 6


@pytest.mark.parametrize("kind", ["lake", "postgres"])
def test_two_machines_that_begin_a_line_at_once_begin_one_round(
    request: pytest.FixtureRequest, tmp_path: Path, kind: str
) -> None:
    url, base = empty_store(request, kind, tmp_path), make(Model)
    machines = [open_store(url) for _ in range(2)]  # each attaches the lake for itself
    both = threading.Barrier(2)

    def begin(machine: int, line: str) -> Round:
        settings = Settings(name=line, seed=machine)
        both.wait()
        return start_round(machines[machine], settings, base, base)

    with ThreadPoolExecutor(2) as threads:
        for number in range(1, TIMES + 1):
            begun = list(threads.map(begin, (0, 1), [f"line-{number}"] * 2))
            assert begun[0] == begun[1]
            assert begun[0].number == number

    assert sorted(one.number for one in machines[0].select(Round)) == [*range(1, TIMES + 1)]


def test_a_round_of_another_line_is_refused_by_both_names(tmp_path: Path) -> None:
    store = open_store(f"duckdb:///{tmp_path / 'store.duckdb'}")
    own = start_round(store, Settings(name="own"), make(Model), make(Model))

    assert find_round(store, own.number, own.line) == own
    with pytest.raises(
        InputError, match=f"line 'other'; it is of '{own.line}'.*--name and --model"
    ):
        find_round(store, own.number, "other")
