"""Loads algebra and compiles its patterns once, in the fork server, before a worker is forked.

A worker that was killed at its deadline is then replaced in milliseconds, not seconds. Workers run
functions of importable modules only, so they need not run the caller's main script again: it may be
standard input, or lack the `__main__` guard, or import for seconds.
"""

import gc
import logging
from multiprocessing import spawn
from typing import Any, cast

from tasks.engines.algebra.math_verify_worker import expressions_equal

logging.disable(logging.WARNING)


def _without_main(_: str) -> None:
    """Stands for the standard library's second run of the caller's main module."""


cast(Any, spawn)._fixup_main_from_path = _without_main
cast(Any, spawn)._fixup_main_from_name = _without_main
# imports sympy's parts that load when they are first used: in the fork server, once for all workers
IS_WARM = expressions_equal("x+1", ("1+x",)) and not expressions_equal(
    "\\frac{1}{2}", ("\\sqrt{2}",)
)
# the algebra library is garbage to nobody: collections in a worker need not walk through it
gc.freeze()
