"""Splits by their usual names, each in the part that it means."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from storage.errors import InputError
from tasks.rules.questions.parts import SPLITS, part_of, split_named

SHARES = (0.8, 0.1, 0.1)


@settings(max_examples=100)
@given(
    st.sampled_from(sorted(SPLITS)),
    st.sampled_from([str.lower, str.upper, str.title]),
    st.text(max_size=8),
)
def test_a_split_goes_where_its_name_says(name: str, spelled: object, text: str) -> None:
    split = split_named(f" {spelled(name)} ")  # type: ignore[operator]
    part = part_of(text, split, SHARES)
    own = {"train": {"train"}, "training": {"train"}, "gate": {"gate"}, "final": {"final"}}
    assert part in own.get(name, {"gate", "final"})


def test_what_is_held_out_is_divided_in_two() -> None:
    parts = [part_of(str(n), split_named("validation"), SHARES) for n in range(200)]
    assert 70 < parts.count("gate") < 130


@pytest.mark.parametrize(
    "name", ["train_sft", "main", "finale", "test[:10%]", "eval", "holdout", "0"]
)
def test_a_split_of_another_name_is_refused_by_it(name: str) -> None:
    with pytest.raises(InputError) as caught:
        split_named(name)
    assert repr(name) in str(caught.value)
