"""The loss on completion tokens alone, for CPUs: the same figure as TRL's, for less work.

Only where it is the same: a model that scales or caps its logits (Cohere, Granite, Gemma 2) or adds
a router's loss (mixtures of experts) keeps TRL's own.
"""

from typing import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel

LOGIT_ROWS = 4096  # completion positions whose logits are held at once (49,152 words: 0.8 GB)
TRIED_TOKENS = 16  # of one row, for the comparison with the model's own loss
# of the loss; bfloat16 rounds by 0.0005, a scale of logits changes it by 0.01 and more
SAME_LOSS = 0.002


def install_completion_loss(model: "PreTrainedModel") -> bool:
    """Replace the model's fused LM head by one that scores completions alone.

    On a CPU TRL's scores every position and recomputes it in the backward pass.

    This one projects the positions that bear loss, once. Same loss; measured in
    benchmarks/training.py. False, and nothing is replaced, where the model's own loss is another.
    """
    import types

    import torch

    if not is_plain_loss(model):
        return False
    original = model.forward

    def forward(
        self: "PreTrainedModel", *args: object, fused_lm_head: bool = False, **kwargs: Any
    ) -> object:
        if not fused_lm_head:
            return original(*args, **kwargs)
        from trl.trainer.utils import FusedCausalLMOutput

        # position i predicts token i + 1, so hidden states and labels are shifted by one
        labels: torch.Tensor = kwargs.pop("labels")[:, 1:]
        kwargs.pop("num_items_in_batch", None)
        hidden: torch.Tensor = self.base_model(
            *args, **{**kwargs, "use_cache": False}
        ).last_hidden_state[:, :-1]
        # prompts are about three quarters of all positions; the output layer is not computed for
        # them
        mask = labels != -100
        scored = _scored(model, hidden[mask], labels[mask])
        log_probs = scored.new_zeros(mask.shape).masked_scatter(mask, scored)
        blank = torch.zeros_like(log_probs)  # TRL's own figures; not computed
        return FusedCausalLMOutput(
            log_probs=log_probs, entropy=blank, is_top1=blank.bool(), label_mask=mask
        )

    model.forward = types.MethodType(forward, model)
    return True


def _scored(
    model: "PreTrainedModel", rows: "torch.Tensor", labels: "torch.Tensor"
) -> "torch.Tensor":
    """Log-probability of each label; the logits of many rows are computed in parts, twice."""
    import torch
    from torch.utils.checkpoint import checkpoint

    if len(rows) <= LOGIT_ROWS:
        return _rows_loss(model, rows, labels)

    def rows_loss(some: "torch.Tensor", their_labels: "torch.Tensor") -> "torch.Tensor":
        return _rows_loss(model, some, their_labels)

    parts = zip(rows.split(LOGIT_ROWS), labels.split(LOGIT_ROWS), strict=True)
    return torch.cat(
        [cast("torch.Tensor", checkpoint(rows_loss, *part, use_reentrant=False)) for part in parts]
    )


def is_plain_loss(model: "PreTrainedModel") -> bool:
    """Whether the model's own loss is that of its last layer's output, tried on a row of tokens.

    By trying, and not by the names in its configuration: each family calls what it does to its
    logits otherwise.
    """
    import torch

    training = model.training
    ids = torch.arange(1, TRIED_TOKENS + 1).unsqueeze(0) % int(cast("Any", model.config).vocab_size)
    ids = ids.to(model.device)
    model.eval()
    try:
        with torch.no_grad():
            asked: Any = model(input_ids=ids, labels=ids, use_cache=False)
            own = float(asked.loss)
            hidden: torch.Tensor = cast("Any", model.base_model)(
                input_ids=ids, use_cache=False
            ).last_hidden_state
            plain = -float(_rows_loss(model, hidden[0, :-1], ids[0, 1:]).mean())
    finally:
        model.train(training)
    # its share of the loss may be too small to see
    balances_experts = getattr(asked, "aux_loss", None) is not None
    return not balances_experts and abs(own - plain) <= SAME_LOSS * max(1.0, abs(own))


def _rows_loss(
    model: "PreTrainedModel", rows: "torch.Tensor", labels: "torch.Tensor"
) -> "torch.Tensor":
    """Log-probabilities of the labels by the output layer alone."""
    from torch.nn.functional import cross_entropy

    head: Any = model.get_output_embeddings()
    return -cross_entropy(head(rows).float(), labels, reduction="none")
