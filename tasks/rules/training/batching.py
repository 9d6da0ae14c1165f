"""Which examples a fine-tune takes in which order, and whether its losses still make sense. Pure.

The whole order is fixed before the first step from lengths, batch size, epochs and seed. So a run
that goes on from a checkpoint, one on half the device batch and one on two processes all take the
same steps.
"""

import math
import random
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

# batches whose examples are sorted by length together: little padding, order still random
GROUPED_BATCHES = 8
LOOK_BACK = 5  # losses in the means that tell a rising run
RISING = 1.5  # times the first mean


@dataclass(frozen=True)
class BatchPlan:
    """The examples of one optimiser step, and how they are cut for a device."""

    batch_size: int
    device_batch_size: int
    accumulation: int
    steps: int


def plan_batches(
    examples: int, batch_size: int, device_batch_size: int, epochs: float, processes: int = 1
) -> BatchPlan:
    """The plan nearest to the wanted batch size; no step repeats an example.

    What a device takes at a time divides its share of the batch, so half of it leaves the steps as
    they were.
    """
    share = max(1, round(min(batch_size, examples) / processes))
    on_device = max(
        size for size in range(1, min(device_batch_size, share) + 1) if share % size == 0
    )
    size = share * processes
    return BatchPlan(
        size, on_device, share // on_device, max(1, math.ceil(examples * epochs / size))
    )


def plan_rows(
    lengths: Sequence[int], batch_size: int, device_batch_size: int, processes: int = 1
) -> BatchPlan:
    """The same for packed rows; a step has about the tokens of `batch_size` examples.

    TRL lays the rows of a device end to end, so short rows cost nothing, and fewer of them are half
    the memory.
    """
    filled = sum(lengths) / len(lengths) / max(lengths)
    rows, on_device = (max(1, round(size * filled)) for size in (batch_size, device_batch_size))
    return plan_batches(len(lengths), rows, on_device, filled, processes)


def example_order(
    lengths: Sequence[int], plan: BatchPlan, seed: int, takes: Sequence[float] = ()
) -> list[int]:
    """Places of the examples in the order they are trained on: `steps * batch_size` of them.

    Every pass is shuffled again; neighbours are then grouped by length, and the batches shuffled
    again. `takes` says how often a pass takes each example, by default once.
    """
    chance = random.Random(seed)
    total = plan.steps * plan.batch_size
    weighted = len(set(takes)) > 1
    often = takes if weighted else [1.0] * len(lengths)
    due = _due(takes, chance) if weighted else [0.0] * len(lengths)
    stream: list[int] = []
    while len(stream) < total:
        one_pass: list[int] = []
        for place in range(len(lengths)):
            due[place] += often[place]
            one_pass += [place] * int(due[place])
            due[place] -= int(due[place])
        chance.shuffle(one_pass)
        stream += one_pass
    # Groups of GROUPED_BATCHES batches are cut from the shuffled stream, so an example moves by at
    # most that far from its random place.
    ordered: list[int] = []
    reach = plan.batch_size * GROUPED_BATCHES
    for start in range(0, total, reach):
        group = sorted(stream[start : min(start + reach, total)], key=lambda place: -lengths[place])
        batches = [group[at : at + plan.batch_size] for at in range(0, len(group), plan.batch_size)]
        chance.shuffle(batches)
        ordered += [place for batch in batches for place in batch]
    return ordered


def takes_of(sets: Sequence[str], weights: Mapping[str, float]) -> list[float]:
    """How often an epoch takes each example, so that sets have shares by weight.

    An epoch keeps its size.

    `sets` names each example's question set; one without a weight weighs 1. Without weights: once
    each.
    """
    if not weights:
        return [1.0] * len(sets)
    sizes = Counter(sets)
    whole = sum(weights.get(name, 1.0) for name in sizes)
    return [len(sets) * weights.get(name, 1.0) / (whole * sizes[name]) for name in sets]


def _due(takes: Sequence[float], chance: random.Random) -> list[float]:
    """How long equally frequent examples have waited already, spread evenly within each set."""
    alike: defaultdict[float, list[int]] = defaultdict(list)
    for place, often in enumerate(takes):
        alike[often].append(place)
    due = [0.0] * len(takes)
    for places in alike.values():
        chance.shuffle(places)
        for rank, place in enumerate(places):
            due[place] = (rank + 0.5) / len(places)
    return due


def loss_trouble(losses: Sequence[float]) -> str:
    """`loss_not_finite`, or `loss_rising` (far above the first losses); empty if all is well."""
    if any(not math.isfinite(loss) for loss in losses):
        return "loss_not_finite"
    # with fewer losses the first and the newest lie too close together to show a trend
    if len(losses) < 3 * LOOK_BACK:
        return ""
    first = sum(losses[:LOOK_BACK]) / LOOK_BACK
    newest = sum(losses[-LOOK_BACK:]) / LOOK_BACK
    return "loss_rising" if newest > RISING * first + 0.5 else ""
