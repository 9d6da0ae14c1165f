"""The value of an expression at given values of its names: exact where rational, else complex.

Two expressions of equal value at several points are the same expression. Nothing is evaluated that
could grow without bound: what is too large is `BeyondGrammar`, for an algebra system in a process
that can be killed.
"""

import cmath
import math
import zlib
from collections.abc import Callable
from fractions import Fraction

from tasks.rules.answers.values.expression_grammar import BeyondGrammar, Node

Value = Fraction | complex
# of numerator and denominator: about 6,000 digits, more than any reference has
MOST_BITS = 20_000
# 2^3000 is exact in no time; 9^9^9 would fill the memory
MOST_EXPONENT = 3000
# Two different formulas of school mathematics that agree at one of these points are rare, and at
# all six practically impossible (Schwartz 1980: a polynomial of degree d agrees with another at a
# random point of S values with chance d/|S| at most).
POINTS = 6
# Above it a double shows too few places behind the point to tell terms that nearly cancel.
MOST_BY_FLOAT = 1e6


class Undefined(Exception):
    """The expression has no value at this point, as 1/0."""


CONSTANTS: dict[str, Value] = {"\\pi": complex(math.pi), "e": complex(math.e), "i": 1j}
# complex throughout, so that \sqrt{-1} or \ln(-1) has a value on both sides of a comparison
FUNCTIONS: dict[str, Callable[[complex], complex]] = {
    "sin": cmath.sin,
    "cos": cmath.cos,
    "tan": cmath.tan,
    "exp": cmath.exp,
    "ln": cmath.log,
    "sinh": cmath.sinh,
    "cosh": cmath.cosh,
    "tanh": cmath.tanh,
    "arcsin": cmath.asin,
    "arccos": cmath.acos,
    "arctan": cmath.atan,
    "arcsinh": cmath.asinh,
    "arccosh": cmath.acosh,
    "arctanh": cmath.atanh,
    "cot": lambda z: 1 / cmath.tan(z),
    "sec": lambda z: 1 / cmath.cos(z),
    "csc": lambda z: 1 / cmath.sin(z),
    "coth": lambda z: 1 / cmath.tanh(z),
    "re": lambda z: complex(z.real),
    "im": lambda z: complex(z.imag),
    "lg": cmath.log10,
    "arccot": lambda z: cmath.atan(1 / z),
    "arcsec": lambda z: cmath.acos(1 / z),
    "arccsc": lambda z: cmath.asin(1 / z),
    "arg": lambda z: complex(cmath.phase(z)),
}


def value_at(tree: Node, point: int, sign: int = 1) -> Value:
    """The value at one of POINTS points, with one of the two that a ± stands for.

    Raises Undefined, BeyondGrammar.
    """
    try:
        return _bounded(_value(tree, point, sign))
    except (ZeroDivisionError, ValueError):
        raise Undefined from None
    except OverflowError:
        raise BeyondGrammar("too large") from None


def _bounded(value: Value) -> Value:
    if isinstance(value, Fraction):
        if value.numerator.bit_length() + value.denominator.bit_length() > MOST_BITS:
            raise BeyondGrammar("too large")
    elif value != value or cmath.isinf(value):
        raise Undefined
    return value


def _value(tree: Node, point: int, sign: int) -> Value:
    kind = tree.kind
    if kind == "num":
        return tree.value
    if kind == "name":
        return CONSTANTS.get(tree.name) or sample(tree.name, point)
    if kind == "group":
        return _value(tree.args[0], point, sign)
    arguments = [_bounded(_value(argument, point, sign)) for argument in tree.args]
    if kind == "function":
        return _function(tree.name, arguments)
    if kind == "call":
        return sample(f"{tree.name}({arguments[0]})", point)
    if kind in OPERATORS:
        return OPERATORS[kind](*arguments)
    if kind in ("pm", "mp"):
        return arguments[0] + (arguments[1] if (sign > 0) == (kind == "pm") else -arguments[1])  # type: ignore[operator]
    raise Undefined(kind)


def sample(name: str, point: int) -> Fraction:
    """A name's value at a point: positive, negative, whole or broken, equal for equal names."""
    # A hash of the name and not Python's own, which differs from process to process.
    seed = zlib.crc32(f"{name}@{point}".encode())
    top = seed % 97 + 2
    # the first two points are whole, so that powers of names stay exact
    if point == 0:
        return Fraction(top % 11 + 2)
    if point == 1:
        return Fraction(-(top % 7) - 2)
    value = Fraction(top, (seed >> 8) % 89 + 3)
    return value if point in (2, 4) else -value if point == 3 else value / 17


def _function(name: str, arguments: list[Value]) -> Value:
    if name in ("log", "lg") and len(arguments) == 2:
        return _exactly_log(arguments[0], arguments[1])
    if name == "log":
        # whether log is natural or decimal nobody says, so its base is a name of its own
        return (
            Fraction(0)
            if arguments[0] == 1
            else cmath.log(complex(arguments[0])) / complex(sample("log", 0) + 2)
        )
    if name not in FUNCTIONS:
        raise BeyondGrammar(name)
    # exact where the value is rational: cmath.sin(0) is a float, and a float is never equal as
    # written
    if arguments[0] == 0 and name in ("sin", "tan", "sinh", "tanh", "arcsin", "arctan"):
        return Fraction(0)
    if arguments[0] == 0 and name in ("cos", "exp", "cosh"):
        return Fraction(1)
    if name in ("ln", "lg") and arguments[0] == 1:
        return Fraction(0)
    return FUNCTIONS[name](complex(arguments[0]))


def _exactly_log(value: Value, base: Value) -> Value:
    # log_5 125 is 3 and not 3.0000000000000004: a float near a whole number is tried exactly
    close = cmath.log(complex(value)) / cmath.log(complex(base))
    near = Fraction(close.real).limit_denominator(64)
    if (
        isinstance(value, Fraction)
        and isinstance(base, Fraction)
        and near.denominator == 1
        and abs(near) < 500
    ):
        return near if base ** int(near) == value else close
    return close


def _power(base: Value, exponent: Value) -> Value:
    if isinstance(exponent, Fraction) and exponent.denominator == 1 and isinstance(base, Fraction):
        bits = max(base.numerator.bit_length(), base.denominator.bit_length())
        if abs(exponent) > MOST_EXPONENT or bits * abs(exponent) > MOST_BITS:
            raise BeyondGrammar("too large")
        return base ** int(exponent)
    if (
        isinstance(exponent, Fraction)
        and exponent.denominator <= 12
        and isinstance(base, Fraction)
        and base >= 0
    ):
        root = _exact_root(base, exponent.denominator)
        if root is not None:
            return _power(root, Fraction(exponent.numerator))
    if base == 0:
        raise Undefined
    real = isinstance(base, Fraction) or base.imag == 0
    if (
        isinstance(exponent, Fraction)
        and exponent.denominator % 2 == 1
        and real
        and complex(base).real < 0
    ):
        below = _power(-base, exponent)  # as \sqrt[3]{-8}: the real root
        return -below if exponent.numerator % 2 else below
    return complex(base) ** complex(exponent)


def _root(radicand: Value, degree: Value) -> Value:
    if not isinstance(degree, Fraction) or degree.denominator != 1:
        return _power(radicand, 1 / degree)
    if isinstance(radicand, Fraction) and radicand < 0 and degree % 2 == 1:
        below = _power(-radicand, 1 / degree)
        return -below
    if (
        isinstance(radicand, complex)
        and radicand.imag == 0
        and radicand.real < 0
        and degree % 2 == 1
    ):
        return -(complex(-radicand.real) ** (1 / float(degree)))
    return Fraction(0) if radicand == 0 else _power(radicand, 1 / degree)


def _exact_root(value: Fraction, degree: int) -> Fraction | None:
    top, bottom = (_whole_root(part, degree) for part in (value.numerator, value.denominator))
    return None if top is None or bottom is None else Fraction(top, bottom)


def _whole_root(value: int, degree: int) -> int | None:
    # int ** float overflows above 2^1024
    if value.bit_length() > 1000:
        return None
    # a float's root may be one off; its neighbours are tried exactly
    near = math.isqrt(value) if degree == 2 else round(value ** (1 / degree))
    return next(
        (root for root in (near - 1, near, near + 1) if root >= 0 and root**degree == value), None
    )


def _whole(value: Value, most: int) -> int:
    if not isinstance(value, Fraction) or value.denominator != 1 or value < 0:
        raise Undefined
    if value > most:
        raise BeyondGrammar("too large")
    return int(value)


def _factorial(value: Value) -> Value:
    if isinstance(value, Fraction) and value.denominator == 1 and value >= 0:
        return Fraction(math.factorial(_whole(value, 1000)))
    real = complex(value)
    return complex(math.gamma(real.real + 1)) if real.imag == 0 else _undefined()


def _undefined() -> Value:
    raise Undefined


def _floor(value: Value) -> Value:
    return Fraction(math.floor(value if isinstance(value, Fraction) else value.real))


def _abs(value: Value) -> Value:
    return abs(value) if isinstance(value, Fraction) else complex(abs(value))


def _div(one: Value, other: Value) -> Value:
    # a denormal divisor is a zero that rounding hid
    if abs(other) < 1e-300:
        raise Undefined
    return one / other  # type: ignore[operator]


def _binomial(top: Value, bottom: Value) -> Value:
    return Fraction(math.comb(_whole(top, 3000), _whole(bottom, 3000)))


def _add(one: Value, other: Value) -> Value:
    return one + other  # pyright: ignore[reportOperatorIssue]


def _times(one: Value, other: Value) -> Value:
    return one * other  # pyright: ignore[reportOperatorIssue]


def _subtract(one: Value, other: Value) -> Value:
    return _add(one, -other)


def _minus(value: Value) -> Value:
    return -value


def _same(value: Value) -> Value:
    return value


def _ceil(value: Value) -> Value:
    return -_floor(-value)


OPERATORS: dict[str, Callable[..., Value]] = {
    "add": _add,
    "sub": _subtract,
    "neg": _minus,
    "mul": _times,
    "mixed": _add,
    "div": _div,
    "pow": _power,
    "root": _root,
    "abs": _abs,
    "factorial": _factorial,
    # 90° and 50% are compared as 90 and 50: the sign is often left out on one side
    "degree": _same,
    "percent": _same,
    "binomial": _binomial,
    "floor": _floor,
    "ceil": _ceil,
}


def same_value(one: Node, other: Node, sign: int = 1, other_sign: int = 1) -> bool:
    """Whether two expressions agree wherever both have a value, at half the points at least."""
    rounded = has_decimals(one) != has_decimals(other)
    cancels = has_sum(one) or has_sum(other)
    names = names_of(one) | names_of(other)
    seen = 0
    for point in range(POINTS if names else 1):
        try:
            ours, theirs = value_at(one, point, sign), value_at(other, point, other_sign)
        except Undefined:
            continue
        if not close(ours, theirs, rounded, cancels):
            return False
        exactly = isinstance(ours, Fraction) and isinstance(theirs, Fraction)
        if (
            not exactly
            and (cancels or not names)
            and max(abs(complex(ours)), abs(complex(theirs))) > MOST_BY_FLOAT
        ):
            raise BeyondGrammar("more digits than a float has")
        seen += 1
    return seen >= (POINTS // 2 if names else 1)


def close(one: Value, other: Value, rounded: bool, cancels: bool = False) -> bool:
    """Whether two values are equal: exactly if rational, else to 1e-11, or to 1e-6 if rounded.

    Where terms may cancel (`cancels`), what is left of them is nothing.
    """
    if isinstance(one, Fraction) and isinstance(other, Fraction) and (one == other or not rounded):
        return one == other
    try:
        difference, size = (
            abs(complex(one) - complex(other)),
            max(abs(complex(one)), abs(complex(other))),
        )
    except OverflowError:
        raise BeyondGrammar("too large") from None
    # 1e-11 leaves a double's 1e-16 five digits for the rounding of a long formula; 1e-6 is what
    # `is_same_number` forgives.
    return difference <= (1e-6 if rounded else 1e-11) * size or (cancels and difference < 1e-13)


def has_decimals(tree: Node) -> bool:
    """Whether a number in it is written with decimals, so that it may be rounded."""
    return bool(tree.kind == "num" and tree.decimals) or any(
        has_decimals(argument) for argument in tree.args
    )


def names_of(tree: Node) -> frozenset[str]:
    """The names in it that are no constants."""
    own = (
        frozenset({tree.name})
        if tree.kind in ("name", "call") and tree.name not in CONSTANTS
        else frozenset[str]()
    )
    return own.union(*(names_of(argument) for argument in tree.args))


def has_sum(tree: Node) -> bool:
    """Whether terms in it may cancel."""
    return tree.kind in ("add", "sub", "pm", "mp", "function") or any(
        has_sum(argument) for argument in tree.args
    )
