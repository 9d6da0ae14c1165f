"""The order of a fine-tune is fixed before its first step; its losses are watched."""

import math
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.rules.training.batching import (
    BatchPlan,
    example_order,
    loss_trouble,
    plan_batches,
    plan_rows,
    takes_of,
)

SIZES = st.integers(1, 60)


@given(
    examples=SIZES,
    batch=SIZES,
    device=SIZES,
    epochs=st.sampled_from([0.5, 1.0, 3.0]),
    processes=st.integers(1, 4),
)
def test_a_plan_is_cut_evenly_and_sees_every_example_as_often_as_asked(
    examples: int, batch: int, device: int, epochs: float, processes: int
) -> None:
    plan = plan_batches(examples, batch, device, epochs, processes)
    assert plan.batch_size == plan.device_batch_size * plan.accumulation * processes
    assert plan.steps * plan.batch_size >= examples * epochs
    assert plan.device_batch_size <= device


def test_half_the_device_batch_takes_the_same_steps() -> None:
    whole, half = plan_batches(100, 16, 8, 3), plan_batches(100, 16, 4, 3)
    assert (whole.batch_size, whole.steps) == (half.batch_size, half.steps) == (16, 19)
    assert example_order([9] * 100, whole, 1) == example_order([9] * 100, half, 1)


@given(examples=SIZES, batch=SIZES, device=SIZES)
def test_a_smaller_device_batch_never_changes_the_steps(
    examples: int, batch: int, device: int
) -> None:
    whole, half = (plan_batches(examples, batch, size, 2) for size in (device, max(1, device // 2)))
    assert (whole.batch_size, whole.steps) == (half.batch_size, half.steps)


def test_packed_rows_hold_about_the_tokens_of_a_batch() -> None:
    lengths = [50, 100, 150, 300]  # 150 on average, in rows of 300
    assert plan_rows(lengths * 8, 16, 8) == BatchPlan(8, 4, 2, 2)
    assert plan_rows(lengths * 8, 16, 4) == BatchPlan(8, 2, 4, 2)
    assert plan_rows([20], 16, 8).batch_size == 1


def test_two_processes_take_the_same_steps_as_one() -> None:
    one, two = plan_batches(64, 8, 8, 2, 1), plan_batches(64, 8, 8, 2, 2)
    assert (one.batch_size, one.steps) == (two.batch_size, two.steps)


@given(lengths=st.lists(st.integers(5, 200), min_size=1, max_size=50), seed=st.integers(0, 99))
def test_every_example_is_taken_once_a_pass(lengths: list[int], seed: int) -> None:
    plan = BatchPlan(1, 1, 1, 2 * len(lengths))
    assert set(Counter(example_order(lengths, plan, seed)).values()) == {2}


def test_question_sets_are_mixed_by_weight_and_an_epoch_keeps_its_size() -> None:
    sets = ["small"] * 10 + ["large"] * 90
    takes = takes_of(sets, {"small": 1.0, "large": 3.0})
    assert sum(takes) == pytest.approx(100)
    plan = plan_batches(100, 10, 10, 4)
    taken = Counter(sets[place] for place in example_order([9] * 100, plan, 1, takes))
    assert taken == {"small": 100, "large": 300}


@given(seed=st.integers(0, 99), weight=st.floats(0.1, 9))
def test_within_a_set_no_example_is_taken_much_oftener_than_another(
    seed: int, weight: float
) -> None:
    sets = ["one"] * 7 + ["other"] * 13
    plan = BatchPlan(1, 1, 1, 60)
    taken = Counter(example_order([9] * 20, plan, seed, takes_of(sets, {"one": weight})))
    for places in (range(7), range(7, 20)):
        assert max(taken[place] for place in places) - min(taken[place] for place in places) <= 2


def test_without_weights_each_example_is_taken_once_an_epoch() -> None:
    assert takes_of(["one", "other", "other"], {}) == [1.0, 1.0, 1.0]
    plan = plan_batches(30, 5, 5, 2)
    assert example_order([9] * 30, plan, 3, [1.0] * 30) == example_order([9] * 30, plan, 3)


def test_neighbours_are_alike_in_length_and_the_order_is_seeded() -> None:
    lengths = [10 + place * 7 % 190 for place in range(128)]
    plan = plan_batches(128, 8, 8, 1)
    order = example_order(lengths, plan, 1)
    batches = [[lengths[place] for place in order[at : at + 8]] for at in range(0, 128, 8)]
    padded = sum(8 * max(batch) for batch in batches)
    assert padded < 1.15 * sum(lengths)
    assert order != example_order(lengths, plan, 2)


@pytest.mark.parametrize(
    ("losses", "trouble"),
    [
        ([], ""),
        ([2.0, 1.0, 0.5] * 20, ""),
        ([2.0, math.nan], "loss_not_finite"),
        ([2.0, math.inf, 1.0], "loss_not_finite"),
        ([2.0] * 10 + [9.0] * 5, "loss_rising"),
        ([2.0] * 10 + [2.6] * 5, ""),
        ([0.1] * 10 + [0.4] * 5, ""),
    ],
)
def test_losses_that_make_no_sense_are_named(losses: list[float], trouble: str) -> None:
    assert loss_trouble(losses) == trouble
