"""The only door of math-verify: does one expression equal another?

Runs inside a worker process that may be killed.

Two strings in, a decision out. Only single terms that our own grammar does not read come here
(integrals, sums, limits, numbers beyond bounds): a list, set, interval or inequality with one in it
equals nothing but its own spelling. math-verify alone rounds to six decimals and drops bases, so
the guards ask for the same names and equal values first.
"""

import cmath
import importlib
import logging
import re
import signal
import sys
from typing import Any, cast

from storage.child_process import die_with_parent

# `x_1`, `x_{12}`; not the base of `\log_2` nor the bounds of `\sum_`
SUBSCRIPT = re.compile(
    r"(?<!\\log)(?<!\\sum)(?<!\\int)(?<!\\lim)(?<!\\prod)\s*_\s*(\{[^{}]*\}|[^\s{])"
)
FUNCTIONS = re.compile(r"\\[a-zA-Z]+")


# beyond what the process has at its start; 10^10^10 would take the machine's memory
MEMORY = 384 << 20


def prepare() -> None:
    """Bound a new worker: it dies with its parent, and its memory and recursion are limited."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # Python's own handler would wait for one endless power to end
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    die_with_parent()  # even amid an endless power
    logging.disable(logging.CRITICAL)
    # sympy walks trees by recursion; 3000 levels stay within the thread's stack
    sys.setrecursionlimit(3000)
    importlib.import_module("math_verify")
    if sys.platform == "linux":
        _limit_memory()


def _limit_memory() -> None:
    """Allow what is loaded now and MEMORY more: a hostile expression ends as MemoryError."""
    resource = importlib.import_module("resource")
    with open("/proc/self/statm", encoding="ascii") as file:
        loaded = int(file.read().split()[0]) * resource.getpagesize()
    resource.setrlimit(
        resource.RLIMIT_AS, (loaded + MEMORY, resource.getrlimit(resource.RLIMIT_AS)[1])
    )


def expressions_equal(answer: str, references: tuple[str, ...]) -> bool:
    """Whether the answer equals any of the references."""
    return any(expression_equals(answer, reference) for reference in references)


def expression_equals(answer: str, reference: str) -> bool:
    """Whether both are terms with the same names and equal, by value or by math-verify."""
    answer, reference = _trimmed(answer), _trimmed(reference)
    if _subscripts(answer) != _subscripts(reference) or not _same_letter_case(answer, reference):
        return False
    ours, theirs = _term(answer), _term(reference)
    if ours is None or theirs is None:
        return False
    if ours.free_symbols != theirs.free_symbols:
        return _difference_vanishes(ours, theirs)
    by_value = _equal_values(ours, theirs)
    return _verified(ours, theirs) if by_value is None else by_value


def _trimmed(words: str) -> str:
    words = words.strip().strip("$").strip().rstrip(".,;")
    words = re.sub(r"(?:\\[,;: ]|~)*\\(?:text|mathrm)\{[^{}]*\}\s*$", "", words).replace("**", "^")
    return words.replace("\\!", "").strip()


def _subscripts(words: str) -> list[str]:
    """Names and bases that math-verify would drop, as in 10_2."""
    return sorted({found.strip("{} ") for found in SUBSCRIPT.findall(words)})


def _term(words: str) -> Any:
    """The term that the words are, or the value that they give a name (`x = 5`); else None."""
    math_verify, sympy = (
        cast(Any, importlib.import_module(name)) for name in ("math_verify", "sympy")
    )
    latex = math_verify.LatexExtractionConfig(boxed_match_priority=-1)
    found = math_verify.parse(f"${words}$", extraction_config=[latex], parsing_timeout=None)
    # math-verify gives the term and its text; only terms are compared
    term: Any = next((item for item in found if not isinstance(item, str)), None)
    if isinstance(term, sympy.Equality) and term.lhs.is_Symbol:
        term = term.rhs
    return term if isinstance(term, sympy.Expr) else None


def _same_letter_case(answer: str, reference: str) -> bool:
    """math-verify reads X as x; mathematics does not."""
    ours, theirs = (
        set(re.findall(r"[a-zA-Z]", FUNCTIONS.sub(" ", words))) for words in (answer, reference)
    )
    mixed = {letter for letter in ours ^ theirs if letter.swapcase() in ours | theirs}
    return not mixed


def _difference_vanishes(ours: Any, theirs: Any) -> bool:
    """Different symbols may still cancel, as in an identity."""
    sympy = cast(Any, importlib.import_module("sympy"))
    return bool(sympy.simplify(ours - theirs) == 0)


def _equal_values(ours: Any, theirs: Any) -> bool | None:
    """Whether two constants are equal (1e-6 relative for decimals); None if they are no constants.

    Not by their first digits: 10^{40}+1 is not 10^{40}.
    """
    if not (ours.is_number and theirs.is_number):
        return None
    sympy = cast(Any, importlib.import_module("sympy"))
    one, other = complex(sympy.N(ours, 30)), complex(sympy.N(theirs, 30))
    if cmath.isnan(one) or cmath.isnan(other):
        return None
    if cmath.isinf(one) or cmath.isinf(other):
        return bool(ours == theirs)
    rounded = ours.has(sympy.Float) or theirs.has(sympy.Float)
    if rounded or abs(one - other) > 1e-6 * abs(other):
        return abs(one - other) <= 1e-6 * abs(other)
    difference = ours.doit() - theirs.doit()
    if difference.is_Rational:
        return bool(difference == 0)
    return abs(complex(sympy.N(difference, 30))) <= 1e-13 * min(abs(other), 1.0)


def _verified(ours: Any, theirs: Any) -> bool:
    math_verify = cast(Any, importlib.import_module("math_verify"))
    for one, other in ((theirs, ours), (ours, theirs)):
        try:
            if math_verify.verify(
                [one], [other], float_rounding=12, timeout_seconds=None, raise_on_error=True
            ):
                return True
        except Exception:
            continue
    return False
