"""What costs much and is shared.

One prepared model, one renderer, one real vLLM server for the whole session.
"""

import os
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import settings

from storage.environment import Environment, read_environment
from tests.fakes.postgres import Postgres, running_postgres

if TYPE_CHECKING:
    from tasks.engines.models.base_models import PreparedModel
    from tasks.engines.models.rendering import Renderer
    from tasks.engines.server.vllm_server import Server
    from tests.fakes.real_stack import RealStack

CHECKOUT = Path(__file__).parent.parent
SHARED = ("server", "stack")
# no test asserts a time: a busy machine may take any time over an example
settings.register_profile("without_deadline", deadline=None)
settings.load_profile("without_deadline")


@pytest.hookimpl(tryfirst=True)  # xdist reads the groups in a hook of the same name
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Two workers take whole files in turn (`make test`).

    Those that share one server or stack go together, first.
    """
    users = {
        name: {item.path for item in items if name in getattr(item, "fixturenames", ())}
        for name in SHARED
    }
    groups = {
        item.path: next((name for name in SHARED if item.path in users[name]), str(item.path))
        for item in items
    }
    items.sort(key=lambda item: groups[item.path] not in SHARED)
    for item in items:
        item.add_marker(pytest.mark.xdist_group(groups[item.path]))


@pytest.fixture(autouse=True)
def no_notebook() -> Iterator[None]:
    """The tests of one worker share its process, and marimo would change it for all that follow.

    Where marimo is loaded, transformers takes the process for a notebook, and its trainer fails.
    """
    yield
    assert "marimo" not in sys.modules, "load marimo in a process of its own"


def shared_home() -> Path:
    """Outside of any test's folder, so that set-up and all tests share one conversion."""
    if (CHECKOUT / ".regenesis").is_dir():
        return CHECKOUT / ".regenesis"
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "regenesis"


@pytest.fixture(scope="session")
def prepared_model() -> "PreparedModel":
    """The embedded model, converted at most once a machine."""
    from tasks.engines.models.base_models import prepare_model
    from tasks.settings import ModelSettings

    return prepare_model(ModelSettings(), read_environment(shared_home()))


@pytest.fixture(scope="session")
def model_folder(prepared_model: "PreparedModel") -> Path:
    """Its folder."""
    return prepared_model.folder


@pytest.fixture(scope="session")
def renderer(model_folder: Path) -> "Renderer":
    """The one renderer of the embedded model."""
    from tasks.engines.models.rendering import Renderer

    return Renderer(model_folder)


@pytest.fixture(scope="session")
def server(model_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> "Iterator[Server]":
    """ONE real vLLM server: LoRA enabled, weights can be swapped (and swapped back)."""
    from tasks.engines.server.server_plan import Serving
    from tasks.engines.server.vllm_server import running_server
    from tasks.settings import ModelSettings

    log_file = tmp_path_factory.mktemp("server") / "vllm.log"
    settings = ModelSettings(max_model_tokens=1024)
    with running_server(
        model_folder,
        settings,
        log_file=log_file,
        serving=Serving(16, cache_gib=1, sequences=64, swappable=True),
    ) as running:
        yield running


@pytest.fixture(scope="session")
def stack() -> "Iterator[RealStack]":
    """ONE real stack: Postgres, Prefect's server, MLflow and a worker whose engine is scripted."""
    from tests.fakes.real_stack import real_stack

    with real_stack() as running:
        yield running


@pytest.fixture
def environment(tmp_path: Path) -> Environment:
    """A home of the test's own."""
    return replace(read_environment(tmp_path / "home"), endpoints=(), config=None)


@pytest.fixture(scope="session")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Postgres]:
    """ONE real Postgres server for the whole session, on a port and in a folder of its own."""
    with running_postgres() as running, pytest.MonkeyPatch.context() as patched:
        patched.setenv("PGPASSWORD", running.password)
        yield running


def empty_store(request: pytest.FixtureRequest, kind: str, folder: Path) -> str:
    """The URL of a place for a store of this kind.

    File, lake (with SQLite) or postgres (a lake with Postgres).
    """
    if kind == "file":
        return f"duckdb:///{folder / 'regenesis.duckdb'}"
    if kind == "lake":
        return f"ducklake:sqlite:///{folder / 'catalog.sqlite'}?data={folder / 'data'}"
    server: Postgres = request.getfixturevalue("postgres")
    return f"ducklake:{server.new_database()}?data={folder / 'data'}"
