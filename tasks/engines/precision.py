"""float32 or bfloat16? A probe of a second times what a LoRA step consists of on this machine, in both.

Machines of one size differ: with bfloat16 in hardware it is twice as fast, without it half as fast.
"""

import time
from dataclasses import dataclass
from typing import Literal

Precision = Literal["float32", "bfloat16"]
PROBE_SECONDS = 0.4  # for each precision
ROWS, WIDTH, INNER, RANK = 1024, 576, 1536, 16  # a batch of the embedded model through one of its layers


@dataclass(frozen=True)
class Probe:
    """What was measured: passes a second forward and backward through one layer with its adapter."""

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
    single, half = _passes_per_second(torch.float32), _passes_per_second(torch.bfloat16)
    # bfloat16 must be clearly faster, for it is less exact.
    return Probe("bfloat16" if half > 1.15 * single else "float32", single, half)


def _passes_per_second(dtype: object) -> float:
    import torch

    kind = dtype if isinstance(dtype, torch.dtype) else torch.float32
    weight = torch.randn(INNER, WIDTH, dtype=kind)
    down, up = torch.randn(RANK, WIDTH, requires_grad=True), torch.randn(INNER, RANK, requires_grad=True)
    rows = torch.randn(ROWS, WIDTH, dtype=kind, requires_grad=True)

    def one_pass() -> None:
        adapted = torch.nn.functional.linear(torch.nn.functional.linear(rows, down.to(kind)), up.to(kind))
        (torch.nn.functional.linear(rows, weight) + adapted).sum().backward()

    one_pass()
    passes, began = 0, time.perf_counter()
    while time.perf_counter() - began < PROBE_SECONDS:
        one_pass()
        passes += 1
    return passes / (time.perf_counter() - began)
