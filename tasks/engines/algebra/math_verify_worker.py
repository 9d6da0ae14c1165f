"""The only door of math-verify: does one expression equal another? Runs inside a worker process that may be killed.

Two strings in, a decision out. math-verify alone rounds to six decimals, drops units and relations, and takes a
point for an interval; the guards here ask for the same shape, the same symbols and equal values first.
"""

import cmath
import ctypes
import importlib
import logging
import re
import signal
import sys
from typing import Any, cast

OPENERS = re.compile(r"^(?:\\left)?\s*(\\\{|[\[(])")
CLOSERS = re.compile(r"(\\\}|[\])])$")
MEMBERSHIP = re.compile(r"^\s*[a-zA-Z]\s*\\in\b")
FUNCTION_VALUE = re.compile(r"^\s*[a-zA-Z]\s*\(\s*[a-zA-Z]\s*\)\s*=")
SUBSCRIPT = re.compile(r"(?<!\\log)(?<!\\sum)(?<!\\int)(?<!\\lim)(?<!\\prod)\s*_\s*(\{[^{}]*\}|[^\s{])")
FUNCTIONS = re.compile(r"\\[a-zA-Z]+")


MEMORY = 384 << 20


def prepare() -> None:
    """Bounds a new worker: it dies with its parent, and its memory and recursion end before the machine's."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)  # Python's own handler would wait for one endless power to end
    _die_with_parent()
    logging.disable(logging.CRITICAL)
    sys.setrecursionlimit(3000)
    importlib.import_module("math_verify")
    if sys.platform == "linux":
        _limit_memory()


def _die_with_parent() -> None:
    """Linux ends the worker when whoever forked it ends, even while it computes one endless power."""
    if sys.platform == "linux":
        pr_set_pdeathsig = 1
        ctypes.CDLL(None).prctl(pr_set_pdeathsig, signal.SIGKILL)


def _limit_memory() -> None:
    """What is loaded by now and MEMORY more: a hostile expression ends as MemoryError, not with the machine."""
    resource = importlib.import_module("resource")
    with open("/proc/self/statm", encoding="ascii") as file:
        loaded = int(file.read().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (loaded + MEMORY, resource.getrlimit(resource.RLIMIT_AS)[1]))


def expressions_equal(answer: str, references: tuple[str, ...]) -> bool:
    """Whether the answer equals any of the references."""
    return any(expression_equals(answer, reference) for reference in references)


def expression_equals(answer: str, reference: str) -> bool:
    """Whether both parse, have the same shape and symbols, and are equal by math-verify either way round."""
    answer, reference = _trimmed(answer), _trimmed(reference)
    if "=" not in reference:
        answer = FUNCTION_VALUE.sub("", answer)
    if _shape(answer) != _shape(reference) or _subscripts(answer) != _subscripts(reference):
        return False
    ours, theirs = _parsed(answer), _parsed(reference)
    if ours is None or theirs is None:
        return False
    if _is_relation(ours) != _is_relation(theirs):
        ours, theirs = _assigned(ours), _assigned(theirs)
    if _is_relation(ours) != _is_relation(theirs) or not _same_letter_case(answer, reference):
        return False
    if _names(ours) != _names(theirs):
        return not _is_relation(ours) and _difference_vanishes(ours, theirs)
    by_value = _equal_values(ours, theirs)
    return _verified(ours, theirs) if by_value is None else by_value


def _trimmed(words: str) -> str:
    words = MEMBERSHIP.sub("", words.strip().strip("$").strip().rstrip(".,;"))
    words = re.sub(r"(?:\\[,;: ]|~)*\\(?:text|mathrm)\{[^{}]*\}\s*$", "", words).replace("**", "^")
    return words.replace("bmatrix", "pmatrix").replace("\\!", "").strip()


def _shape(words: str) -> tuple[str, str, int]:
    """Outer brackets where they enclose a list, the number of items on top, and whether it is a relation."""
    opening, closing = OPENERS.match(words), CLOSERS.search(words)
    depth, items = 0, 1
    for character in words:
        depth += (character in "([{") - (character in ")]}")
        items += character in ",;" and depth == (1 if opening else 0)
    if items == 1 or re.fullmatch(r"-?[\d,]+(?:\.\d+)?", words):
        return ("\\{", "\\}", 1) if opening and opening[1] == "\\{" else ("", "", 1)
    return (opening[1] if opening else "", closing[1] if closing else "", items)


def _subscripts(words: str) -> list[str]:
    """Names and bases that math-verify would drop, as in 10_2."""
    return sorted({found.strip("{} ") for found in SUBSCRIPT.findall(words)})


def _parsed(words: str) -> Any:
    math_verify = cast(Any, importlib.import_module("math_verify"))
    latex = math_verify.LatexExtractionConfig(boxed_match_priority=-1)
    found = math_verify.parse(f"${words}$", extraction_config=[latex], parsing_timeout=None)
    found = [item for item in found if not isinstance(item, str)]
    return found[0] if found else None


def _is_relation(expression: Any) -> str:
    name = type(expression).__name__
    names = {"Equality": "=", "StrictGreaterThan": ">", "StrictLessThan": ">", "GreaterThan": ">=", "LessThan": ">="}
    return names.get(name, "and" if name == "And" else "")


def _assigned(expression: Any) -> Any:
    """The value of `x = 5`; anything else as it is."""
    if _is_relation(expression) == "=" and getattr(expression.lhs, "is_Symbol", False):
        return expression.rhs
    return expression


def _names(expression: Any) -> frozenset[str]:
    return frozenset(str(symbol) for symbol in getattr(expression, "free_symbols", ()))


def _same_letter_case(answer: str, reference: str) -> bool:
    """math-verify reads X as x; mathematics does not."""
    ours, theirs = (set(re.findall(r"[a-zA-Z]", FUNCTIONS.sub(" ", words))) for words in (answer, reference))
    mixed = {letter for letter in ours ^ theirs if letter.swapcase() in ours | theirs}
    return not mixed


def _difference_vanishes(ours: Any, theirs: Any) -> bool:
    """Different symbols may still cancel, as in an identity."""
    sympy = cast(Any, importlib.import_module("sympy"))
    if not (isinstance(ours, sympy.Expr) and isinstance(theirs, sympy.Expr)):
        return False
    return bool(sympy.simplify(ours - theirs) == 0)


def _equal_values(ours: Any, theirs: Any) -> bool | None:
    """Constants by their value to 1e-6 relative, exact where both are rational; None where they are not constants."""
    if not (getattr(ours, "is_number", False) and getattr(theirs, "is_number", False)):
        return None
    sympy = cast(Any, importlib.import_module("sympy"))
    if ours.is_Rational and theirs.is_Rational:
        return bool(ours == theirs)
    one, other = complex(sympy.N(ours, 30)), complex(sympy.N(theirs, 30))
    if one != one or other != other:
        return None
    if cmath.isinf(one) or cmath.isinf(other):
        return bool(ours == theirs)
    exact = not (ours.has(sympy.Float) or theirs.has(sympy.Float))
    return abs(one - other) <= (1e-13 if exact else 1e-6) * abs(other)


def _verified(ours: Any, theirs: Any) -> bool:
    math_verify = cast(Any, importlib.import_module("math_verify"))
    for one, other in ((theirs, ours), (ours, theirs)):
        try:
            if math_verify.verify([one], [other], float_rounding=12, timeout_seconds=None, raise_on_error=True):
                return True
        except Exception:
            continue
    return False
