"""Whether vLLM serves LoRA adapters for an architecture, read from its source: importing it takes ten seconds."""

import importlib.util
import re
from collections.abc import Sequence
from pathlib import Path


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
    declared = re.search(rf"^class {class_name}\((.*?)\):", file.read_text("utf-8"), re.MULTILINE | re.DOTALL)
    return declared is not None and ("SupportsLoRA" in declared[1] or "LlamaForCausalLM" in declared[1])
