"""A vLLM OpenAI server that this process starts, owns and ends; it never outlives its owner.

`running_server` is the way in. What to start with is decided in `tasks.engines.server.server_plan`.
"""

import hashlib
import json
import os
import re
import secrets
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Generator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path

from storage.environment import secret
from storage.errors import InputError, PermanentError, TransientError
from storage.whole_file import write_whole
from tasks.engines.hardware import Hardware, find_hardware
from tasks.engines.models.base_models import file_digest
from tasks.engines.models.chat_template import read_json
from tasks.engines.models.model_files import unknown_modules
from tasks.engines.models.rendering import Renderer
from tasks.engines.server.client import OpenAIEngine, Patience
from tasks.engines.server.recognition import Asked
from tasks.engines.server.server_plan import (
    SERVED_NAME,
    Precision,
    ServerPlan,
    Serving,
    plan_server,
)
from tasks.settings import ModelSettings
from tasks.web_guard import ENGINE_KEY, LOOPBACK, LOOPBACK_NAMES, in_url

# also for large weights on a slow disk
START_TIMEOUT_SECONDS = 900.0
# more than the watchdog's GRACE_SECONDS, after which it kills
END_SECONDS = 15.0
MEASURING_SECONDS = 120.0
# a key that a person sets for `regenesis serve`; else one is made up
SERVE_KEY = "REGENESIS_SERVE_KEY"
# printable ASCII without blanks: what an Authorization header can hold
_KEY = re.compile(r"[!-~]+")


@dataclass
class Server:
    """A running server."""

    url: str
    model_name: str
    precision: str
    sequences: int
    log_file: Path
    start_seconds: float
    weights: Path
    process: "subprocess.Popen[bytes]"
    key: str = field(repr=False)
    swappable: bool = False
    notes: tuple[str, ...] = ()  # what makes it slower than it could be, one line each, for people
    adapters: dict[str, str] = field(default_factory=dict[str, str])

    def is_alive(self) -> bool:
        """Whether its process still runs."""
        return self.process.poll() is None

    def engine(
        self, renderer: Renderer, *, model_name: str = "", patience: Patience = Patience()
    ) -> OpenAIEngine:
        """A client of it; some more requests than run at once, so that no place is idle."""
        waiting = self.sequences + self.sequences // 4
        return OpenAIEngine(
            [self.url],
            model_name or self.model_name,
            Asked(tuple(renderer.stop_token_ids), tuple(renderer.stop_strings), key=self.key),
            replace(patience, start_in_flight=waiting, most_in_flight=waiting),
            takes_seed=True,
            alive=self.is_alive,
        )

    def raw_tokens_per_second(self) -> float:
        """The rate at which it generates one full batch with no other work.

        Prompts of 96 ids and 28 greedy tokens each, which is the mix of a default round (3.4 to 1):
        on a CPU the prompts cost as much as the tokens. None is repeated, none ends early; it takes
        about 7 s at 500 tokens per second. 0 where the machine is too busy for that: the rate is a
        figure of the report, and no round ends for it.
        """
        # ids of ordinary tokens in any vocabulary
        low, count, length, new = (1000, self.sequences, 96, 28)
        prompts = [
            [low + (one * length + place) % 8000 for place in range(length)] for one in range(count)
        ]
        body = {
            "model": self.model_name,
            "prompt": prompts,
            "max_tokens": new,
            "temperature": 0,
            "ignore_eos": True,
        }
        began = time.monotonic()
        try:
            status, text = self._post("/v1/completions", body, MEASURING_SECONDS)
        except TransientError:
            return 0.0
        seconds = time.monotonic() - began
        if status != 200:
            raise PermanentError(
                f"vLLM must complete a batch of prompts; it says {status} {text[:300]!r}."
            )
        return int(json.loads(text)["usage"]["completion_tokens"]) / seconds

    def load_adapter(self, name: str, folder: Path) -> str:
        """Serve a LoRA adapter; returns the model name to ask for. Its digest is part of that name.

        vLLM keys loaded weights by name, so the same name with other weights could answer as
        before.
        """
        served = f"{name}-{_adapter_digest(folder)[:12]}"
        if served in self.adapters:
            return served
        if unknown := unknown_modules(folder, self.weights):
            raise InputError(
                "Every module of a LoRA adapter must be in the weights that are served; found"
                f" {unknown[0]!r} and {len(unknown) - 1} more in {folder.name!r}, not in"
                f" {self.weights.name!r}. Was it trained on another base, or saved under another"
                " prefix?"
            )
        status, text = self._post(
            "/v1/load_lora_adapter", {"lora_name": served, "lora_path": str(folder)}
        )
        if status != 200:
            raise InputError(
                f"vLLM must take the LoRA adapter in {folder.name!r}; it says: {text[:300]!r}."
                " Check rank and target modules against the base, and that the server was started"
                " with lora=True; or serve merged weights."
            )
        self.adapters[served] = str(folder)
        return served

    def swap_weights(self, folder: Path) -> float:
        """Answer with other weights of the same model from now on; returns the seconds it took.

        vLLM 0.32 leaves the packed copy of a tied output layer as it was; our worker extension
        packs it again.
        """
        began = time.monotonic()
        if not self.swappable:
            raise PermanentError(
                f"Only a server that was started swappable takes the weights in {folder.name!r}. "
                "Start another server with them."
            )
        reload = {"method": "reload_weights", "kwargs": {"weights_path": str(folder)}}
        repack = {"method": "repack_output_layer"}
        for path, body in (
            # in this order: weights, then what was packed from them, then prefixes that were
            # computed with the old ones
            ("/collective_rpc", reload),
            ("/collective_rpc", repack),
            ("/reset_prefix_cache", {}),
        ):
            status, text = self._post(path, body)
            if status != 200 or '"success":false' in text:
                raise PermanentError(
                    f"vLLM must take the weights in {folder.name!r}; {path} says {status}"
                    f" {text[:300]!r}. Start another server with them. Log: {self.log_file.name}"
                )
        self.weights = folder
        return time.monotonic() - began

    def close(self) -> None:
        """End it and all of its processes."""
        if self.process.poll() is None:
            self.process.terminate()
            with suppress(subprocess.TimeoutExpired):
                self.process.wait(END_SECONDS)
        with suppress(ProcessLookupError):  # what a killed watchdog may have left
            # the process leads its session, so its group is all that it started
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()

    def _post(
        self, path: str, body: Mapping[str, object], patience_seconds: float = 600
    ) -> tuple[int, str]:
        headers = {"Content-Type": "application/json", "Authorization": f"Bearer {self.key}"}
        request = urllib.request.Request(
            self.url + path, json.dumps(body).encode(), headers, method="POST"
        )
        try:
            with urllib.request.urlopen(request, timeout=patience_seconds) as response:
                return response.status, response.read().decode("utf-8", "replace")
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode("utf-8", "replace")
        except TimeoutError as error:
            raise TransientError(
                f"The server at {self.url} must answer {path} within {patience_seconds:.0f} s; is"
                " the machine busy?"
            ) from error
        except OSError as error:
            raise PermanentError(
                f"The server at {self.url} must answer {path}; found {error!r}."
            ) from error


@dataclass(frozen=True)
class Address:
    """Where a server of our own listens, and under which name it serves its model."""

    host: str = LOOPBACK
    port: int = 0
    """0: one that is free."""
    model_name: str = SERVED_NAME


@contextmanager
def running_server(
    model_folder: Path,
    model: ModelSettings,
    *,
    log_file: Path,
    serving: Serving = Serving(),
    address: Address = Address(),
    hardware: Hardware | None = None,
) -> Generator[Server]:
    """Start vLLM, wait until it answers, end it with the block.

    Raises InputError saying what is in the way.
    """
    machine = hardware or find_hardware()
    log_file.parent.mkdir(parents=True, exist_ok=True)
    chosen: Precision = (
        model.precision
        if model.precision != "auto"
        else serving_precision(machine, log_file.parent)
    )
    plan = plan_server(model_folder, model, machine, chosen, serving)
    server = _start(plan, model_folder, log_file, address)
    server.swappable = serving.swappable
    server.notes = () if machine.gpus else machine.missing_libraries
    try:
        yield server
    finally:
        server.close()


def serving_precision(machine: Hardware, folder: Path) -> Precision:
    """float32 or bfloat16 for this processor, by a probe whose outcome is kept in `folder`."""
    # by processor: a home may be on a disk that several machines share
    kept = folder / "precision.json"
    known = read_json(kept)
    if known.get(machine.processor) in ("float32", "bfloat16"):
        return known[machine.processor]
    if machine.gpus:
        return "bfloat16"
    code = (
        "from tasks.engines.models.precision import probe_precision; p = probe_precision();"
        " print(p.precision)"
    )
    # in a process of its own, so that torch does not stay in this one's memory
    probe = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False
    )
    found: Precision = "bfloat16" if probe.stdout.strip() == "bfloat16" else "float32"
    if not probe.returncode:
        write_whole(kept, json.dumps(known | {machine.processor: found}))
    return found


def free_port(host: str = LOOPBACK) -> int:
    """A port that is free now."""
    with socket.socket() as probe:
        probe.bind((host, 0))
        return int(probe.getsockname()[1])


def _command(plan: ServerPlan, scratch: str, address: Address) -> list[str]:
    """vLLM behind a watchdog, which ends it with this process and removes its scratch folder."""
    # `regenesis serve` gives the model another name than rounds do
    arguments = [one for one in plan.arguments if not one.startswith("--served-model-name=")]
    return [
        sys.executable,
        "-m",
        "tasks.engines.watchdog",
        str(os.getpid()),
        scratch,
        sys.executable,
        "-m",
        "tasks.engines.server.vllm_process",
        *arguments,
        f"--served-model-name={address.model_name}",
        f"--host={address.host}",
        f"--port={address.port}",
        *_guards_for(address.host),
    ]


def _start(plan: ServerPlan, folder: Path, log_file: Path, address: Address) -> Server:
    began = time.monotonic()
    host, port, served_name = address.host, address.port or free_port(), address.model_name
    key = _key_for(host)
    environment = {**os.environ, **plan.environment, ENGINE_KEY: key}  # which `ps` does not show
    if address.port:
        _require_free(host, port)
    # sockets and temporary files; the watchdog removes it
    scratch = tempfile.mkdtemp(prefix="regenesis-")
    environment |= {"TMPDIR": scratch, "VLLM_RPC_BASE_PATH": scratch}
    command = _command(plan, scratch, replace(address, port=port))
    with log_file.open("wb") as log:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            env=environment,
            start_new_session=True,
        )
    local = in_url(host) if host in LOOPBACK_NAMES else LOOPBACK
    server = Server(
        url=f"http://{local}:{port}",
        model_name=served_name,
        precision=plan.precision,
        sequences=plan.sequences,
        log_file=log_file,
        start_seconds=0.0,
        weights=folder,
        process=process,
        key=key,
    )
    try:
        _wait_until_it_answers(server, began)
    except BaseException:
        # also on Ctrl-C: a server that never answered would hold its memory for ever
        server.close()
        raise
    server.start_seconds = time.monotonic() - began
    return server


def _wait_until_it_answers(server: Server, began: float) -> None:
    while True:
        if not server.is_alive():
            raise _failed_start(server, "it ended")
        try:
            with urllib.request.urlopen(f"{server.url}/health", timeout=5) as response:
                if response.status == 200:
                    return
        except OSError:
            pass
        if time.monotonic() - began > START_TIMEOUT_SECONDS:
            raise _failed_start(server, f"no answer in {START_TIMEOUT_SECONDS:.0f} s")
        time.sleep(0.25)


def _failed_start(server: Server, why: str) -> PermanentError:
    text = server.log_file.read_text("utf-8", "replace")
    last = "\n".join(text.splitlines()[-12:])
    # words of its log (vLLM 0.32, torch, the C library), for it ends with code 1 whatever happened
    if "address already in use" in text.lower():
        return InputError(
            f"Port {server.url.rpartition(':')[2]} is in use by another program. Choose another"
            " port."
        )
    if any(
        sign in text
        for sign in (
            "out of memory",
            "Cannot allocate memory",
            "MemoryError",
            "No available memory",
        )
    ):
        return InputError(
            "There is not enough memory for the model. Close other programs, choose a smaller"
            f" model (model.name), or set REGENESIS_ENDPOINTS. Log: {server.log_file}\n{last}"
        )
    return PermanentError(f"vLLM must start; {why}. Log: {server.log_file}\n{last}")


def _require_free(host: str, port: int) -> None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            raise InputError(
                f"Port {port} on {host} must be free; it is not ({error.strerror}). Choose another"
                " one with --port, or 0 for any free one."
            ) from error


def _guards_for(host: str) -> list[str]:
    """Middleware that lets in who has the key, and on loopback no page of another site."""
    pages = ["--middleware=tasks.web_guard.WebGuard"] if host in LOOPBACK_NAMES else []
    return ["--middleware=tasks.web_guard.EngineGuard", *pages]


def _key_for(host: str) -> str:
    """The user's own key; on loopback, where there is none, a new one for this server alone."""
    key = secret(SERVE_KEY)
    if key is None and host in LOOPBACK_NAMES:
        return secrets.token_urlsafe(32)
    if key is None:
        raise InputError(
            f"A server that other machines reach ({host}) must ask for a key; {SERVE_KEY} is not"
            f" set. Run: export {SERVE_KEY}=... or listen on 127.0.0.1."
        )
    if not _KEY.fullmatch(key):
        raise InputError(
            f"{SERVE_KEY} is of letters, digits and signs of ASCII, without blanks: a header holds"
            " no other; found one that is not. Set another."
        )
    return key


def _adapter_digest(folder: Path) -> str:
    files = sorted(folder.glob("adapter_model.*"))
    if not files:
        raise InputError(
            f"A LoRA adapter's folder holds adapter_model.safetensors; {folder.name!r} does not."
        )
    both = [file_digest(file) for file in (*files, *folder.glob("adapter_config.json"))]
    return hashlib.sha256("".join(both).encode()).hexdigest()
