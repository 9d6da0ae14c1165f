"""`regenesis serve`: a model of the store as an OpenAI-compatible endpoint."""

import json
import shlex
import time
from collections.abc import Callable

from flows.steps.facts import find_model
from flows.steps.machinery import weights_of
from storage.environment import make_home, read_environment, secret, write_secret
from storage.errors import PermanentError
from storage.open_store import Store, open_store
from storage.records import Adapter, Model
from tasks.engines.models.base_models import prepare_model
from tasks.rounds.round_row import line_of
from tasks.settings import Settings

KEY_FILE = "serve.key"  # of the home; for its user alone


def serve_model(
    settings: Settings, wanted: str, host: str, port: int, say: Callable[[str], None]
) -> None:
    """Serve the line's champion, or `wanted`: an id of a model or adapter, or its beginning."""
    from tasks.engines.server.vllm_server import SERVE_KEY, Address, running_server

    environment = read_environment()
    make_home(environment)
    store = open_store(environment.store_url)
    base = prepare_model(settings.model, environment)
    model = find_model(store, wanted) if wanted else _champion(store, base.record, settings)
    adapter = store.get(Adapter, model.adapter_id) if model.adapter_id else None
    say(f"Starting a server for {model.name} ...")
    address = Address(host, port, model.name)
    with running_server(
        weights_of(base, adapter, environment),
        settings.model,
        log_file=environment.logs / "serve.log",
        address=address,
    ) as server:
        key_file = environment.home / KEY_FILE
        if not secret(SERVE_KEY):
            write_secret(key_file, server.key)
        key = f"${SERVE_KEY}" if secret(SERVE_KEY) else f"$(cat {shlex.quote(str(key_file))})"
        say(
            f"{model.name} answers at {server.url}/v1 to who shows its key, {key} (Ctrl-C ends it)."
            " Try:"
        )
        say(curl_line(server.url, model.name, key))
        while server.is_alive():
            time.sleep(1)
    raise PermanentError(f"The server ended by itself. Why: {environment.logs / 'serve.log'}")


def curl_line(url: str, name: str, key: str) -> str:
    """A request to type in a shell; `key` says where the key is: in the environment or a file."""
    body = {
        "model": name,
        "messages": [{"role": "user", "content": "What is 3 + 4?"}],
        "max_tokens": 64,
    }
    headers = f"-H 'Content-Type: application/json' -H \"Authorization: Bearer {key}\""
    return f"curl {url}/v1/chat/completions {headers} -d {shlex.quote(json.dumps(body))}"


def _champion(store: Store, base: Model, settings: Settings) -> Model:
    from tasks.promotion.promote import current_champion

    return current_champion(store, base, line_of(base, settings))
