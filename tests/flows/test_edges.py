"""Machinery and watcher of a run, which no flow's parameter can hold."""

import importlib
from collections.abc import Callable
from pathlib import Path

import pytest

from flows import improve as product
from flows.steps.edges import edges_at_work, use_edges
from flows.steps.machinery import LocalMachinery
from flows.steps.progress import PlainLines, Quiet
from tests.fakes.scripted_machinery import ScriptedMachinery

Command = Callable[..., tuple[int, str, str]]


def test_edges_are_used_within_their_block_alone_however_it_ends() -> None:
    before, scripted, quiet = edges_at_work(), ScriptedMachinery(), Quiet()

    def fail() -> None:
        with use_edges(scripted), use_edges(watcher=quiet):
            assert (edges_at_work().machinery, edges_at_work().watching()) == (scripted, quiet)
            raise KeyError

    with pytest.raises(KeyError):
        fail()
    assert edges_at_work() is before
    assert isinstance(before.machinery, LocalMachinery)


def test_the_scripted_flow_of_the_workers_leaves_the_products_own_as_it_is(
    home: Path, small: str, machinery: ScriptedMachinery
) -> None:
    scripted = importlib.import_module("tests.fakes.scripted_flows").improve

    assert (scripted.name, scripted is product.improve) == ("improve", False)
    product.improve(settings_toml=small)
    assert machinery.served[0] == "scripted"


def test_a_run_without_a_watcher_chooses_one_that_fits_standard_error() -> None:
    assert isinstance(edges_at_work().watching(), PlainLines)


def test_the_watcher_of_a_command_is_heard_by_the_flow_that_it_runs(command: Command) -> None:
    code, _, said = command("ingest")

    assert code == 0
    assert "Starting ..." in said
    assert "Drawing questions ..." in said
    assert command("ingest", "--json")[2] == ""
