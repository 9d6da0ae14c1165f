"""Labels as TRL's collator makes them: a completion that does not end with the end-of-turn token is
caught.
"""

import pytest

from tasks.engines.trainer.training_checks import Trouble, check_labels, checked, is_out_of_memory

END = 2
GOOD = [
    ([11, 12, 13, 21, 22, END], 3),
    ([11, 12, 21, END], 2),
]  # token ids, and how many are prompt


def rows(examples: list[tuple[list[int], int]]) -> list[dict[str, list[int]]]:
    return [
        {"input_ids": ids, "labels": [-100] * prompt + ids[prompt:]} for ids, prompt in examples
    ]


def collated(examples: list[dict[str, list[int]]], packed: bool) -> None:
    from trl.trainer.sft_trainer import DataCollatorForLanguageModeling

    # The pad token is the end-of-turn token, as in many models: padding must not pass for an end.
    checked(DataCollatorForLanguageModeling(pad_token_id=END, padding_free=packed), END)(examples)


@pytest.mark.parametrize("packed", [False, True])
def test_completions_with_their_end_pass_padded_and_packed(packed: bool) -> None:
    collated(rows(GOOD), packed)


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("cut", [0, 1])
def test_one_completion_without_its_end_is_caught_among_others(packed: bool, cut: int) -> None:
    examples = list(GOOD)
    examples[cut] = (examples[cut][0][:-1], examples[cut][1])
    with pytest.raises(Trouble) as caught:
        collated(rows(examples), packed)
    assert caught.value.code == "end_of_turn_bears_no_loss"


def test_an_end_that_is_masked_is_caught() -> None:
    examples = rows(GOOD)
    examples[0]["labels"][-1] = -100
    with pytest.raises(Trouble) as caught:
        collated(examples, False)
    assert caught.value.code == "end_of_turn_bears_no_loss"


def test_a_prompt_that_bears_loss_is_caught() -> None:
    examples = rows(GOOD)
    examples[1]["labels"] = list(examples[1]["input_ids"])
    with pytest.raises(Trouble) as caught:
        collated(examples, False)
    assert caught.value.code == "prompt_bears_loss"


def test_a_label_that_is_not_its_token_is_caught() -> None:
    import torch

    with pytest.raises(Trouble) as caught:
        check_labels(torch.tensor([[11, 21, END]]), torch.tensor([[-100, 22, END]]), END)
    assert caught.value.code == "labels_differ"


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        RuntimeError("CUDA out of memory. Tried"),
        RuntimeError("can't allocate memory: 12 GB"),
    ],
)
def test_spent_memory_is_told_from_other_errors(error: Exception) -> None:
    assert is_out_of_memory(error)
    assert not is_out_of_memory(RuntimeError("shapes differ"))
