"""What a model folder tells without being loaded: its size, and whether vLLM serves LoRA for it."""

import hashlib
import importlib.util
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import cast

from storage.errors import InputError
from tasks.engines.models.chat_template import read_json

PREFIX = "base_model.model."  # what PEFT puts before every module's name


def supports_lora(architectures: Sequence[str]) -> bool | None:
    """None where vLLM is not installed; False for an architecture that it does not know."""
    spec = importlib.util.find_spec("vllm")
    if spec is None or not spec.submodule_search_locations:
        return None
    models = Path(next(iter(spec.submodule_search_locations))) / "model_executor" / "models"
    registry = models / "registry.py"
    if not registry.is_file():
        return None
    text = registry.read_text("utf-8")
    for name in architectures:
        entry = re.search(rf'"{re.escape(name)}":\s*\(\s*"(\w+)",\s*"(\w+)"', text)
        if entry is None or not _says_so(models / f"{entry[1]}.py", entry[2]):
            return False
    return bool(architectures)


def _says_so(file: Path, class_name: str) -> bool:
    """Whether the class declares the interface."""
    if not file.is_file():
        return False
    declared = re.search(
        rf"^class {class_name}\((.*?)\):", file.read_text("utf-8"), re.MULTILINE | re.DOTALL
    )
    return declared is not None and (
        "SupportsLoRA" in declared[1] or "LlamaForCausalLM" in declared[1]
    )


def folder_digest(folder: Path) -> str:
    """SHA-256 over the files of a folder: their names and contents, in order of name."""
    whole = hashlib.sha256()
    for file in sorted(file for file in folder.iterdir() if file.is_file()):
        whole.update(f"{file.name}\0{file.stat().st_size}\0".encode())
        with file.open("rb") as stream:
            whole.update(hashlib.file_digest(stream, "sha256").digest())
    return whole.hexdigest()


def weight_bytes(folder: Path) -> int:
    """Bytes of the weights in this folder."""
    return sum(file.stat().st_size for file in folder.glob("*.safetensors"))


@dataclass(frozen=True)
class ModelSize:
    """What of a model decides memory."""

    parameters: int
    cache_values_per_token: int
    longest: int


def model_size(folder: Path) -> ModelSize:
    """Read from config.json and the sizes of the weight files."""
    config = read_json(folder / "config.json")
    # `float32` or `torch.float32`; all other kinds in use have two bytes
    bytes_each = 4 if "32" in str(config.get("dtype") or config.get("torch_dtype")) else 2

    def number(name: str, default: int) -> int:
        return int(cast(int, config.get(name) or default))

    heads = number("num_attention_heads", 1)
    head_size = number("head_dim", number("hidden_size", 1) // heads)
    # keys and values, per layer
    values = 2 * number("num_hidden_layers", 1) * number("num_key_value_heads", heads) * head_size
    return ModelSize(
        weight_bytes(folder) // bytes_each, values, number("max_position_embeddings", 2**31)
    )


def unknown_modules(adapter_folder: Path, base_folder: Path) -> list[str]:
    """Modules of a LoRA adapter that the base weights lack; vLLM may ignore such an adapter."""
    base = {
        name.removesuffix(".weight")
        for file in base_folder.glob("*.safetensors")
        for name in tensor_names(file)
    }
    names = [name for file in adapter_folder.glob("*.safetensors") for name in tensor_names(file)]
    modules = {name.removeprefix(PREFIX).split(".lora_")[0] for name in names if ".lora_" in name}
    return sorted(modules - base)


def tensor_names(file: Path) -> list[str]:
    """Names of a safetensors file's tensors, from its header alone."""
    with file.open("rb") as handle:
        header: dict[str, object] = json.loads(
            handle.read(int.from_bytes(handle.read(8), "little"))
        )
    return [name for name in header if name != "__metadata__"]


def refuse_quantised(folder: Path, name: str) -> None:
    """Raise InputError for weights that can be served but not trained or merged."""
    config = read_json(folder / "config.json").get("quantization_config")
    if not isinstance(config, dict):
        return
    method = str(cast("dict[str, object]", config).get("quant_method") or "an unnamed method")
    raise InputError(
        f"A round trains its base model, so the weights must not be quantised; those of {name!r}"
        f" are, by {method}. They can be served (regenesis serve). Set model.name to the same"
        " model's weights in bfloat16."
    )
