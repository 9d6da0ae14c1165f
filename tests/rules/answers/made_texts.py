"""Random texts, right or wrong by construction, one generator per kind of misreading."""

from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from random import Random

from storage.records import AnswerKind
from tasks.rules.answers.verdicts import Case

STATEMENTS = (
    "The answer is {}.",
    "So the answer is {}.",
    "Answer: {}",
    "**Final Answer:** {}",
    "The final answer is: ${}$",
    "Therefore $\\boxed{{{}}}$.",
    "#### {}",
    "## Answer\n\n{}",
    'The answer to the question "What is 3 times 7?" is {}.',
)
PROSE = ("The answer is {}.", "So the answer is {}.", "Answer: {}", "The final answer is {}.")
UNITS = ("", " apples", " km", " dollars", " hours", " people")
TALK = (
    "I hope this answer is helpful!",
    "The answer is positive, as expected.",
    "This answer is consistent with the text.",
    "Let me know if you want a different answer: I can help.",
    "The answer is correct.",
    "Note that the answer is exact.",
    "Some might think the answer is {other}, but that is wrong.",
    "A common wrong answer is {other}.",
    "If the answer were {other}, something would be missing.",
    "The answer is divisible by {other}.",
    "There are {other} steps.",
    "I don't think the answer is {other}.",
)
DENIALS = (
    "I don't think the answer is {}.",
    "It is not true that the answer is {}.",
    "The answer is not {}.",
    "The answer cannot be {}.",
    "I doubt that the answer is {}.",
    "One might think the answer is {}.",
    "If the answer is {}, we are done.",
    "The wrong answer is {}.",
    "It is false that the answer is {}.",
    "The answer is anything but {}.",
    "Nobody would say the answer is {}.",
    "Is the answer {}?",
)
RETRACTIONS = (
    "No wait, {}.",
    "Wait, no: {}.",
    "Actually, it is {}.",
    "Correction: {}.",
    "Oops, it should be {}.",
    "Scratch that, {}.",
    "On second thought, {}.",
    "No, the answer is {}.",
    "I made a mistake. The answer is {}.",
)
# what puts an answer in doubt, and what then takes its place; any of the first with any of the
# second
DOUBTS = (
    "However, that does not match.",
    "Hmm, let me recheck.",
    "But I counted one of them twice.",
    "But that's if we ignore Sunday.",
    "Don't trust that;",
    "That can't be.",
    "Not so fast.",
    "Let me think again.",
    "Well,",
    "This does not add up.",
    "Still, the problem asks for more.",
    "Not quite:",
    "I misread the question.",
    "Ignore the above;",
    "Yet the last one is missing.",
    "In fact,",
    "Oh no, I forgot the last one.",
)
REPLACEMENTS = (
    "it's {}.",
    "The result is {}.",
    "so it should be {} clips.",
    "Thus it must be {}.",
    "the correct count is {}.",
    "We get {} instead.",
    "Including Sunday it's {}.",
    "That makes {} in total.",
    "it is {}, not {first}.",
    "So {} it is.",
    "The total is {}.",
    "It is not {first} but {}.",
    "{}.",
    "{} is right.",
)
OFFERED_AFTER = (
    "Or {}?",
    "Or maybe {}.",
    "Perhaps {}.",
    "It could also be {}.",
    "Alternatively, {}.",
    "It might be {}.",
)
KEPT = (
    "However, this ignores tax.",
    "But if we count Sunday too, it becomes {other}.",
    "However, some students get {other} because they count one twice.",
    "Not {other}, because one of them is broken.",
    "It is not {other}.",
    "Although it may look like {other}, it is {value}.",
    "But the question is easy. Another way: {value} = {value}.",
    "**Explanation:** There are {other} students. However, some are absent.",
    "Don't forget that a week has 7 days.",
    "Hmm, {other} would be too many.",
    "Recheck: the result is {value}.",
    "But remember that the first number is {other}.",
    "Still, a discount of {other}% is possible.",
    "However, in practice one would buy {other} to be safe.",
    "Let me double-check: {other} - {apart} = {value}. Good.",
    "In fact, the smallest such number is {other}.",
    "The other root doesn't make sense.",
    "But why? Because {other} - {apart} = {value}.",
)
DELIMITERS = (
    "The answer is:\n\\[\n{}\n\\]",
    "The answer is\n$$\n{}\n$$",
    "Answer:\n```\n{}\n```",
    "Answer:\n> {}",
    "Answer:\n- {}",
    "Answer:\n* {}",
    "**Answer:**\n\n{}",
    "The answer is ... {}",
    "The answer is \\({}\\).",
    "Answer: `{}`",
    "The answer is **{}**.",
    "The answer is <b>{}</b>.",
    "Answer - {}",
    "**Answer** – {}",
    "So it is \\boxed {}.",
    "Answer:\n\\begin{{align*}}\n{}\n\\end{{align*}}",
)
BOUNDS = (
    "{} or more",
    "{} or fewer",
    "at least {}",
    "more than {}",
    "up to {}",
    "{} lakh",
    "{} million",
    "{} tenths",
    "{}+",
    "{} times as much",
    "{} at most",
    "less than {}",
    "{}-fold",
    "{} squared",
    "over {}",
    "the average of {}",
    "the difference between {}",
    "{}'",
    "{}...{}9",
    "{} dozen",
)
ALGEBRA = (
    "{} + x",
    "{} - y",
    "{}x",
    "{}(x+1)",
    "{} pi",
    "\\frac{{{}}}{{x}}",
    "x^{}",
    "\\sqrt{{{}}}",
    "{}\\sqrt{{2}}",
    "log {}",
    "({}, {})",
    "{}!",
    "x^2 = {}",
    "{}(1+0.05)",
    "x_{}",
    "the square root of {}",
    "e^{}",
    "{}i",
    "{} < x",
)


CUT_OFF = (
    "The answer is {}.",
    "The answer is {}",
    "So it is \\boxed{{{}",
    "Answer: ${}",
    "The answer is {},",
)


@dataclass(frozen=True)
class Made:
    """A case and whether its answer is right: True, False, or None where it is right not to judge
    it.
    """

    case: Case
    right: bool | None


def whole(draw: Random) -> int:
    return draw.choice(
        (draw.randint(2, 99), draw.randint(100, 9_999), draw.randint(10_000, 9_999_999))
    )


def another(draw: Random, value: int) -> int:
    return draw.choice(
        [
            other
            for other in (value + 1, value - 1, value * 10, value + 10, -value)
            if other != value
        ]
    )


def number(text: str, answer: object, right: bool | None, finish_reason: str = "stop") -> Made:
    return Made(Case(text, str(answer), "number", (), finish_reason), right)


def signs(draw: Random) -> Made:
    value = whole(draw)
    words = draw.choice(
        ("-{}", "- {}", "−{}", "negative {}", "minus {}", "-${}", "- about {}", "-\\,{}")
    ).format(value)
    right = draw.random() < 0.5
    return number(draw.choice(PROSE).format(words), -value if right else value, right)


def fractions_in_words(draw: Random) -> Made:
    parts = {"half": 2, "third": 3, "quarter": 4, "fifth": 5, "sixth": 6, "eighth": 8, "tenth": 10}
    words = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
    name, below = draw.choice(list(parts.items()))
    top, ahead = draw.randint(1, 9), draw.randint(1, 9)
    plural = ("halves" if name == "half" else f"{name}s") if top > 1 else name
    value, said = Fraction(top, below), f"{draw.choice((words[top], str(top)))} {plural}"
    if draw.random() < 0.5:
        value, said = (
            ahead + Fraction(1, below),
            f"{draw.choice((words[ahead], str(ahead)))} and {draw.choice(('a', 'one'))} {name}",
        )
    unit = draw.choice(("", " hours", " cups"))
    right = draw.random() < 0.5
    wrong = draw.choice([other for other in (top, ahead, value + 1) if other != value])
    return number(f"The answer is {said}{unit}.", value if right else wrong, right)


def bounds_and_scales(draw: Random) -> Made:
    value = whole(draw)
    return number(draw.choice(PROSE).format(draw.choice(BOUNDS).format(value, value)), value, False)


def variables(draw: Random) -> Made:
    value = draw.randint(3, 99)
    form = draw.choice(ALGEBRA)
    statement = draw.choice(
        STATEMENTS if "!" not in form else ("Therefore $\\boxed{{{}}}$.", "The answer is ${}$.")
    )
    if draw.random() < 0.2:
        return number(draw.choice(STATEMENTS).format(f"x = {value}"), value, True)
    return number(statement.format(form.format(value, value + 1)), value, False)


def brackets(draw: Random) -> Made:
    """a(x+b)(x+c) against what it comes to, and against one with a sign or number changed."""
    a, b, c = (
        draw.randint(2, 9),
        draw.choice((-3, -2, -1, 1, 2, 3)),
        draw.choice((-7, -5, -4, 4, 5, 7)),
    )
    factored = f"{a}(x{b:+d})(x{c:+d})"
    expanded = f"{a}x^2{a * (b + c):+d}x{a * b * c:+d}"
    if draw.random() < 0.5:
        return expression(draw, expanded, factored, True)
    return expression(draw, f"{a}(x{-b:+d})(x{c:+d})", draw.choice((factored, expanded)), False)


def expression(draw: Random, words: str, answer: str, right: bool) -> Made:
    statement = draw.choice(("Therefore $\\boxed{{{}}}$.", "The answer is ${}$.", "Answer: ${}$"))
    return Made(Case(statement.format(words), answer, "expression"), right)


SPELLINGS = (
    ("2√{0}", "2\\sqrt{{{0}}}"),
    ("{0}pi", "{0}\\pi"),
    ("ln({0})", "\\ln {0}"),
    ("{0}·x", "{0}x"),
    ("(x,y)=({0},{1})", "({0},{1})"),
    ("\\angle ABC = {0}^\\circ", "{0}^\\circ"),
    ("\\pm {0}", "{0}, -{0}"),
    ("x={0} \\text{{ or }} x={1}", "\\{{{0},{1}\\}}"),
    ("x = {0}, {1}", "{0},{1}"),
    ("x \\ge {0}", "[{0},\\infty)"),
    ("{0} < x \\le {1}", "({0},{1}]"),
    ("a={0}, b={1}", "({0},{1})"),
    ("\\frac{{{0}}}{{{1}}}", "{0}/{1}"),
    ("sqrt({0}) - 1", "-1+\\sqrt{{{0}}}"),
    ("y = {0}x - {1}", "y={0}x-{1}"),
    ("y - {0}x = {1}", "y = {0}x + {1}"),
    ("{0}\\text{{ cm}}", "{0}"),
    ("\\dfrac{{x}}{{{0}}}", "\\frac{{1}}{{{0}}}x"),
    ("\\{{{1}, {0}\\}}", "\\{{{0},{1}\\}}"),
    ("{0}!", "{0}!"),
    ("x^{{{0}}}", "x^{0}"),
    ("{1}i+{0}", "{0}+{1}i"),
    ("\\${0}", "{0}"),
    ("{0}\\%", "{0}"),
    ("\\left(\\tfrac{{1}}{{{0}}}, {1}\\right)", "(\\frac{{1}}{{{0}}},{1})"),
    (
        "\\begin{{bmatrix}}{0}\\\\{1}\\end{{bmatrix}}",
        "\\begin{{pmatrix}} {0} \\\\ {1} \\end{{pmatrix}}",
    ),
    ("\\frac{{{0}}}{{{1}}} \\approx 0.5", "\\frac{{{0}}}{{{1}}}"),
)


def spellings(draw: Random) -> Made:
    one, other = draw.randint(2, 40), draw.randint(41, 90)
    words, answer = draw.choice(SPELLINGS[:-1])
    right = draw.random() < 0.5
    shown = (one, other) if right else draw.choice(((one + 1, other), (one, other + 1)))
    if not right and "{1}" not in words:
        shown = (one + 1, other)
    return expression(draw, words.format(*shown), answer.format(one, other), right)


def locales(draw: Random) -> Made:
    """12 345.67 as five countries write it."""
    value, cents = draw.randint(1_000, 9_999_999), draw.randint(10, 99)
    english = f"{value:,}"
    tail = str(value)[:-3]
    lakhs = (
        ",".join([tail[max(0, end - 2) : end] for end in range(len(tail), 0, -2)][::-1])
        + f",{str(value)[-3:]}"
    )
    written = draw.choice(
        (
            (f"{english}.{cents}", True),
            (f"{english.replace(',', '.')},{cents} €", True),
            (f"{english.replace(',', chr(0x202F))},{cents} €", True),
            (f"CHF {english.replace(',', chr(39))}.{cents}", True),
            (f"{english.replace(',', chr(0xA0))}", False),
            (f"₹{lakhs}", False),
            (english.replace(",", " "), False),
            (english.replace(",", "{,}"), False),
            (english.replace(",", ",\\!"), False),
            ("".join(chr(0x660 + int(digit)) for digit in str(value)), False),
            ("".join(chr(0x966 + int(digit)) for digit in str(value)), False),
        )
    )
    answer = f"{value}.{cents}" if written[1] else str(value)
    right = draw.random() < 0.5
    wrong = (
        f"{value + draw.choice((1, -1, 1000))}.{cents}" if written[1] else str(another(draw, value))
    )
    return number(draw.choice(PROSE).format(written[0]), answer if right else wrong, right)


def delimiters(draw: Random) -> Made:
    value = whole(draw)
    right = draw.random() < 0.5
    return number(
        draw.choice(DELIMITERS).format(value), value if right else another(draw, value), right
    )


def headings(draw: Random) -> Made:
    value, step = draw.randint(10, 999), draw.randint(1, 9)
    work = f"#### Step {step}: Add them\nThe total of both comes out.\n\n"
    form = draw.choice(
        (
            f"{work}#### {value}",
            f"{work}#### Final Answer\n\n{value} clips",
            f"{work}The answer is {value}.\n\n#### Note {step}\nfoo",
        )
    )
    answer = draw.choice((value, step, None))
    if answer is None:
        return number(work, step, None)
    return number(form, answer, answer == value)


def denied(draw: Random) -> Made:
    value = whole(draw)
    return number(draw.choice(DENIALS).format(value), value, False)


def taken_back(draw: Random) -> Made:
    value = draw.randint(10, 999)
    other = value + draw.randint(1, 9)
    first = draw.choice(("The answer is {}.", "So \\boxed{{{}}}.", "Answer: {}.")).format(value)
    right = draw.random() < 0.5
    return number(
        f"{first} {draw.choice(RETRACTIONS).format(other)}", other if right else value, right
    )


def replaced(draw: Random) -> Made:
    value = draw.randint(10, 999)
    other = value + draw.randint(1, 9)
    first = draw.choice(("The answer is {}.", "So \\boxed{{{}}}.", "Answer: {}\n\n")).format(value)
    behind = f"{draw.choice(DOUBTS)} {draw.choice(REPLACEMENTS).format(other, first=value)}"
    right = draw.random() < 0.5
    return number(f"{first} {behind}", other if right else value, right)


def offered_after(draw: Random) -> Made:
    value = draw.randint(10, 999)
    first = draw.choice(("The answer is {}.", "So \\boxed{{{}}}.", "Answer: {}.")).format(value)
    return number(
        f"{first} {draw.choice(OFFERED_AFTER).format(value + draw.randint(1, 9))}", value, None
    )


def kept(draw: Random) -> Made:
    value, apart = draw.randint(10, 999), draw.randint(1, 9)
    first = draw.choice(("The answer is {}.", "So \\boxed{{{}}}.", "Answer: {}\n\n")).format(value)
    talk = draw.choice(KEPT).format(value=value, other=value + apart, apart=apart)
    right = draw.random() < 0.5
    return number(f"{first} {talk}", value if right else value + apart, right)


def trailing_talk(draw: Random) -> Made:
    value = draw.randint(10, 999)
    other = value + draw.randint(1, 9)
    first = draw.choice(
        ("The answer is {}.", "So \\boxed{{{}}}.", "The final answer is {} apples.")
    ).format(value)
    right = draw.random() < 0.5
    return number(
        f"{first} {draw.choice(TALK).format(other=other)}", value if right else other, right
    )


def boxes(draw: Random) -> Made:
    value = draw.randint(10, 999)
    other = value + draw.randint(1, 9)
    text = draw.choice(
        (
            "<think>So \\boxed{{{1}}}? No.</think>\nThe answer is {0}.",
            "\\boxed{{{1}}}\n\nWait, I made a mistake. The answer is {0}.",
            "Put it in \\boxed{{}}. The answer is {0}.",
            "The answer is {1}, no: \\boxed{{{0}}}",
            "\\boxed{{{0}}} \\boxed{{}}",
            "<think>The answer is {1}.</think>\\boxed{{{0}}}",
            "First \\boxed{{{1}}}. Then the answer is {0}.",
        )
    ).format(value, other)
    right = draw.random() < 0.5
    return number(text, value if right else other, right)


def thoughts(draw: Random) -> Made:
    value = draw.randint(10, 999)
    text = draw.choice(
        (
            "<think>\nThe answer is {}. Let me check",
            "<think>\\boxed{{{}}} hmm",
            "<think>The answer is {}.</think>\nSo it goes.",
        )
    )
    return number(text.format(value), value, None)


def cut_off(draw: Random) -> Made:
    value = draw.randint(1, 999)
    text = draw.choice(
        (
            "The answer is {}.",
            "The answer is {}",
            "So it is \\boxed{{{}",
            "Answer: ${}",
            "The answer is {},",
        )
    ).format(value)
    return number(
        text, value, None, draw.choice(("length", "max_tokens", "content_filter", "error"))
    )


def large_values(draw: Random) -> Made:
    value = draw.randint(2_000_000, 99_999_999)
    near = draw.choice((f"{value}.5", f"{value + 2}.5", str(value + 1), f"{value - 3}.25"))
    return number(f"The answer is {near}.", value, False)


def powers_of_ten(draw: Random) -> Made:
    digits, power = f"{draw.randint(1, 9)}.{draw.randint(1, 9)}", draw.randint(-9, 40)
    words = draw.choice(
        (
            f"{digits}\\times10^{{{power}}}",
            f"{digits} \\cdot 10^{{{power}}}",
            f"{digits}e{power}",
            f"{digits} × 10^{power}",
        )
    )
    right = draw.random() < 0.5
    kind: AnswerKind = draw.choice(("number", "expression")) if "×" not in words else "number"
    return Made(
        Case(f"Therefore $\\boxed{{{words}}}$.", f"{digits}e{power if right else power + 1}", kind),
        right,
    )


def second_forms(draw: Random) -> Made:
    value = draw.randint(2, 90)
    words, answer = draw.choice(
        (
            (f"{value} (rounded from {value - 0.3:.1f})", value),
            (f"{value / 100} (or {value}%)", value / 100),
            (f"{value} hours ({value * 60} minutes)", value),
            (f"1/{value} ≈ {1 / value:.4f}", f"1/{value}"),
            (f"{value}, which is {value - 1} in April plus 1 in May", value),
            (f"{value} ({value - 1} + 1)", value),
            (f"{value}, or {value - 1} + 1", value),
            (f"{value}, that is, {value - 1} plus 1", value),
            (f"{value * 60} minutes, which is {value} hours", value * 60),
            (f"{value / 100} or {value}%", value / 100),
            (f"{value} dollars and 00 cents", value),
            (f"{value} sets of 5 cards each", value),
            (f"{value}:00 PM" if value < 13 else f"{value} (see above)", value),
        )
    )
    right = draw.random() < 0.5
    return number(f"The answer is {words}.", answer if right else value + 7, right)


def word_lists(draw: Random) -> Made:
    words = draw.sample(
        ["apple", "banana", "cherry", "therefrom", "syndrome", "kiwi", "yacht", "zebra"],
        draw.randint(2, 6),
    )
    right = draw.random() < 0.5
    shown = (
        words
        if right
        else draw.choice((words[::-1], words[1:], [*words, "plum"], [words[0] + "s", *words[1:]]))
    )
    text = f"The answer is {draw.choice((', ', ' ', '; ')).join(shown)}."
    if draw.random() < 0.3:
        text = "Answer:\n" + "\n".join(f"{place}. {word}" for place, word in enumerate(shown, 1))
    return Made(Case(text, draw.choice((", ", " ")).join(words), "text"), right)


ORDINALS = {"A": "first", "B": "second", "C": "third", "D": "fourth"}


def harmless_words(draw: Random) -> Made:
    right = draw.random() < 0.5
    adverb = draw.choice(("certainly ", "definitely ", "clearly ", "most likely ", "no doubt ", ""))
    kind: AnswerKind = draw.choice(("choice", "boolean", "text"))
    if kind == "choice":
        options = ("mercury", "venus", "earth", "mars")
        letter = draw.choice("ABCD")
        other = draw.choice([one for one in "ABCD" if one != letter])
        said = draw.choice(
            (
                f"{adverb}{letter}",
                f"the {ORDINALS[letter]} one, {letter}",
                f"not {other}, it is {letter}",
                f"option ({letter})",
                f"{letter}, not {other}",
            )
        )
        return Made(
            Case(f"The answer is {said}.", letter if right else other, "choice", options), right
        )
    if kind == "boolean":
        said, means = draw.choice(
            (
                ("yes", "yes"),
                ("no", "no"),
                ("not true", "no"),
                ("true", "yes"),
                ("a clear no", "no"),
            )
        )
        if draw.random() < 0.2:
            negation = draw.choice(("un", "non", "half", "not"))
            word = f"{negation}-{draw.choice(('true', 'yes', 'no', 'false'))}"
            return Made(
                Case(f"The answer is {word}.", draw.choice(("yes", "no")), "boolean"), False
            )
        answer = means if right else {"yes": "no", "no": "yes"}[means]
        return Made(
            Case(
                f"The answer is {adverb if said != 'a clear no' else ''}{said}.", answer, "boolean"
            ),
            right,
        )
    place = draw.choice(("Eiffel Tower", "Nile", "Golden Gate Bridge"))
    said = draw.choice(("the {}", "{}", '"{}"', "({})", "<b>{}</b>")).format(place)
    return Made(Case(f"The answer is {adverb}{said}.", place if right else "Louvre", "text"), right)


GENERATORS: dict[str, Callable[[Random], Made]] = {
    make.__name__: make
    for make in (
        signs,
        fractions_in_words,
        bounds_and_scales,
        variables,
        brackets,
        spellings,
        locales,
        delimiters,
        headings,
        denied,
        taken_back,
        replaced,
        offered_after,
        kept,
        trailing_talk,
        boxes,
        thoughts,
        cut_off,
        large_values,
        powers_of_ten,
        second_forms,
        word_lists,
        harmless_words,
    )
}
