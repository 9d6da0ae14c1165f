"""What `regenesis serve` prints can be typed as it stands."""

import json
import shutil
import subprocess
from contextlib import nullcontext

import pytest

from flows.cli.serving import curl_line, serve_model
from storage.environment import Environment
from storage.open_store import open_store
from storage.records import Model
from tasks.engines.models.base_models import PreparedModel
from tasks.engines.server.vllm_server import Server
from tasks.settings import ModelSettings, Settings
from tests.storage.examples import make


class Typed(Exception):
    """The line was typed; the server may end."""


def typed(line: str) -> str:
    """What a shell prints for it."""
    return subprocess.run(["bash", "-c", line], capture_output=True, text=True, check=True).stdout


@pytest.mark.engine
@pytest.mark.skipif(not shutil.which("curl"), reason="curl is not installed")
def test_the_line_that_serve_prints_gets_an_answer(
    server: Server,
    prepared_model: PreparedModel,
    environment: Environment,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(
        "tasks.engines.server.vllm_server.running_server", lambda *_, **__: nullcontext(server)
    )
    monkeypatch.setenv("REGENESIS_HOME", str(environment.home))
    served = make(Model, "served", name=server.model_name, adapter_id=None)
    open_store(environment.store_url).append([served])
    answers: list[str] = []

    def say(line: str) -> None:
        if line.startswith("curl"):
            answers.append(typed(line))
            raise Typed

    with pytest.raises(Typed):
        serve_model(
            Settings(model=ModelSettings(name=str(prepared_model.folder))),
            str(served.id),
            "127.0.0.1",
            0,
            say,
        )

    assert json.loads(answers[0])["choices"][0]["message"]["content"].strip()
    assert (environment.home / "serve.key").stat().st_mode & 0o777 == 0o600


def test_any_name_of_a_model_is_one_argument_and_a_key_is_read_from_the_environment() -> None:
    line = curl_line("http://127.0.0.1:8000", 'it\'s $HOME `id` "7B"', "$REGENESIS_SERVE_KEY")
    arguments = typed(
        f"REGENESIS_SERVE_KEY=secret; printf '%s\\n' {line.removeprefix('curl ')}"
    ).splitlines()
    assert arguments[-3:-1] == ["Authorization: Bearer secret", "-d"]
    assert json.loads(arguments[-1])["model"] == 'it\'s $HOME `id` "7B"'
