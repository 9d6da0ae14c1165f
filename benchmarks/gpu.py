"""LoRA on a GPU, ours against TRL's defaults: time of a step, useful tokens a second, memory.

On a model that is given (`--model`, 1.5B say) and on one of random weights of the shape of
Qwen2.5-7B with its tokenizer, for speed and memory do not ask what the weights are. Each model is
measured by training.py in a process of its own, the trainers in turn. `--layers 2` makes the second
model small enough to try the script without a GPU, which says nothing of speed.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from storage.environment import read_environment
from tasks.engines.models.base_models import prepare_model
from tasks.settings import ModelSettings

# of the configuration that Qwen2.5-7B is published with
SHAPE = {
    "hidden_size": 3584,
    "intermediate_size": 18944,
    "num_attention_heads": 28,
    "num_key_value_heads": 4,
    "vocab_size": 152064,
    "max_position_embeddings": 32768,
    "tie_word_embeddings": False,
}
LAYERS = 28


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--model", required=True, help="A folder, a GGUF file or a hub name")
    options.add_argument("--layers", type=int, default=LAYERS)
    options.add_argument("--full", action="store_true", help="more steps and repeats")
    given = options.parse_args()
    base = prepare_model(ModelSettings(name=given.model), read_environment()).folder
    with tempfile.TemporaryDirectory() as folder:
        models = {base.name: base, f"random, {given.layers} layers": Path(folder)}
        make_random(Path(folder), base, given.layers)
        found = {name: _measured(place, given.full) for name, place in models.items()}
    print(
        json.dumps(
            {
                "name": "gpu",
                "ratio": min(one["ratio_against_defaults"] for one in found.values()),
                "goal": 1.0,
                "models": found,
            }
        )
    )


def make_random(folder: Path, tokenizer_of: Path, layers: int) -> None:
    """A model of random bfloat16 weights, made on the GPU where there is one."""
    import torch
    from transformers import AutoTokenizer, Qwen2Config, Qwen2ForCausalLM

    shape = Qwen2Config()
    shape.update(SHAPE | {"num_hidden_layers": layers})
    with torch.device("cuda" if torch.cuda.is_available() else "cpu"):
        model: Any = Qwen2ForCausalLM(shape)
    model.to(torch.bfloat16).save_pretrained(folder)
    AutoTokenizer.from_pretrained(tokenizer_of).save_pretrained(folder)


def _measured(model: Path, full: bool) -> dict[str, Any]:
    command = [sys.executable, str(Path(__file__).with_name("training.py")), f"--model={model}"]
    command += ["--mixes=gsm8k", "--options=ours,group_by_length,defaults"]
    told = subprocess.run(
        command + ["--full"] * full, stdout=subprocess.PIPE, text=True, check=True
    ).stdout
    return json.loads(told.splitlines()[-1])["mixes"]["gsm8k"]


if __name__ == "__main__":
    main()
