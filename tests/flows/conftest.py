"""A home, marked prompts, small settings, and one Prefect server for the whole session."""

import os
import sys
from collections.abc import Callable, Generator
from pathlib import Path

import pytest

from tests.fakes.homes import use_home
from tests.fakes.scripted_machinery import ScriptedMachinery
from tests.fakes.small_round import small_settings

# As on the command line; read when Prefect is imported.
os.environ["PREFECT_LOGGING_LEVEL"] = "CRITICAL"
os.environ["PREFECT_SERVER_ANALYTICS_ENABLED"] = "false"
os.environ["DO_NOT_TRACK"] = "1"


@pytest.fixture(scope="session", autouse=True)
def prefect(tmp_path_factory: pytest.TempPathFactory) -> Generator[None]:
    from prefect.testing.utilities import prefect_test_harness

    with prefect_test_harness(server_startup_timeout=120):
        yield


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    use_home(monkeypatch, tmp_path / "home")
    return tmp_path / "home"


@pytest.fixture
def small(tmp_path: Path) -> str:
    """TOML of a small round whose prompts the scripted engine can read."""
    return small_settings(tmp_path)


@pytest.fixture
def machinery() -> Generator[ScriptedMachinery]:
    from flows.steps.edges import use_edges
    from flows.steps.progress import Quiet

    scripted = ScriptedMachinery()
    with use_edges(scripted, Quiet()):
        yield scripted


@pytest.fixture
def command(
    home: Path,
    machinery: ScriptedMachinery,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Callable[..., tuple[int, str, str]]:
    """`regenesis ...` in this process: exit code, standard output, standard error."""
    from prefect.settings import PREFECT_API_URL

    monkeypatch.setenv("PREFECT_API_URL", str(PREFECT_API_URL.value()))

    from flows.cli.main import main

    def run(*arguments: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["regenesis", *arguments])
        with pytest.raises(SystemExit) as end:
            main()
        shown = capsys.readouterr()
        return int(end.value.code or 0), shown.out, shown.err

    return run
