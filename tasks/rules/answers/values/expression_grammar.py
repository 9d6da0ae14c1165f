"""The grammar of mathematical answers, LaTeX or plain: words in, a tree or a reason out.

    answer     = alternative {("or" | "and" | "," | ";") alternative}
    alternative = union {relation union}            x = 2, 1 < x <= 3, x \\in [0, 1]
    union      = sum {(\\cup | \\cap | \\setminus) sum}
    sum        = [sign] product {("+" | "-" | "±" | "∓") product}
    product    = power {["*" | "/"] power}          a factor may stand beside the next: 2x, 3(x+1)
    power      = atom {"^" atom | "!" | "'" | "°" | "%"}
    atom       = number | name | "(" answer ")" | interval | set | |sum| | \\frac | \\sqrt |
    function | matrix

What is no answer of that form is `NotMathematics`; what is mathematics beyond it (an integral) is
`BeyondGrammar`.
"""

import re
from dataclasses import dataclass
from fractions import Fraction
from typing import NoReturn

from tasks.rules.answers.values.spelling import plain

# Characters. A value is shorter; a longer text would cost the parser seconds per path.
LONGEST = 2000
# brackets within brackets: each costs the parser several calls, and Python allows 1000 in all
DEEPEST = 40
# 1+1+1+... nests on its left; a function that reads a tree calls itself once or twice per level
DEEPEST_TREE = 120


class NotMathematics(Exception):
    """The words are no expression of this grammar."""


class BeyondGrammar(Exception):
    """The words are mathematics that only an algebra system reads: integrals, sums, limits."""


@dataclass(frozen=True)
class Node:
    """One node of a tree: an operator with arguments, a name, or a number with its decimals."""

    kind: str
    args: tuple["Node", ...] = ()
    name: str = ""
    value: Fraction = Fraction(0)
    decimals: int | None = None


# names that mathematics writes as commands; each is one variable, not a product of letters
GREEK = (
    "alpha beta gamma delta epsilon varepsilon zeta eta theta vartheta iota kappa lambda mu nu xi"
    " rho varrho sigma tau upsilon phi varphi chi psi omega Gamma Delta Theta Lambda Xi Pi Sigma"
    " Upsilon Phi Psi Omega ell hbar aleph nabla"
)
NAMES = frozenset(GREEK.split())
# applied without brackets too: `\sin x`, `log 5`
FUNCTION_WORDS = (
    "sin cos tan cot sec csc arcsin arccos arctan sinh cosh tanh coth ln log lg exp arcsinh arccosh"
    " arctanh arccot sgn det gcd lcm max min re im arg deg dim ker"
)
FUNCTIONS = frozenset(FUNCTION_WORDS.split())
# each spelling with the sign it stands for
RELATION_PAIRS = (
    "=→= <→< >→> <=→<= >=→>= !=→!= :→: \\le→<= \\leq→<= \\leqslant→<= \\ge→>= \\geq→>="
    " \\geqslant→>= \\lt→< \\gt→> \\ne→!= \\neq→!= \\in→in \\equiv→== \\colon→: \\sim→~ \\to→->"
    " \\mid→mid"
)
# words that stand for a sign, in plain text as models write it: `sqrt(2)`, `30 degrees`, `x or y`
WORD_PAIRS = (
    "sqrt→\\sqrt pi→\\pi infinity→\\infty infty→\\infty inf→\\infty oo→\\infty infinite→\\infty"
    " or→or and→and in→\\in union→\\cup cup→\\cup theta→\\theta alpha→\\alpha beta→\\beta phi→\\phi"
    " degrees→° degree→° deg→° percent→% pct→%"
)
# Unicode's signs. An underscore stands for the blank that ends a command, so that `∪A` becomes
# `\cup A` and not `\cupA`.
SIGN_PAIRS = (
    "·→* ×→* ∙→* ⋅→* ÷→/ −→- º→° ′→' ’→' ∪→\\cup_ ∩→\\cap_ ∈→\\in_ ≤→\\le_ ≥→\\ge_ ≠→\\ne_"
    " √→\\sqrt_ ∛→\\cbrt_ ∞→\\infty_ π→\\pi_ ±→\\pm_ ∓→\\mp_ ∅→\\emptyset_ ∠→\\angle_ △→\\triangle_"
    " ⟨→\\langle_ ⟩→\\rangle_ ⌊→\\lfloor_ ⌋→\\rfloor_ ∫→\\int_ ∑→\\sum_ ℝ→\\mathbb{R} θ→\\theta_"
    " α→\\alpha_ β→\\beta_ γ→\\gamma_ δ→\\delta_ Δ→\\Delta_ λ→\\lambda_ μ→\\mu_ φ→\\phi_ ω→\\omega_"
    " σ→\\sigma_ Σ→\\Sigma_ Ω→\\Omega_ ε→\\epsilon_"
)


def _pairs(pairs: str) -> dict[str, str]:
    return {spelling: sign for spelling, _, sign in (pair.partition("→") for pair in pairs.split())}


RELATIONS, WORDS = _pairs(RELATION_PAIRS), _pairs(WORD_PAIRS)
SIGNS = str.maketrans({sign: name.replace("_", " ") for sign, name in _pairs(SIGN_PAIRS).items()})
SETWISE = {
    "\\cup": "union",
    "\\cap": "intersection",
    "\\setminus": "minus",
    "\\backslash": "minus",
    "\\bigcup": "union",
}
# sizes and blanks of TeX, which change no value
SKIPPED_WORDS = (
    "\\left \\right \\big \\Big \\bigg \\Bigg \\bigl \\bigr \\Bigl \\Bigr \\biggl \\biggr"
    " \\displaystyle \\textstyle \\limits \\nolimits \\middle \\scriptstyle \\, \\; \\: \\! \\quad"
    " \\qquad \\( \\) \\[ \\]"
)
SKIPPED = frozenset({*SKIPPED_WORDS.split(), "\\ "})
# `\overline{AB}`, `\angle ABC`: the command and its letters are one name
NAMING = frozenset(
    {
        "\\overline",
        "\\vec",
        "\\hat",
        "\\bar",
        "\\overrightarrow",
        "\\mathbb",
        "\\mathcal",
        "\\angle",
        "\\triangle",
    }
)
# `BeyondGrammar` where such a sign stands, so that algebra is asked before an answer is refused
BEYOND_WORDS = (
    "\\int \\iint \\oint \\sum \\prod \\lim \\partial \\sup \\inf \\pmod \\bmod \\mod \\oplus"
    " \\otimes"
)
BEYOND = frozenset(BEYOND_WORDS.split())
# each of text, number (with its thousands), command, word, sign
TOKEN = re.compile(
    # `\text{ or }`: the words inside are one token
    r"\\(?:text|mathrm|textbf|textit|textrm|mbox|operatorname|mathbf|boldsymbol|mathit"
    r"|textnormal|mathsf)\*?\s*\{(?P<text>[^{}]*)\}"
    # `1'234.5`, `1,234`, `.5`, `1.5e-3`; not `1,23`, which is a list
    r"|(?P<number>\d{1,3}(?:'\d{3})+(?:\.\d+)?|\d{1,3}(?:,\d{3})+(?![\d,])(?:\.\d+)?"
    r"|(?:\d+(?:\.\d+)?|\.\d+)(?:[eE][-+]?\d+(?![\d.]))?)"
    # `\begin{pmatrix}`, `\begin{array}{cc}`
    r"|(?P<environment>\\(?:begin|end)\s*\{[a-zA-Z]+\*?\}(?:\{[lcr|]*\})?)"
    r"|(?P<command>\\(?:[a-zA-Z]+|.))"
    # letters are cut further by _split_word
    r"|(?P<word>[a-zA-Z]+)|(?P<sign><=|>=|!=|\*\*|\S)",
    re.DOTALL,
)
# what can stand directly behind a factor and multiply it: `2(x+1)`, `2\sqrt{3}`
BEGINNINGS = frozenset(
    {"(", "[", "{", "\\{", "\\sqrt", "\\frac", "\\pi", "\\infty", "\\binom", "\\cbrt"}
    | {"\\lvert", "\\lfloor", "\\lceil"}
)
OPENING, CLOSING = {"(", "[", "\\{", "\\langle"}, {")", "]", "\\}", "\\rangle"}
# a unit at the end: `5 cm^2`, `60 miles`, `3 square units`; taken off before parsing, or `cm` would
# be c times m
UNITS = re.compile(
    r"(?:\s*\\?[ ,~]?(?:(?:square|cubic|sq\.?)\s+)?(?:degrees?|cm|mm|km|kg|mg|ml|meters?"
    r"|metres?|feet|foot|ft|inch(?:es)?|in\.|miles?"
    r"|yards?|units?|seconds?|sec|minutes?|min|hours?|hrs?|days?|weeks?|months?|years?|dollars?"
    r"|cents?|percent|mph|grams?"
    r"|lit(?:er|re)s?|points?|ways|square units|cubic units|rad(?:ian)?s?|bits?|people"
    r"|students)\s*(?:\^\s*\{?\d\}?)?)+\s*\.?\s*$",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class Token:
    """One token; `spaced` when a blank stands in front of it."""

    kind: str
    text: str
    spaced: bool = False


def tokens_of(words: str) -> list[Token]:
    """The tokens of an answer; a comma between digits groups thousands only outside brackets."""
    words = (
        plain(words)
        .replace("$", " ")
        .replace("\\dfrac", "\\frac")
        .replace("\\tfrac", "\\frac")
        .replace("\\cfrac", "\\frac")
    )
    words = words.replace("\\%", "%").translate(SIGNS).replace("~", " ")
    found: list[Token] = []
    depth = 0
    place = 0
    while match := TOKEN.search(words, place):
        kind = match.lastgroup or "sign"
        text = match[kind]
        place = match.end()
        spaced = match.start() > 0 and words[match.start() - 1].isspace()
        if kind == "command" and text in SKIPPED:
            continue
        if kind == "environment":
            depth += 1 if "begin" in text else -1
        if kind == "number" and "," in text and depth > 0:
            text = re.match(r"\d+", text)[0]  # type: ignore[index]
            place = match.start() + len(text)
        depth += (text in OPENING) - (text in CLOSING)
        found.extend(_split_word(text, spaced) if kind == "word" else [Token(kind, text, spaced)])
    return found


def _split_word(word: str, spaced: bool) -> list[Token]:
    """A word of mathematics, or the letters of a product; a longer word is no mathematics."""
    low = word.lower() if len(word) > 2 else word
    if low in WORDS:
        return [Token("command" if WORDS[low][0] == "\\" else "sign", WORDS[low], spaced)]
    if low in FUNCTIONS:
        return [Token("command", "\\" + low, spaced)]
    # `2xpi`, `xsin`: at most two letters may stand before it, more are a word of English
    for name in ("sqrt", "pi", "sin", "cos", "tan", "log", "ln"):
        if word.endswith(name) and len(word) <= len(name) + 2:
            return [
                *(Token("word", letter) for letter in word[: -len(name)]),
                Token("command", WORDS.get(name, "\\" + name)),
            ]
    if len(word) > 3:
        raise NotMathematics(word)
    return [Token("word", letter, spaced and not place) for place, letter in enumerate(word)]


def parse(words: str) -> Node:
    """The tree of an answer. Raises NotMathematics or BeyondGrammar."""
    if len(words) > LONGEST:
        raise NotMathematics("too long")
    found = tokens_of(words)
    parser = _Parser(found)
    tree = parser.answer()
    if parser.place < len(found):
        parser.fail()
    # checked once here: whatever walks the tree afterwards may recurse without a guard of its own
    if _is_deeper(tree, DEEPEST_TREE):
        raise NotMathematics("too deep")
    return tree


def _is_deeper(tree: Node, levels: int) -> bool:
    nodes: tuple[Node, ...] = (tree,)
    for _ in range(levels):
        nodes = tuple(argument for node in nodes for argument in node.args)
    return bool(nodes)


class _Parser:
    """A recursive descent over the tokens; each method reads one rule of the grammar above."""

    def __init__(self, tokens: list[Token]) -> None:
        self.tokens = tokens
        self.place = 0
        self.depth = 0
        self.in_bars = 0

    def peek(self, ahead: int = 0) -> str:
        place = self.place + ahead
        return self.tokens[place].text if place < len(self.tokens) else ""

    def peek_kind(self) -> str:
        return self.tokens[self.place].kind if self.place < len(self.tokens) else ""

    def take(self, text: str = "") -> str:
        if self.place >= len(self.tokens) or (text and self.peek() != text):
            self.fail()
        self.place += 1
        return self.tokens[self.place - 1].text

    def fail(self) -> NoReturn:
        if any(token.text in BEYOND for token in self.tokens):
            raise BeyondGrammar(self.peek())
        raise NotMathematics(self.peek())

    def answer(self) -> Node:
        """Alternatives; a comma list is `list`, one joined by or/and is too."""
        self.depth += 1
        if self.depth > DEEPEST:
            raise NotMathematics("too deep")
        items, separators = [self.alternative()], set[str]()
        while self._separator():
            separators.add(self._take_separator())
            if not self.peek() or self.peek() in CLOSING:
                break
            items.append(self.alternative())
        self.depth -= 1
        return (
            items[0]
            if len(items) == 1 and not separators
            else Node("list", tuple(items), "or" if "or" in separators else ",")
        )

    def _separator(self) -> bool:
        token = self.peek()
        return token in (",", ";", "or", "and", "\\lor", "\\land", "\\vee", "\\wedge") or (
            self.peek_kind() == "text" and token.strip(" ,").lower() in ("or", "and", "")
        )

    def _take_separator(self) -> str:
        words: set[str] = set()
        while self._separator():
            words.add(self.take().strip(" ,").lower())
        return "or" if words & {"or", "\\lor", "\\vee"} else ","

    def alternative(self) -> Node:
        sides, operators = [self.union()], list[str]()
        while self.peek() in RELATIONS and self.peek_kind() in ("sign", "command"):
            operators.append(RELATIONS[self.take()])
            sides.append(self.union())
        return sides[0] if not operators else Node("relation", tuple(sides), " ".join(operators))

    def union(self) -> Node:
        tree = self.sum()
        while self.peek() in SETWISE:
            tree = Node(SETWISE[self.take()], (tree, self.sum()))
        return tree

    def sum(self) -> Node:
        tree = self._signed()
        while self.peek() in ("+", "-", "\\pm", "\\mp"):
            sign = self.take()
            tree = Node(
                {"+": "add", "-": "sub", "\\pm": "pm", "\\mp": "mp"}[sign], (tree, self.product())
            )
        return tree

    def _signed(self) -> Node:
        sign = self.peek()
        if sign not in ("+", "-", "\\pm", "\\mp"):
            return self.product()
        self.take()
        # `--5` is no answer
        if self.peek() in ("+", "-"):
            self.fail()
        zero = Node("num")
        tree = self.product()
        return (
            tree
            if sign == "+"
            else Node(
                {"-": "neg"}.get(sign, "pm" if sign == "\\pm" else "mp"),
                (tree,) if sign == "-" else (zero, tree),
            )
        )

    def product(self) -> Node:
        tree = self.power()
        while True:
            token = self.peek()
            if token in ("*", "\\cdot", "\\times", "\\ast"):
                self.take()
                tree = Node("mul", (tree, self._factor()))
            elif token in ("/", "\\div"):
                self.take()
                tree = Node("div", (tree, self._factor()))
            elif self._begins_factor():
                tree = self._beside(tree)
            else:
                return tree

    def _factor(self) -> Node:
        if self.peek() == "-":
            self.take()
            return Node("neg", (self.power(),))
        return self.power()

    def _begins_factor(self) -> bool:
        token, kind = self.peek(), self.peek_kind()
        if token == "|":
            return not self.in_bars
        if kind in ("number", "word") or token in BEGINNINGS or token.startswith("\\begin"):
            return True
        return kind == "command" and (
            token[1:] in NAMES or token[1:] in FUNCTIONS or token in NAMING
        )

    def _beside(self, tree: Node) -> Node:
        """Two factors side by side: `2 1/2` is a mixed number, `2x` a product, `2 3` nothing."""
        if self.peek_kind() == "number" and _ends_in_number(tree):
            if tree.kind != "num" or tree.value.denominator != 1 or self.peek(1) != "/":
                self.fail()
            top = self.power()
            self.take("/")
            return Node("mixed", (tree, Node("div", (top, self.power()))))
        if (
            self.peek() == "\\frac"
            and tree.kind == "num"
            and tree.value.denominator == 1
            and tree.value > 0
        ):
            fraction = self.power()
            plain_fraction = fraction.kind == "div" and all(
                arg.kind == "num" for arg in fraction.args
            )
            return Node("mixed" if plain_fraction else "mul", (tree, fraction))
        return Node("mul", (tree, self.power()))

    def power(self) -> Node:
        tree = self.atom()
        while True:
            token = self.peek()
            if token in ("^", "**"):
                self.take()
                if self.peek() == "\\circ" or (self.peek() == "{" and self.peek(1) == "\\circ"):
                    self._skip_degree()
                    tree = Node("degree", (tree,))
                elif self.peek() == "\\prime" or self.peek() == "'":
                    self.take()
                    tree = self._primed(tree)
                else:
                    tree = Node("pow", (tree, self._exponent()))
            elif token == "!":
                self.take()
                tree = Node("factorial", (tree,))
            elif token == "'":
                self.take()
                tree = self._primed(tree)
            elif token in ("°", "\\circ", "\\degree"):
                self.take()
                tree = Node("degree", (tree,))
            elif token == "%":
                self.take()
                tree = Node("percent", (tree,))
            else:
                return tree

    def _skip_degree(self) -> None:
        if self.take() == "{":
            self.take()
            self.take("}")

    def _primed(self, tree: Node) -> Node:
        """f' is another name than f; f'(x) a function of its own."""
        if tree.kind not in ("name", "call"):
            self.fail()
        if self.peek() == "(":
            return Node("call", (self.group(),), tree.name + "'")
        return Node(tree.kind, tree.args, tree.name + "'")

    def _exponent(self) -> Node:
        if self.peek() == "{":
            return self.braced()
        if self.peek() == "-":
            self.take()
            return Node("neg", (self.atom(),))
        return self.atom()

    def braced(self) -> Node:
        self.take("{")
        tree = self.answer()
        self.take("}")
        return tree

    def group(self) -> Node:
        """( ... ), [ ... ] or a mixture of the two: a group of one, else a tuple or an interval."""
        opening = self.take()
        if self.peek() in (")", "]"):
            self.fail()
        # A bracket within |...| begins afresh: in |(|x|)| the inner bar opens, and does not close
        # the outer one.
        bars, self.in_bars = self.in_bars, 0
        tree = self.answer()
        self.in_bars = bars
        closing = self.take()
        if closing not in (")", "]", "\\rangle"):
            self.fail()
        items = tree.args if tree.kind == "list" else (tree,)
        if tree.kind == "list" or (opening, closing) not in (("(", ")"), ("[", "]")):
            ends = (opening + closing).replace("\\langle", "(").replace("\\rangle", ")")
            return Node("tuple", items, ends)
        return Node("group", items)

    def atom(self) -> Node:
        self.depth += 1
        if self.depth > DEEPEST:
            raise NotMathematics("too deep")
        tree = self._atom()
        self.depth -= 1
        return tree

    def _atom(self) -> Node:
        token, kind = self.peek(), self.peek_kind()
        if kind == "number":
            self.take()
            return self._based(_number(token))
        if kind == "word":
            self.take()
            return self._named(token)
        if token in ("(", "[", "\\langle"):
            return self.group()
        if token == "{":
            return self.braced()
        if token == "\\{":
            return self._set()
        if token in ("|", "\\lvert", "\\vert", "\\|"):
            return self._bars()
        return self._command()

    def _based(self, number: Node) -> Node:
        """10_2 is a numeral of another base: a name of its own."""
        if self.peek() != "_":
            return number
        self.take()
        base = self.braced() if self.peek() == "{" else self.atom()
        return Node("name", (), f"{number.value}_base_{base.value}")

    def _named(self, name: str) -> Node:
        if self.peek() == "_":
            self.take()
            name += "_" + self._subscript()
        if self.peek() == "(" and name in ("f", "g", "h", "P", "F", "G"):
            return Node("call", (self.group(),), name)
        return Node("name", (), name)

    def _subscript(self) -> str:
        if self.peek() != "{":
            return self.take()
        parts: list[str] = []
        self.take("{")
        while self.peek() not in ("}", ""):
            parts.append(self.take())
        self.take("}")
        return "".join(parts)

    def _set(self) -> Node:
        self.take("\\{")
        if self.peek() == "\\}":
            self.take()
            return Node("set")
        tree = self.answer()
        self.take("\\}")
        return Node("set", tree.args if tree.kind == "list" else (tree,))

    def _bars(self) -> Node:
        opening = self.take()
        closing = {"\\lvert": "\\rvert"}.get(opening, opening)
        self.in_bars += 1
        tree = self.sum()
        self.in_bars -= 1
        self.take(closing)
        return Node("abs", (tree,))

    def _command(self) -> Node:
        token = self.take()
        name = token[1:]
        if name in NAMES:
            return self._named(token)
        if name in FUNCTIONS:
            return self._function(name)
        if token in ("\\pi", "\\infty"):
            return Node("name", (), token)
        if token in ("\\emptyset", "\\varnothing"):
            return Node("set")
        if token in ("\\frac", "\\binom", "\\dbinom", "\\tbinom"):
            return Node(
                "div" if token == "\\frac" else "binomial", (self._argument(), self._argument())
            )
        if token in ("\\sqrt", "\\cbrt"):
            return (
                self._root()
                if token == "\\sqrt"
                else Node("root", (self._argument(), _number("3")))
            )
        if token in ("\\lfloor", "\\lceil"):
            tree = self.sum()
            self.take("\\r" + token[2:])
            return Node(token[2:], (tree,))
        if token.startswith("\\begin"):
            return self._matrix(token)
        if token in NAMING:
            return Node("name", (), token + self._letters())
        self.place -= 1
        return self.fail()

    def _letters(self) -> str:
        braced = self.peek() == "{"
        if braced:
            self.take()
        letters = ""
        while self.peek_kind() == "word" or (braced and self.peek() not in ("}", "")):
            letters += self.take()
        if braced:
            self.take("}")
        return letters or self.take()

    def _argument(self) -> Node:
        """The argument of \\frac or \\sqrt: braces, or one digit or letter (\\frac12)."""
        if self.peek() == "{":
            return self.braced()
        token = self.tokens[self.place] if self.place < len(self.tokens) else None
        if token and token.kind == "number" and len(token.text) > 1 and token.text.isdigit():
            self.tokens[self.place : self.place + 1] = [
                Token("number", token.text[0]),
                Token("number", token.text[1:]),
            ]
        return self.atom()

    def _root(self) -> Node:
        degree: Node | None = None
        if self.peek() == "[":
            self.take()
            degree = self.sum()
            self.take("]")
        if self.peek() == "{":
            radicand = self.braced()
        else:
            radicand = self.atom()
        return Node("root", (radicand, degree or _number("2")))

    def _function(self, name: str) -> Node:
        """A function of a group, or else of the factors beside it (`\\sin 2x`, `\\log_2 8`)."""
        base: tuple[Node, ...] = ()
        power: Node | None = None
        while self.peek() in ("_", "^"):
            if self.take() == "_":
                base = (self.braced() if self.peek() == "{" else self.atom(),)
            else:
                power = self._exponent()
        if self.peek() in ("(", "{", "["):
            argument = self.braced() if self.peek() == "{" else self.group()
        else:
            argument = self._factor()
            while (
                self._begins_factor()
                and self.peek()[1:] not in FUNCTIONS
                and self.peek() not in ("(", "[")
            ):
                argument = self._beside(argument)
        tree = Node("function", (argument, *base), name)
        inverse = power is not None and power.kind == "neg"
        if inverse:
            return Node("function", (argument, *base), "arc" + name)
        return Node("pow", (tree, power)) if power else tree

    def _matrix(self, opening: str) -> Node:
        if not re.search(r"\{(?:[pbvB]|small)?matrix|\{array", opening):
            self.fail()
        rows, cells = list[Node](), list[Node]()
        while True:
            cells.append(self.answer())
            token = self.take()
            if token != "&":
                rows.append(Node("row", tuple(cells)))
                cells = []
            if token == "\\\\" and self.peek().startswith("\\end"):
                token = self.take()
            if token.startswith("\\end"):
                return Node("matrix", tuple(rows), "|" if "vmatrix" in opening else "")
            if token not in ("\\\\", "&"):
                self.fail()


def _number(text: str) -> Node:
    digits, _, exponent = text.lower().replace("'", "").replace(",", "").partition("e")
    decimals = len(digits.partition(".")[2])
    if len(text) > 400 or abs(int(exponent or 0)) > 5000:
        raise NotMathematics("a number too long")
    value = Fraction(digits) * Fraction(10) ** int(exponent or 0)
    return Node("num", value=value, decimals=max(0, decimals - int(exponent or 0)))


def _ends_in_number(tree: Node) -> bool:
    while tree.kind in ("mul", "div", "neg", "add", "sub") and tree.args:
        tree = tree.args[-1]
    return tree.kind in ("num", "mixed")
