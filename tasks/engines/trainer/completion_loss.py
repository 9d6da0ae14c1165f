"""The loss on completion tokens alone, for CPUs: the same figure as TRL's, for less work."""

from typing import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel

LOGIT_ROWS = 4096  # completion positions whose logits are held at once (49,152 words: 0.8 GB)


def install_completion_loss(model: "PreTrainedModel") -> None:
    """Replace the model's fused LM head: on a CPU TRL's scores every position and recomputes it in the backward pass.

    This one projects the positions that bear loss, once. Same loss; measured in benchmarks/training.py.
    """
    import types

    import torch
    from torch.nn.functional import cross_entropy
    from torch.utils.checkpoint import checkpoint

    original = model.forward

    def rows_loss(rows: "torch.Tensor", labels: "torch.Tensor") -> "torch.Tensor":
        head: Any = model.get_output_embeddings()
        return -cross_entropy(head(rows).float(), labels, reduction="none")

    def forward(self: "PreTrainedModel", *args: object, fused_lm_head: bool = False, **kwargs: Any) -> object:
        if not fused_lm_head:
            return original(*args, **kwargs)
        from trl.trainer.utils import FusedCausalLMOutput

        labels: torch.Tensor = kwargs.pop("labels")[:, 1:]
        kwargs.pop("num_items_in_batch", None)
        hidden: torch.Tensor = self.base_model(*args, **{**kwargs, "use_cache": False}).last_hidden_state[:, :-1]
        mask = labels != -100
        rows, wanted = hidden[mask], labels[mask]
        if len(rows) <= LOGIT_ROWS:
            scored = rows_loss(rows, wanted)
        else:
            parts = zip(rows.split(LOGIT_ROWS), wanted.split(LOGIT_ROWS), strict=True)
            scored = torch.cat(
                [cast("torch.Tensor", checkpoint(rows_loss, *part, use_reentrant=False)) for part in parts]
            )
        log_probs = scored.new_zeros(mask.shape).masked_scatter(mask, scored)
        blank = torch.zeros_like(log_probs)  # TRL's own figures; not computed
        return FusedCausalLMOutput(log_probs=log_probs, entropy=blank, is_top1=blank.bool(), label_mask=mask)

    model.forward = types.MethodType(forward, model)
