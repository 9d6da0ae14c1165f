"""A Llama of 1.6 million random weights under the embedded model's tokenizer: real training in
seconds.
"""

import json
import shutil
from pathlib import Path
from typing import Any

CONFIGURATION: dict[str, Any] = {
    "architectures": ["LlamaForCausalLM"],
    "model_type": "llama",
    "vocab_size": 49152,
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "tie_word_embeddings": True,
    "bos_token_id": 1,
    "eos_token_id": 2,
    "pad_token_id": 2,
    "dtype": "float32",
    "rms_norm_eps": 1e-5,
    "max_position_embeddings": 2048,
}
TOKENIZER_FILES = (
    "tokenizer.json",
    "tokenizer_config.json",
    "chat_template.jinja",
    "generation_config.json",
)


def write_tiny_model(folder: Path, tokenizer_folder: Path) -> Path:
    """The model's folder; weights from a fixed seed, no transformers needed."""
    import torch
    from safetensors.torch import save_file

    folder.mkdir(parents=True)
    chance = torch.Generator().manual_seed(0)

    def random(*shape: int) -> torch.Tensor:
        return torch.randn(*shape, generator=chance) * 0.02

    width, inner, small = 32, 64, 16
    tensors = {
        "model.embed_tokens.weight": random(49152, width),
        "model.norm.weight": torch.ones(width),
    }
    for layer in range(2):
        shapes = {
            "self_attn.q_proj": (width, width),
            "self_attn.k_proj": (small, width),
            "self_attn.v_proj": (small, width),
            "self_attn.o_proj": (width, width),
            "mlp.gate_proj": (inner, width),
            "mlp.up_proj": (inner, width),
            "mlp.down_proj": (width, inner),
        }
        tensors |= {
            f"model.layers.{layer}.{name}.weight": random(*shape) for name, shape in shapes.items()
        }
        for norm in ("input_layernorm", "post_attention_layernorm"):
            tensors[f"model.layers.{layer}.{norm}.weight"] = torch.ones(width)
    save_file(tensors, str(folder / "model.safetensors"), metadata={"format": "pt"})
    (folder / "config.json").write_text(json.dumps(CONFIGURATION), "utf-8")
    for name in TOKENIZER_FILES:
        if (tokenizer_folder / name).is_file():
            shutil.copyfile(tokenizer_folder / name, folder / name)
    return folder
