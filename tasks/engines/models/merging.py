"""Merges a LoRA adapter into base weights: safetensors arithmetic, one tensor at a time.

The folder that comes out is an ordinary model folder, whole or absent. vLLM serves it at the base's
speed.
"""

import json
import os
import re
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from storage.errors import PermanentError
from tasks.engines.models.model_files import PREFIX

if TYPE_CHECKING:
    import torch

KEPT = "kept_share"  # in the files' metadata
# files that the merged weights replace, and the index of shards
WEIGHTS = re.compile(r".*\.(safetensors|bin)$|.*\.index\.json$")


def merge_adapter(base_folder: Path, adapter_folder: Path, target: Path) -> Path:
    """Make `target` of base + scale * B A; raises PermanentError for an unknown module."""
    if target.is_dir():
        return target
    from safetensors import safe_open
    from safetensors.torch import save_file

    deltas, kept = _read_adapter(adapter_folder), _Kept()
    partial = target.with_name(f".{target.name}.part-{os.getpid()}")
    partial.mkdir(parents=True)
    try:
        left = set(deltas)
        for file in sorted(base_folder.glob("*.safetensors")):
            tensors: dict[str, torch.Tensor] = {}
            with safe_open(str(file), framework="pt") as opened:
                metadata = cast("dict[str, str]", opened.metadata() or {"format": "pt"})
                for name in cast("list[str]", opened.keys()):
                    tensor: torch.Tensor = opened.get_tensor(name)
                    tensors[name] = (
                        _merged(tensor, deltas[name], kept) if name in deltas else tensor
                    )
                    left.discard(name)
            save_file(
                tensors, str(partial / file.name), metadata=metadata | {KEPT: f"{kept.share:.4f}"}
            )
        if left:
            raise PermanentError(
                "Every module of an adapter must be in the base weights; found"
                f" {sorted(left)[:3]!r} in {adapter_folder.name!r}, not in {base_folder.name!r}."
                " Was it trained on another base?"
            )
        _copy_the_rest(base_folder, partial)
        partial.rename(target)
    except OSError:
        if not target.is_dir():  # another process may have been first
            raise
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return target


def _read_adapter(folder: Path) -> dict[str, tuple["torch.Tensor", "torch.Tensor", float]]:
    """Weight name -> (A, B, scale)."""
    from safetensors.torch import load_file

    settings = cast(
        "Mapping[str, Any]", json.loads((folder / "adapter_config.json").read_text("utf-8"))
    )
    plain = settings.get("peft_type") == "LORA" and settings.get("bias", "none") == "none"
    if (
        not plain
        or settings.get("use_dora")
        or settings.get("rank_pattern")
        or settings.get("alpha_pattern")
    ):
        raise PermanentError(
            f"Only a plain LoRA adapter can be merged; {folder.name!r} is"
            f" {settings.get('peft_type')!r} with options of its own. Serve it as an adapter"
            ' (evaluation.adapter = "lora").'
        )
    rank, alpha = int(settings["r"]), float(settings["lora_alpha"])
    # rank-stabilised LoRA (Kalajdzievski 2023) divides by the root of the rank
    scale = alpha / rank**0.5 if settings.get("use_rslora") else alpha / rank
    tensors = load_file(str(folder / "adapter_model.safetensors"))
    found: dict[str, tuple[torch.Tensor, torch.Tensor, float]] = {}
    for name, down in tensors.items():
        if name.endswith(".lora_A.weight"):
            module = name.removeprefix(PREFIX).removesuffix(".lora_A.weight")
            found[f"{module}.weight"] = (down, tensors[name.replace(".lora_A.", ".lora_B.")], scale)
    return found


@dataclass
class _Kept:
    """How much of the training is left after rounding: the share of the deltas in rounded sums."""

    learnt: float = 0.0
    left: float = 0.0

    @property
    def share(self) -> float:
        return self.left / self.learnt if self.learnt else 1.0


def kept_share(folder: Path) -> float:
    """The share of an adapter that its merged weights keep; 1 for weights not merged here."""
    from safetensors import safe_open

    shares: list[float] = []
    for file in sorted(folder.glob("*.safetensors")):
        with safe_open(str(file), framework="pt") as opened:
            shares.append(float(cast("dict[str, str]", opened.metadata() or {}).get(KEPT, 1.0)))
    return shares[-1] if shares else 1.0  # each file's counts the files before it


def _merged(
    weight: "torch.Tensor", delta: tuple["torch.Tensor", "torch.Tensor", float], kept: _Kept
) -> "torch.Tensor":
    down, up, scale = delta
    # in float32: bfloat16 has 8 bits of mantissa, which a small learning rate's deltas fall below
    learnt = scale * (up.float() @ down.float())
    merged = (weight.float() + learnt).to(weight.dtype)
    kept.learnt += float((learnt * learnt).sum())
    kept.left += float(((merged.float() - weight.float()) * learnt).sum())
    return merged


def _copy_the_rest(base_folder: Path, target: Path) -> None:
    """Configuration, tokenizer and template, byte for byte; the index of shards still holds."""
    for file in base_folder.iterdir():
        if file.is_file() and (not WEIGHTS.match(file.name) or file.name.endswith(".index.json")):
            shutil.copyfile(file, target / file.name)
