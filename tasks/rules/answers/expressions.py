"""Expressions: whether a stated one equals the reference, by form (set, interval) and by value.

`expression_grammar` reads both. Algebra comes first; an answer counts as a plain number only where
the whole of it is one. What the grammar does not read goes to an algebra system as `Undecided`.
"""

import re
from collections.abc import Sequence
from functools import lru_cache

from tasks.rules.answers.compared import (
    AMBIGUOUS,
    BAD_REFERENCE,
    DIFFERS,
    EQUAL,
    NOT_AN_ANSWER,
    NOT_EVALUATED,
    Compared,
    Undecided,
)
from tasks.rules.answers.short_texts import plain_text, without_harmless
from tasks.rules.answers.values.expression_grammar import (
    LONGEST,
    UNITS,
    BeyondGrammar,
    Node,
    NotMathematics,
    parse,
)
from tasks.rules.answers.values.expression_values import (
    POINTS,
    Undefined,
    names_of,
    same_value,
    value_at,
)
from tasks.rules.answers.values.numbers import Number, is_same_number, number_offered
from tasks.rules.answers.values.spelling import plain, undressed

# `1/2`, `\frac{1}{2}`; not `1/x`
PLAIN_FRACTION = re.compile(r"\s*[-+]?\d+\s*/\s*\d+\s*|\s*-?\\[dt]?frac\{-?\d+\}\{\d+\}\s*")
# ways to write one sign; degrees and dollars go, because the other side often leaves them out
SPELLINGS = (
    ("\\dfrac", "\\frac"),
    ("\\tfrac", "\\frac"),
    ("\\left", ""),
    ("\\right", ""),
    ("\\cdot", "*"),
    ("\\times", "*"),
    ("**", "^"),
    ("\\geq", "\\ge"),
    ("\\leq", "\\le"),
    ("{,}", ","),
    ("$", ""),
    ("^\\circ", ""),
    ("^{\\circ}", ""),
)
# `no solution`, `There are no real roots`, `\emptyset`, `{}`: all say the same
NOTHING = re.compile(
    r"(?:there (?:is|are) )?no (?:real |such |integer |possible )*(?:solutions?|values?|roots?"
    r"|numbers?)(?: exists?)?|(?:the )?empty set"
    r"|\\emptyset|\\varnothing|\\\{\s*\\\}|\{\s*\}|∅|none",
    re.IGNORECASE,
)
# a unit behind the value: 5\text{ cm}^2, 5\,\mathrm{m/s}; a text that says more (`or`, `if x > 0`)
# is none
TEXT_UNIT = re.compile(
    r"(?:\\[,;:"
    r" !]|~|\s)*\\(?:text|mathrm|mbox|textrm|operatorname|textbf)\s*\{\s*(?![ei]\s*\})(?!.*\b(?:or"
    r"|and|if|is|for|when|not|no|mod|where)\b)"
    r"[A-Za-z°%/$. ²³^-]{1,40}\}(?:\^\{?-?\d\}?)?\s*\.?$"
)
# `5\frac{\text{m}}{\text{s}}`
FRACTION_UNIT = re.compile(
    r"(?:\\[,;: ]|\s)*\\[dt]?frac\s*(?:\{\s*\\(?:text|mathrm)\{[^{}]*\}\s*\}\s*){2}$"
)
# a reference that is a word, which is compared as one: `odd`, `Monday`; shorter ones are names
WORD = re.compile(r"yes|no|true|false|odd|even|[A-Za-z]{4,}", re.IGNORECASE)
# `the value of x is 5`: what stands behind the verb is the answer
COPULA = re.compile(
    r"\b(?:is|are|equals|was|be|becomes)(?:\s+(?:equal to|exactly|simply|just))?\s*:?\s"
)
# `\frac{1}{3} \approx 0.333`, `1/3, or approximately 0.333`
ABOUT = re.compile(r"\\approx|≈|\\simeq|\\doteq|\b(?:or )?approximately\b|\bwhich is about\b")
# `0.5 (or 50%)`, `1/3 (≈ 0.333)`; not `f (x)`
ASIDE = re.compile(r"\s+\((?:or|approximately|about|i\.e\.|≈|\\approx|=|that is)[^()]*\)\s*$")
# 5 > x is x < 5, so that bounds are compared in one direction
FLIPPED = {">": "<", ">=": "<="}


def is_plain_fraction(reference: str) -> bool:
    """Such a reference is compared as a number even in kind `text`."""
    return PLAIN_FRACTION.fullmatch(reference) is not None


def compare_expressions(words: str, reference: str) -> Compared | Undecided:
    """Compare as written, by algebra, as nothing ("no solution"), as a number, and as a text."""
    # From cheap to dear, and from certain to doubtful: equal strings, nothing, words, algebra, a
    # number with a unit. The first that decides ends the comparison.
    answer, wanted = as_written(words), as_written(reference)
    if answer == wanted or not answer:
        return EQUAL if answer else NOT_AN_ANSWER
    if len(words) > LONGEST or len(reference) > LONGEST:
        return NOT_AN_ANSWER
    if _is_nothing(words) or _is_nothing(reference):
        return EQUAL if _is_nothing(words) and _is_nothing(reference) else DIFFERS
    if ABOUT.search(reference) and len(forms := _forms(reference)) > 1:
        found = [compare_expressions(words, form) for form in forms]
        return next((one for one in found if one == EQUAL), found[0])
    theirs = _tree_of(reference)
    if WORD.fullmatch(_bare(reference)) and _bare(words).casefold() == _bare(reference).casefold():
        return EQUAL
    if theirs is None:
        same = without_harmless(plain_text(_bare(words))) == without_harmless(
            plain_text(_bare(reference))
        )
        return EQUAL if same and len(_bare(reference)) > 1 else DIFFERS
    found = [_by_algebra(form, theirs, reference) for form in _forms(words)]
    if EQUAL in found:
        return EQUAL
    if None in found:
        found = [one for one in found if one is not None] or [_as_number(words, reference)]
    return next((one for one in found if isinstance(one, Undecided)), found[0] or NOT_AN_ANSWER)


def compare_values(words: str, reference: str) -> Compared | Undecided:
    """Compare an algebraic answer where a number is wanted; a plain calculation is none."""
    theirs = _tree_of(reference)
    if theirs is None:
        return BAD_REFERENCE
    if len(words) > LONGEST:
        return NOT_AN_ANSWER
    for form in _forms(words):
        tree = _tree_of(form)
        if (
            tree is not None
            and tree.kind != "beyond"
            and _is_calculation(_value_of(_canonical(tree)))
        ):
            return NOT_EVALUATED
    compared = compare_expressions(words, reference)
    return (
        NOT_AN_ANSWER
        if compared == DIFFERS and not names_of(theirs) and _only_names(words)
        else compared
    )


def _only_names(words: str) -> bool:
    """Whether an answer is a formula in which names are left, so that it is no number at all."""
    trees = [_tree_of(form) for form in _forms(words)]
    return all(tree is not None and bool(names_of(_value_of(_canonical(tree)))) for tree in trees)


def _is_calculation(tree: Node) -> bool:
    """Numbers joined by + - * / and brackets; a fraction or a signed number alone is a value."""
    if _literal(tree) is not None or tree.kind in ("num", "mixed"):
        return False
    return tree.kind in ("add", "sub", "mul", "div", "neg", "group", "num", "mixed") and all(
        argument.kind in ("num", "mixed")
        or _literal(argument) is not None
        or _is_calculation(argument)
        for argument in tree.args
    )


def as_written(words: str) -> str:
    """The form in which two spellings of the same written expression are one string."""
    return re.sub(r"\s+", "", spelled(words)).rstrip(".,;:")


def spelled(words: str) -> str:
    """The words in one spelling of each sign, blanks as they are."""
    words = undressed(plain(words).strip().strip("$"))
    for spelling, canonical in SPELLINGS:
        words = words.replace(spelling, canonical)
    return words


def _bare(words: str) -> str:
    return undressed(plain(words)).strip().strip("$").strip().rstrip(".,;:!")


def _is_nothing(words: str) -> bool:
    return NOTHING.fullmatch(_bare(words)) is not None


def _forms(words: str) -> list[str]:
    """The readings of an answer that may be compared: exact or rounded, behind `is`."""
    bare = words.strip().strip("$").strip().rstrip(".,;:").strip()
    bare = ASIDE.sub("", bare)
    forms = [part.strip(" $,;") for part in ABOUT.split(bare)] if ABOUT.search(bare) else [bare]
    if len(forms) > 1:
        return [form for form in forms[:2] if form] if _consistent(forms) else [bare]
    behind = COPULA.split(undressed(forms[0]) if "\\text" in forms[0] else forms[0])
    return [behind[-1].strip(" $")] if len(behind) > 1 and behind[-1].strip() else forms


def _consistent(forms: Sequence[str]) -> bool:
    """Whether a rounded second value is near the first."""
    trees = [_tree_of(form) for form in forms[:2]]
    try:
        values = [
            value_at(_value_of(_canonical(tree)), 0)
            for tree in trees
            if tree is not None and not names_of(_value_of(_canonical(tree)))
        ]
    except (Undefined, BeyondGrammar):
        return False
    return len(values) == 2 and abs(complex(values[0]) - complex(values[1])) <= 0.01 * max(
        abs(complex(values[0])), 1e-9
    )


@lru_cache(maxsize=4096)
def _tree_of(words: str) -> Node | None:
    """The tree of an answer without its unit; None where it is no mathematics.

    A `beyond` node stands where only an algebra system reads the answer.
    """
    bare = words.strip().strip("$").strip().rstrip(".,;:").strip()
    for pattern in (FRACTION_UNIT, TEXT_UNIT):
        shorter = pattern.sub("", bare)
        bare = shorter if shorter.strip(" $") else bare
    bare = undressed(plain(bare)).strip().strip("$").strip()
    unit = UNITS.search(bare)
    if (
        unit
        and unit.start() > 0
        and (bare[unit.start() - 1].isalnum() or bare[unit.start() - 1] in ")}°")
        and _is_apart(bare, unit)
    ):
        bare = bare[: unit.start()]
    bare = bare.replace('\\"', '"').strip('"“”')
    if "\\\\" in bare and "\\begin" not in bare:
        bare = bare.replace("\\\\", "\\")  # doubled by a JSON that was read once too little
    bare = bare.replace("{-}", "-").replace("{+}", "+")
    if re.fullmatch(r"\{[^{}\\]*,[^{}\\]*\}", bare):
        bare = "\\{" + bare[1:-1] + "\\}"
    try:
        return parse(bare.rstrip(" \\"))
    except BeyondGrammar:
        return Node("beyond")
    except (NotMathematics, ValueError, ZeroDivisionError, RecursionError):
        return None


def _is_apart(words: str, unit: re.Match[str]) -> bool:
    """Whether a unit is no tail of a product of letters: `5 cm`, `5cm`, not `xmin`."""
    return not words[unit.start() - 1].isalpha() or words[unit.start() : unit.start() + 1].isspace()


def _by_algebra(form: str, theirs: Node, reference: str) -> Compared | Undecided | None:
    ours = _tree_of(form)
    if ours is None:
        return None
    if "beyond" in (ours.kind, theirs.kind):
        return Undecided(plain(form), (plain(reference),))
    try:
        if _equal(_canonical(ours), _canonical(theirs)) or _equal_as_lists(form, reference):
            return EQUAL
        one, other = _canonical(ours), _canonical(theirs)
        offers = (
            one.kind in ("list", "set")
            and one.name != "±"
            and other.kind not in ("list", "set", "tuple", "union")
        )
        return AMBIGUOUS if offers and any(_equal(item, other) for item in one.args) else DIFFERS
    except BeyondGrammar:
        return Undecided(plain(form), (plain(reference),))
    except (RecursionError, Undefined):
        return NOT_AN_ANSWER


def _equal_as_lists(form: str, reference: str) -> bool:
    """Whether two lists are equal once the comma that groups thousands in one divides items.

    `100, 200` against `100,200`.
    """
    if not any(re.search(r"\d,\d{3}(?!\d)", words) for words in (form, reference)) or not (
        ", " in form or ", " in reference
    ):
        return False
    ours, theirs = (_tree_of(words.replace(",", ", ")) for words in (form, reference))
    return (
        ours is not None
        and theirs is not None
        and "beyond" not in (ours.kind, theirs.kind)
        and _equal(_canonical(ours), _canonical(theirs))
    )


def _as_number(words: str, reference: str) -> Compared:
    """Compare words that are no mathematics as a number with a unit, such as `5 apples`.

    The whole reference must be a number too.
    """
    answer, wanted = number_offered(words), number_offered(reference)
    if isinstance(answer, Number) and isinstance(wanted, Number):
        return EQUAL if is_same_number(answer, wanted) else DIFFERS
    return {"ambiguous": AMBIGUOUS, "not_evaluated": NOT_EVALUATED}.get(str(answer), DIFFERS)


def _canonical(tree: Node) -> Node:
    """The form in which answers are compared.

    Of an assignment its value, of a set or list its items; brackets around one value are left out.
    """
    while tree.kind == "group":
        tree = tree.args[0]
    if tree.kind == "relation":
        return _canonical_relation(tree)
    if tree.kind == "list":
        return _canonical_list(tree)
    if tree.kind in ("set", "tuple", "union", "intersection", "minus", "row", "matrix"):
        items = tuple(_canonical(item) for item in tree.args)
        return Node(tree.kind, items, tree.name)
    if _has_sign_of_two(tree):
        return Node("list", (Node("plus", (tree,)), Node("minus_of", (tree,))), "±")
    return tree


def _canonical_relation(tree: Node) -> Node:
    operators = tree.name.split()
    if operators == ["in"] and _is_name(tree.args[0]):
        return _canonical(tree.args[1])
    if set(operators) == {"="} and not names_of(tree) and _all_same(tree.args):
        return _canonical(tree.args[-1])
    equals = operators.index("=") if operators.count("=") == 1 else 0
    if len(operators) > 1 and equals and all(map(_is_name, tree.args[: equals + 1])):
        return _canonical(
            Node("relation", tree.args[equals + 1 :], " ".join(operators[equals + 1 :]))
        )
    if operators == [":"]:
        return Node("ratio", tree.args)
    if set(operators) == {"="} and _is_name(tree.args[0]):
        value = _canonical(tree.args[-1])
        first = tree.args[0]
        if first.kind == "tuple":
            return value
        if value.kind == "list":
            return Node(
                "list", tuple(Node("assign", (first, item)) for item in value.args), value.name
            )
        return Node("assign", (first, value))
    if len(operators) == 1 and operators[0] in FLIPPED:
        return Node("relation", (tree.args[1], tree.args[0]), FLIPPED[operators[0]])
    if len(operators) > 1 and all(operator in FLIPPED for operator in operators):
        return Node(
            "relation", tree.args[::-1], " ".join(FLIPPED[operator] for operator in operators[::-1])
        )
    return tree


def _all_same(sides: Sequence[Node]) -> bool:
    """Whether a chain of constants holds: 2^3 = 8."""
    return not any(map(_is_structure, sides)) and all(
        same_value(side, sides[-1]) for side in sides[:-1]
    )


def _canonical_list(tree: Node) -> Node:
    items = [_canonical(item) for item in tree.args]
    flat = [part for item in items for part in (item.args if item.kind == "list" else (item,))]
    if flat and flat[0].kind == "assign" and all(item.kind == "assign" for item in flat):
        names = {item.args[0] for item in flat}
        if (
            len(names) == len(flat) > 1
            and len({item.args[0].name.partition("_")[0] for item in flat}) == 1
        ):
            # x_1 = 2, x_2 = 3
            return Node("list", tuple(_value_of(item) for item in flat), tree.name)
        if len(names) == len(flat):
            return Node("assigns", tuple(flat))
    if flat and flat[0].kind == "assign":
        name = flat[0].args[0]
        if all(item.kind != "assign" or item.args[0] == name for item in flat):
            return Node("list", tuple(_value_of(item) for item in flat), tree.name)
    return Node("list", tuple(flat), tree.name)


def _is_name(tree: Node) -> bool:
    """What stands on the left of `x = 5`: a name, f(x), |AB|, AB, (x, y)."""
    if tree.kind in ("tuple",):
        return all(_is_name(item) for item in tree.args)
    if tree.kind == "call":
        return tree.args[0].kind == "group" and _is_name(tree.args[0].args[0])
    if tree.kind == "abs":
        return _is_name(tree.args[0])
    if tree.kind == "div":
        return all(map(_is_name, tree.args))
    if tree.kind == "mul":
        parts = _factors(tree)
        capitals = all(part.kind == "name" and part.name[:1].isupper() for part in parts)
        return capitals or (parts[0].kind == "name" and parts[0].name.startswith("\\angle"))
    return tree.kind == "name"


def _factors(tree: Node) -> list[Node]:
    return [*_factors(tree.args[0]), *_factors(tree.args[1])] if tree.kind == "mul" else [tree]


def _value_of(tree: Node) -> Node:
    return tree.args[1] if tree.kind == "assign" else tree


def _has_sign_of_two(tree: Node) -> bool:
    return tree.kind in ("pm", "mp") or any(_has_sign_of_two(argument) for argument in tree.args)


def _equal(ours: Node, theirs: Node) -> bool:
    """Whether two answers in canonical form are the same."""
    kinds = {ours.kind, theirs.kind}
    if kinds == {"assign"}:
        same_name = ours.args[0] == theirs.args[0]
        return (same_name and _equal(ours.args[1], theirs.args[1])) or _same_equation(
            _as_relation(ours), _as_relation(theirs)
        )
    if "assign" in kinds and "relation" in kinds:
        return _same_equation(_as_relation(ours), _as_relation(theirs))
    if "assign" in kinds:
        return _equal(_value_of(ours), _value_of(theirs))
    if "assigns" in kinds:
        return _equal_assignments(ours, theirs)
    if kinds <= {"list", "set"}:
        return _same_items(ours.args, theirs.args)
    if "relation" in kinds or "list" in kinds:
        return _equal_relations(ours, theirs)
    if kinds <= {"tuple", "union", "intersection", "minus", "matrix", "row", "ratio", "set"}:
        return _equal_structures(ours, theirs)
    if kinds & {"tuple", "union", "intersection", "minus", "matrix", "row", "ratio", "set"}:
        return False
    return _same_scalar(ours, theirs)


def _equal_assignments(ours: Node, theirs: Node) -> bool:
    """`p = 6, q = 31` against the same in any order, or against (6, 31)."""
    if ours.kind == theirs.kind:
        return _same_items(ours.args, theirs.args)
    values, other = (ours, theirs) if ours.kind == "assigns" else (theirs, ours)
    ordered = (other.kind == "tuple" and other.name == "()") or (
        other.kind == "list" and other.name == ","
    )
    return ordered and _same_in_order([_value_of(item) for item in values.args], other.args)


def _same_items(ours: Sequence[Node], theirs: Sequence[Node]) -> bool:
    """Equal items in any order."""
    if len(ours) != len(theirs) or len(ours) > 60:
        return False
    left = list(theirs)
    for item in ours:
        place = next((i for i, other in enumerate(left) if _equal(item, other)), None)
        if place is None:
            return False
        left.pop(place)
    return True


def _same_in_order(ours: Sequence[Node], theirs: Sequence[Node]) -> bool:
    return len(ours) == len(theirs) and all(
        _equal(one, other) for one, other in zip(ours, theirs, strict=True)
    )


def _equal_structures(ours: Node, theirs: Node) -> bool:
    if ours.kind != theirs.kind:
        return False
    if ours.kind in ("union", "intersection"):
        return _same_items(_flat(ours), _flat(theirs))
    return ours.name == theirs.name and _same_in_order(ours.args, theirs.args)


def _flat(tree: Node) -> list[Node]:
    return [
        part for item in tree.args for part in (_flat(item) if item.kind == tree.kind else [item])
    ]


def _equal_relations(ours: Node, theirs: Node) -> bool:
    """Equations and inequalities; one of a single name is also the interval it stands for."""
    if ours.kind == theirs.kind == "relation" and (
        _same_equation(ours, theirs) or _same_chain(ours, theirs)
    ):
        return True
    intervals = [_as_intervals(tree) for tree in (ours, theirs)]
    if (
        intervals[0] is None
        or intervals[1] is None
        or "relation" not in {ours.kind, theirs.kind, *(a.kind for a in ours.args + theirs.args)}
    ):
        return False
    return _same_items(intervals[0], intervals[1])


def _as_relation(tree: Node) -> Node:
    return Node("relation", tree.args, "=") if tree.kind == "assign" else tree


def _same_chain(ours: Node, theirs: Node) -> bool:
    return (
        ours.name == theirs.name
        and "=" not in ours.name.split()
        and _same_in_order(ours.args, theirs.args)
    )


def _same_equation(ours: Node, theirs: Node) -> bool:
    """Whether the differences of the sides are equal up to a factor: 2y = 2x and y = x."""
    if ours.name != theirs.name or len(ours.args) != 2 or ours.name not in ("=", "<", "<="):
        return False
    if names_of(ours) != names_of(theirs) or not names_of(ours):
        return False
    ratios: list[complex] = []
    for point in range(POINTS):
        try:
            one, other = (value_at(Node("sub", tree.args), point) for tree in (ours, theirs))
        except Undefined:
            continue
        if abs(other) < 1e-12 or abs(one) < 1e-12:
            if abs(one) > 1e-9 or abs(other) > 1e-9:
                return False
            continue
        ratios.append(complex(one) / complex(other))
    same = len(ratios) >= 3 and all(
        abs(ratio - ratios[0]) <= 1e-9 * abs(ratios[0]) for ratio in ratios
    )
    return same and (ours.name == "=" or (ratios[0].real > 0 and abs(ratios[0].imag) < 1e-9))


def _as_intervals(tree: Node) -> list[Node] | None:
    """The intervals of x >= 2, 1 < x < 3, of either of two such, or of a union."""
    if tree.kind == "tuple" and len(tree.args) == 2:
        return [tree]
    if tree.kind in ("union", "list") and (tree.kind == "union" or tree.name == "or"):
        parts = [
            _as_intervals(item) for item in (_flat(tree) if tree.kind == "union" else tree.args)
        ]
        return None if None in parts else [one for part in parts for one in part or []]
    return _interval_of(tree) if tree.kind == "relation" else None


def _interval_of(tree: Node) -> list[Node] | None:
    """2 <= x as [2, ∞), 1 < x < 3 as (1, 3); relations point to the right already."""
    operators, infinity = tree.name.split(), Node("name", (), "\\infty")
    if any(operator not in ("<", "<=") for operator in operators):
        return None
    opening, closing = ("(" if operators[0] == "<" else "["), (")" if operators[-1] == "<" else "]")
    if len(operators) == 2 and _is_name(tree.args[1]):
        ends, brackets = (tree.args[0], tree.args[2]), opening + closing
    elif (
        len(operators) == 1
        and tree.args[1].kind == "name"
        and not names_of(tree.args[0]) - {"\\infty"}
    ):
        ends, brackets = (tree.args[0], infinity), opening + ")"
    elif len(operators) == 1 and tree.args[0].kind == "name":
        ends, brackets = (Node("neg", (infinity,)), tree.args[1]), "(" + closing
    else:
        return None
    return [Node("tuple", ends, brackets)]


def _same_scalar(ours: Node, theirs: Node) -> bool:
    numbers = (_literal(ours), _literal(theirs))
    if numbers[0] is not None and numbers[1] is not None:
        return is_same_number(numbers[0], numbers[1])
    trees, signs = list[Node](), list[int]()
    for tree in (ours, theirs):
        signs.append(-1 if tree.kind == "minus_of" else 1)
        trees.append(tree.args[0] if tree.kind in ("plus", "minus_of") else tree)
    if any(_is_structure(tree) for tree in trees):
        return False
    return same_value(trees[0], trees[1], signs[0], signs[1])


def _is_structure(tree: Node) -> bool:
    return tree.kind in ("tuple", "set", "list", "relation", "matrix", "beyond") or any(
        map(_is_structure, tree.args)
    )


def _literal(tree: Node) -> Number | None:
    """A number as it is written: signed, a fraction, mixed, with a percent or degree sign."""
    if tree.kind == "num":
        return Number(tree.value, decimals=tree.decimals or 0)
    if (
        tree.kind in ("neg", "degree", "percent", "group")
        and (inner := _literal(tree.args[0])) is not None
    ):
        value = -inner.value if tree.kind == "neg" else inner.value
        return Number(value, inner.percent or tree.kind == "percent", inner.decimals)
    if tree.kind in ("div", "mixed"):
        parts = [_literal(argument) for argument in tree.args]
        one, other = parts[0], parts[1]
        if one is None or other is None or (tree.kind == "div" and not other.value):
            return None
        if tree.kind == "div" and "div" in (tree.args[0].kind, tree.args[1].kind):
            return None
        return Number(
            one.value / other.value if tree.kind == "div" else one.value + other.value,
            decimals=None,
        )
    return None
