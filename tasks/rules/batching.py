"""Which examples a fine-tune takes in which order, and whether its losses still make sense. Pure.

The whole order is fixed before the first step from lengths, batch size, epochs and seed. So a run that goes on
from a checkpoint, one on half the device batch and one on two processes all take the same steps.
"""

import math
import random
from collections.abc import Sequence
from dataclasses import dataclass

GROUPED_BATCHES = 8  # batches whose examples are sorted by length together: little padding, order still random
LOOK_BACK = 5  # losses in the means that tell a rising run
RISING = 1.5  # times the first mean


@dataclass(frozen=True)
class BatchPlan:
    """How many examples a step takes, and how they are cut for a device."""

    batch_size: int
    device_batch_size: int
    accumulation: int
    steps: int


def plan_batches(
    examples: int, batch_size: int, device_batch_size: int, epochs: float, processes: int = 1
) -> BatchPlan:
    """The plan nearest to the wanted batch size: no step repeats an example, each has `batch_size` of them."""
    wanted = max(1, min(batch_size, examples))
    on_device = max(1, min(device_batch_size, math.ceil(wanted / processes)))
    accumulation = max(1, wanted // (on_device * processes))
    size = on_device * processes * accumulation
    return BatchPlan(size, on_device, accumulation, max(1, math.ceil(examples * epochs / size)))


def example_order(lengths: Sequence[int], plan: BatchPlan, seed: int) -> list[int]:
    """Places of the examples in the order they are trained on: `steps * batch_size` of them.

    Every pass is shuffled anew; neighbours are then grouped by length, and the batches shuffled again.
    """
    chance = random.Random(seed)
    total = plan.steps * plan.batch_size
    stream: list[int] = []
    while len(stream) < total:
        one_pass = list(range(len(lengths)))
        chance.shuffle(one_pass)
        stream += one_pass
    ordered: list[int] = []
    reach = plan.batch_size * GROUPED_BATCHES
    for start in range(0, total, reach):
        group = sorted(stream[start : min(start + reach, total)], key=lambda place: -lengths[place])
        batches = [group[at : at + plan.batch_size] for at in range(0, len(group), plan.batch_size)]
        chance.shuffle(batches)
        ordered += [place for batch in batches for place in batch]
    return ordered


def loss_trouble(losses: Sequence[float]) -> str:
    """`loss_not_finite` or `loss_rising` (the newest losses far above the first ones); empty when all is well."""
    if any(not math.isfinite(loss) for loss in losses):
        return "loss_not_finite"
    if len(losses) < 3 * LOOK_BACK:
        return ""
    first = sum(losses[:LOOK_BACK]) / LOOK_BACK
    newest = sum(losses[-LOOK_BACK:]) / LOOK_BACK
    return "loss_rising" if newest > RISING * first + 0.5 else ""
