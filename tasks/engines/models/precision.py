"""float32 or bfloat16? A probe of a second times one LoRA step's work in both on this machine.

Machines of one size differ: with bfloat16 in hardware it is twice as fast, without it half as fast.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    import torch

Precision = Literal["float32", "bfloat16"]
# for each precision, by turns; the best counts, for other programs disturb the rest
TURNS, TURN_SECONDS = (4, 0.1)
# a batch of the embedded model through one of its layers
ROWS, WIDTH, INNER, RANK = (1024, 576, 1536, 16)


@dataclass(frozen=True)
class Probe:
    """Passes per second, forward and backward, through one layer with its adapter."""

    precision: Precision
    float32_per_second: float
    bfloat16_per_second: float

    def __str__(self) -> str:
        return (
            f"{self.precision} (probe: {self.float32_per_second:.0f} passes/s in float32, "
            f"{self.bfloat16_per_second:.0f} in bfloat16)"
        )


def probe_precision() -> Probe:
    """The faster of the two here; on a GPU bfloat16 where it has it, unmeasured."""
    import torch

    if torch.cuda.is_available():
        return Probe("bfloat16" if torch.cuda.is_bf16_supported() else "float32", 0.0, 0.0)
    rates = {torch.float32: 0.0, torch.bfloat16: 0.0}
    passes = {kind: _layer_pass(kind) for kind in rates}
    for _ in range(TURNS):
        for kind, one_pass in passes.items():
            rates[kind] = max(rates[kind], _a_second(one_pass))
    single, half = rates[torch.float32], rates[torch.bfloat16]
    # bfloat16 must be clearly faster, for it is less exact.
    return Probe("bfloat16" if half > 1.15 * single else "float32", single, half)


def _layer_pass(kind: "torch.dtype") -> Callable[[], None]:
    import torch

    weight = torch.randn(INNER, WIDTH, dtype=kind)
    down, up = (
        torch.randn(RANK, WIDTH, requires_grad=True),
        torch.randn(INNER, RANK, requires_grad=True),
    )
    rows = torch.randn(ROWS, WIDTH, dtype=kind, requires_grad=True)

    def one_pass() -> None:
        adapted = torch.nn.functional.linear(
            torch.nn.functional.linear(rows, down.to(kind)), up.to(kind)
        )
        (torch.nn.functional.linear(rows, weight) + adapted).sum().backward()

    one_pass()
    return one_pass


def _a_second(one_pass: Callable[[], None]) -> float:
    count, began = 0, time.perf_counter()
    while time.perf_counter() - began < TURN_SECONDS:
        one_pass()
        count += 1
    return count / (time.perf_counter() - began)
