"""Whether an adapter's modules are in the base, read from the files' headers."""

from pathlib import Path

import pytest

from tasks.engines.models.model_files import unknown_modules


@pytest.fixture
def base(tmp_path: Path) -> Path:
    return written(tmp_path / "base", "model", "model.layers.0.q_proj.weight", "model.norm.weight")


def written(folder: Path, file: str, *names: str) -> Path:
    import torch
    from safetensors.torch import save_file

    folder.mkdir()
    save_file(
        {name: torch.zeros(2) for name in names},
        str(folder / f"{file}.safetensors"),
        metadata={"format": "pt"},
    )
    return folder


@pytest.mark.parametrize(
    ("prefix", "unknown"),
    [
        ("base_model.model.model.layers.0.q_proj", []),
        ("base_model.model.other.layers.0.q_proj", ["other.layers.0.q_proj"]),
        ("layers.0.q_proj", ["layers.0.q_proj"]),
    ],
)
def test_a_module_under_another_prefix_is_found_by_name(
    tmp_path: Path, base: Path, prefix: str, unknown: list[str]
) -> None:
    names = [f"{prefix}.lora_{half}.weight" for half in "AB"]
    assert unknown_modules(written(tmp_path / "adapter", "adapter_model", *names), base) == unknown
