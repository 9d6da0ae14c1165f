"""A GGUF file in, a folder of safetensors and tokenizer out.

Run as a child process, so that its memory returns.

Usage: python -m tasks.engines.models.convert_gguf FILE.gguf TARGET_FOLDER
"""

import sys
from pathlib import Path

from storage.child_process import die_with_parent


def convert(gguf: Path, target: Path) -> None:
    """Dequantise into bfloat16, which vLLM and transformers both load."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer, GgufConfig

    # The loaders' stubs do not know `gguf_file`; they are called through `getattr` on purpose.
    load_tokenizer = getattr(AutoTokenizer, "from_pretrained")  # noqa: B009
    load_model = getattr(AutoModelForCausalLM, "from_pretrained")  # noqa: B009
    where = {"gguf_file": gguf.name}
    tokenizer = load_tokenizer(str(gguf.parent), **where)
    model = load_model(
        str(gguf.parent),
        # plain weights: neither vLLM's CPU build nor training takes GGUF
        quantization_config=GgufConfig(dequantize=True),
        dtype=torch.bfloat16,
        **where,
    )
    model.save_pretrained(str(target))
    tokenizer.save_pretrained(str(target))
    if licence := stated_licence(gguf):
        (target / "README.md").write_text(f"---\nlicense: {licence}\n---\n", "utf-8")


def stated_licence(gguf: Path) -> str:
    """The licence that the file's own metadata name, in one line; empty where they name none."""
    from gguf import GGUFReader

    field = GGUFReader(str(gguf)).fields.get("general.license")
    return " ".join(str(field.contents()).split())[:80] if field else ""


if __name__ == "__main__":
    die_with_parent()
    convert(Path(sys.argv[1]), Path(sys.argv[2]))
