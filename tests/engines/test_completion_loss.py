"""Our loss replaces TRL's only where the model's own loss is the plain one."""

from typing import Any

import pytest

from tasks.engines.trainer.completion_loss import install_completion_loss

SMALL = {
    "vocab_size": 64,
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 64,
    "pad_token_id": 0,
    "bos_token_id": 1,
    "eos_token_id": 2,
}


def tiny(family: str, **more: object) -> Any:
    """A model of a family with weights large enough that a scale of the logits shows."""
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM

    torch.manual_seed(1)
    config: Any = AutoConfig.for_model(family, **(SMALL | {"initializer_range": 0.3} | more))
    return AutoModelForCausalLM.from_config(config)


@pytest.mark.parametrize("family", ["llama", "qwen2", "mistral"])
def test_a_plain_model_takes_our_loss(family: str) -> None:
    model = tiny(family)

    assert install_completion_loss(model)
    assert "forward" in vars(model)


@pytest.mark.parametrize(
    ("family", "more"),
    [
        ("cohere", {"logit_scale": 0.25}),
        ("granite", {"logits_scaling": 4.0}),
        ("gemma2", {"final_logit_softcapping": 2.0, "head_dim": 8}),
        ("mixtral", {"output_router_logits": True, "num_local_experts": 4}),
        ("olmoe", {"output_router_logits": True, "num_experts": 4, "num_experts_per_tok": 2}),
    ],
)
def test_a_model_that_does_more_to_its_loss_keeps_trls(
    family: str, more: dict[str, object]
) -> None:
    model = tiny(family, **more)

    assert not install_completion_loss(model)
    assert "forward" not in vars(model)
