"""Reasons that end a fine-tune: wrong labels, unknown module names, memory that is spent."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel

# torch.nn.functional.cross_entropy's ignore_index
NO_LOSS = -100


class Trouble(Exception):
    """Training must stop; `code` is a short identifier, the message is for people."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


def checked(collate: Callable[[list[Any]], Any], end_of_turn: int) -> Callable[[list[Any]], Any]:
    """The collator with `check_labels` on every batch, after all that TRL did to the examples."""

    def collate_checked(examples: list[Any]) -> Any:
        batch = collate(examples)
        check_labels(batch["input_ids"], batch["labels"], end_of_turn)
        return batch

    return collate_checked


def check_labels(input_ids: "torch.Tensor", labels: "torch.Tensor", end_of_turn: int) -> None:
    """Each run of loss-bearing tokens follows a prompt and ends with the end of turn.

    Holds for padded rows and for packed ones, where a row has several runs.
    """
    import torch

    bearing = labels != NO_LOSS
    # whether the next position bears loss too; a run ends where it does not
    after = torch.nn.functional.pad(bearing[:, 1:], (0, 1), value=False)
    ends = labels[bearing & ~after]
    if bearing[:, 0].any():
        raise Trouble(
            "prompt_bears_loss", "the first token of a row bears loss, so the prompt is trained on"
        )
    if (labels != input_ids)[bearing].any():
        raise Trouble("labels_differ", "a label is another token than the one at its place")
    if not bearing.any(dim=1).all() or (ends != end_of_turn).any():
        raise Trouble(
            "end_of_turn_bears_no_loss",
            f"completions must end with token {end_of_turn}; these end with"
            f" {ends[ends != end_of_turn][:3].tolist()}",
        )


def check_targets(model: "PreTrainedModel", targets: Sequence[str]) -> None:
    """Each LoRA target is the last part of a module's name."""
    names = {name.rpartition(".")[2] for name, _ in model.named_modules()}
    if missing := sorted(set(targets) - names):
        linear = sorted(name for name in names if name.endswith("proj"))
        raise Trouble(
            "no_such_module", f"found {missing!r}; among the model's modules are {linear!r}"
        )


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error of torch or Python means that memory is spent."""
    # torch raises RuntimeError with words of its own: CUDA's `out of memory`, the CPU allocator's
    # `can't allocate memory`
    text = str(error).lower()
    return (
        isinstance(error, MemoryError) or "out of memory" in text or "can't allocate memory" in text
    )
