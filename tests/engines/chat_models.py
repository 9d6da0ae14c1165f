"""Model folders with the published chat templates of other families and the embedded model's
vocabulary.

The templates are read from where their publishers' text is installed: TRL carries Qwen's and
Llama's as published, mistral_common generates Mistral's. Special tokens are added to the
vocabulary, so that they are single tokens.
"""

import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from importlib import resources
from pathlib import Path


@dataclass(frozen=True)
class Family:
    """A model family's template and the special tokens that it uses."""

    name: str
    template: Callable[[], str]
    bos: str
    eos: str
    end_of_turn: str
    special: tuple[str, ...]
    takes_system: bool = True


def _from_trl(file: str) -> Callable[[], str]:
    return lambda: resources.files("trl").joinpath(f"chat_templates/{file}").read_text("utf-8")


def _mistral_v3() -> str:
    from mistral_common.integrations.chat_templates.chat_templates import generate_chat_template
    from mistral_common.tokens.tokenizers.base import TokenizerVersion

    return generate_chat_template(
        spm=True,
        tokenizer_version=TokenizerVersion.v3,
        image_support=False,
        audio_support=False,
        thinking_support=False,
        default_system_prompt=None,
        plain_thinking_support=False,
        use_special_token_variables=True,
        model_settings_fields=None,
        reasoning_effort_values=None,
        reasoning_effort_default=None,
    )


CHATML = ("<|im_start|>", "<|im_end|>", "<|endoftext|>")
LLAMA = (
    "<|begin_of_text|>",
    "<|start_header_id|>",
    "<|end_header_id|>",
    "<|eot_id|>",
    "<|end_of_text|>",
)
FAMILIES = (
    Family("Qwen2.5", _from_trl("qwen2_5.jinja"), "", "<|im_end|>", "<|im_end|>", CHATML),
    Family(
        "Qwen3",
        _from_trl("qwen3.jinja"),
        "",
        "<|im_end|>",
        "<|im_end|>",
        (*CHATML, "<think>", "</think>"),
    ),
    Family("Llama-3", _from_trl("llama3.jinja"), LLAMA[0], "<|end_of_text|>", "<|eot_id|>", LLAMA),
    Family(
        "Llama-3.2", _from_trl("llama3_2.jinja"), LLAMA[0], "<|end_of_text|>", "<|eot_id|>", LLAMA
    ),
    Family(
        "Mistral-v0.3", _mistral_v3, "<s>", "</s>", "</s>", ("<s>", "</s>", "[INST]", "[/INST]")
    ),
)


def make_folder(family: Family, embedded: Path, target: Path) -> Path:
    """A folder that transformers and the renderer both load."""
    target.mkdir(parents=True, exist_ok=True)
    shutil.copy(embedded / "config.json", target)
    tokenizer = json.loads((embedded / "tokenizer.json").read_text("utf-8"))
    first = max(tokenizer["model"]["vocab"].values()) + 1
    present = {token["content"] for token in tokenizer["added_tokens"]}
    for place, content in enumerate(one for one in family.special if one not in present):
        tokenizer["added_tokens"].append(
            {
                "id": first + place,
                "content": content,
                "single_word": False,
                "lstrip": False,
                "rstrip": False,
                "normalized": False,
                "special": not content.endswith("think>"),
            }
        )
    (target / "tokenizer.json").write_text(json.dumps(tokenizer), "utf-8")
    names = {"eos_token": family.eos, "tokenizer_class": "PreTrainedTokenizerFast"}
    names |= {"bos_token": family.bos} if family.bos else {}
    (target / "tokenizer_config.json").write_text(json.dumps(names), "utf-8")
    (target / "chat_template.jinja").write_text(family.template(), "utf-8")
    return target
