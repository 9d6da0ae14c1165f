"""Merged weights say how much of an adapter rounding leaves of it."""

import json
from pathlib import Path

import pytest

from flows.steps.machinery import lost_by_merging
from tasks.engines.models.merging import kept_share, merge_adapter


def folders(place: Path, dtype: str, step: float) -> tuple[Path, Path]:
    """A base of one module with weights of usual size, and an adapter whose delta has this root
    mean square.
    """
    import torch
    from safetensors.torch import save_file

    torch.manual_seed(1)
    base, adapter = place / "base", place / "adapter"
    base.mkdir()
    adapter.mkdir()
    weight = (0.05 * torch.randn(64, 64)).to(getattr(torch, dtype))
    save_file(
        {"model.layers.0.q_proj.weight": weight},
        str(base / "model.safetensors"),
        metadata={"format": "pt"},
    )
    down, up = torch.randn(8, 64), torch.randn(64, 8) * step / 8**0.5
    prefix = "base_model.model.model.layers.0.q_proj"
    save_file(
        {f"{prefix}.lora_A.weight": down, f"{prefix}.lora_B.weight": up},
        str(adapter / "adapter_model.safetensors"),
    )
    (adapter / "adapter_config.json").write_text(
        json.dumps({"peft_type": "LORA", "r": 8, "lora_alpha": 8}), "utf-8"
    )
    return base, adapter


@pytest.mark.parametrize(
    ("dtype", "step", "kept"),
    [
        ("bfloat16", 1e-2, True),
        ("bfloat16", 1e-3, True),
        ("bfloat16", 1e-5, False),
        ("float32", 1e-5, True),
    ],
)
def test_what_rounding_leaves_of_an_adapter_is_known_and_a_loss_is_said(
    tmp_path: Path, dtype: str, step: float, kept: bool
) -> None:
    base, adapter = folders(tmp_path, dtype, step)

    merged = merge_adapter(base, adapter, tmp_path / "merged")

    assert (kept_share(merged) >= 0.9) == kept
    assert ('evaluation.adapter = "lora"' in lost_by_merging(merged)) != kept
    assert lost_by_merging(base) == ""
