"""Options: a letter in any usual form, or exactly one option's text, which must not disagree."""

import re
from dataclasses import dataclass, replace
from functools import lru_cache

from tasks.rules.answers.compared import (
    AMBIGUOUS,
    BAD_REFERENCE,
    DIFFERS,
    EQUAL,
    NOT_AN_ANSWER,
    Compared,
)
from tasks.rules.answers.final_answer import Stated
from tasks.rules.answers.short_texts import plain_text
from tasks.rules.answers.values.numbers import MAGNITUDE, Number, is_same_number, number_offered
from tasks.rules.answers.values.spelling import plain, undressed

# what may stand before the letter: `clearly B`, `it must be option B`, `**B`
LEAD = re.compile(
    r"^(?:[\s\"'“”‘’`$*]"
    r"|(?:clearly|definitely|obviously|certainly|surely|undoubtedly|of course|no doubt|for sure"
    r"|probably"
    r"|most likely|likely|therefore"
    r"|thus|indeed|simply|just|in fact|actually|that it is|it is|it's|it must be|either|both"
    r"|which is)\b,?"
    r"|(?:the\s+)?(?:correct\s+)?(?:option|choice|letter|answer)s?\b:?)+",
    re.IGNORECASE,
)
# `B`, `(B)`, `[b]`, `B**`; not the first letter of a word, and not of `B's`
LETTER = re.compile(
    r"(?P<open>[(\[{]\s*)?(?P<letter>[A-Za-z])(?P<close>\s*[)\]}])?(?P<bold>\**)(?![A-Za-z0-9'’])"
)
# `(B).`, ` B `: most answers, so they are tried first
BARE_LETTER = re.compile(r"[\s(*]*([A-Z])[\s).*]*")
# a letter before a reason is a letter and no article: `A because ...`, `a, since ...`
REASON = re.compile(
    r"^[\s,;]*\b(?:because|since|as|for|given|which|where|so|rather than|instead of|(?:and"
    r" )?not)\b",
    re.IGNORECASE,
)
# a further letter makes two options: `A or B`, `A, maybe C`, `A/B`, `A (B)`
ANOTHER = re.compile(
    r"^[\s\"'$*]*(?:,|/|;|&|-(?=[A-Z])|(?=\([A-Z]\))|\bor\b|\band\b|\s)[\s\"'$*]*(?:or|and)?\s*(?:(?:maybe|possibly|perhaps|also|then)\s)?\s*(?:option"
    r"|choice)?\s*[(\[]?([A-Z])[)\]]?(?=$|[\s.,;:)\]])"
)
# `anything but B`: an option's text or letter in such words is not offered
DENIAL = re.compile(
    r"\b(?:not|n't|anything but|except|neither|nor|rather than|other than|instead of|none)\b",
    re.IGNORECASE,
)
# `not C, it is B` and `(A), which is wrong; (B) is right` leave what is not denied
DENIED_LETTER = re.compile(
    r"(?:\b(?:it is|it's|it cannot be|it can't be|definitely"
    r"|certainly)\s+)?\bnot\s+(?:option\s+)?\(?[A-Z]\)?"
    r"\s*(?:[,;:-]|\bbut\b|\band\b|\.(?=\s))\s*(?:but\s+)?(?:rather\s+|instead\s+)?"
    r"|\(?\b[A-Z]\b\)?,?\s*(?:which |that |this )?(?:is|was|can't be|cannot be)\s+(?:wrong"
    r"|incorrect|not\s\w+|false)\s*[,;:.]?\s*(?:and\s|but\s|while\s)?"
    r"|\(?\b[A-Z]\b\)?\s*\((?:wrong|incorrect|false|not\s\w+)\)\s*[,;:.]?\s*(?:and\s|but\s)?"
)
# a second choice in the same words: `B, no, C`, `B; but C is right`, `B, wait, C`; which one counts
# is not for a rule to say
CHANGED = re.compile(
    r"[,;]\s(?:no|wait|then again|maybe|perhaps),?\s\(?[A-Z]\b"
    r"|;\s(?:but|however),?\s\(?[A-Z]\)?\sis\b(?!\s(?:not|wrong))"
    r"|(?i:\b(?:no|wait|actually|rather|i mean))\b[,:]?\s+(?:it's\s+|it is\s+)?\(?[A-Z]\b(?!['’])"
)
ORDINALS = ("first", "second", "third", "fourth", "fifth")
# `the first one, A`, `the second option`
ORDINAL = re.compile(
    rf"\W*(?:the )?({'|'.join(ORDINALS)})\b(?: (?:one|option|choice|answer)\b)?[\s,:-]*",
    re.IGNORECASE,
)
# between a letter and its text: `B) Paris`, `B - Paris`, `(B): "Paris"`
SEPARATORS = " .:,;)]}*\"'-(["
# an option's text ends here: `Paris.`, `Paris (the capital)`, `Paris because`; not `Paris's`, and
# not `10 (5 each)`
ENDS = re.compile(r"\s*(?:$|[.,;:!?)\"*]|'(?!s\b)|\((?!\d)|because\b|since\b|as\b)")


def compare_choices(stated: Stated, reference: str, choices: tuple[str, ...]) -> Compared:
    """The option that is offered against the reference's letter."""
    texts = list(option_texts(choices).texts)
    wanted = _index(reference, texts)
    if wanted is None:
        return BAD_REFERENCE
    offered = options_offered(stated, choices)
    if CHANGED.search(stated.words):
        return AMBIGUOUS
    if not offered:
        return NOT_AN_ANSWER
    if len({texts[i] if i < len(texts) else f"option {i}" for i in offered}) > 1:
        return AMBIGUOUS
    same = wanted in offered or any(i < len(texts) and texts[i] == texts[wanted] for i in offered)
    return EQUAL if same else DIFFERS


@dataclass(frozen=True)
class OptionTexts:
    """Options in the form in which their texts are compared.

    `fold` unless some differ by case alone, such as RR and Rr.
    """

    texts: tuple[str, ...]
    fold: bool


@lru_cache(maxsize=4096)
def option_texts(choices: tuple[str, ...]) -> OptionTexts:
    """The forms of all options of a question; remembered, because a question has many paths."""
    exact = tuple(plain_text(plain(undressed(choice)), fold=False) for choice in choices)
    folded = tuple(plain_text(plain(undressed(choice))) for choice in choices)
    fold = len(set(exact)) == len(set(folded))
    return OptionTexts(folded if fold else exact, fold)


def _index(reference: str, texts: list[str]) -> int | None:
    bare = reference.strip().strip("().[]").upper()
    if len(bare) == 1 and "A" <= bare <= "Z" and (not texts or ord(bare) - ord("A") < len(texts)):
        return ord(bare) - ord("A")
    wanted = plain_text(plain(undressed(reference)))
    return texts.index(wanted) if wanted in texts else None


def options_offered(stated: Stated, choices: tuple[str, ...]) -> set[int]:
    """Indices of the options that the words offer; equal texts count as one offer."""
    if DENIED_LETTER.search(stated.line):
        words, line = (DENIED_LETTER.sub("", part) for part in (stated.words, stated.line))
        stated = replace(stated, words=words, line=line)
    simple = BARE_LETTER.fullmatch(stated.line)
    if simple and ord(simple[1]) - ord("A") < len(choices):
        return {ord(simple[1]) - ord("A")}
    options = option_texts(choices)
    words, line = (plain(undressed(part)) for part in (stated.words, stated.line))
    bare = words.strip(" .\"'$*()[]")
    # Whole texts come before letters. A single letter that names an option is its letter, even
    # where another option's whole text is that letter (blood groups: A, B, AB, O).
    if len(bare) != 1 or not 0 <= ord(bare.upper()[0]) - ord("A") < max(len(choices), 1):
        wanted = {plain_text(part, fold=options.fold) for part in (words, line)}
        exact = {i for i, text in enumerate(options.texts) if text in wanted}
        if exact:
            return exact
    ordinal = ORDINAL.match(line)
    if ordinal and (letter := BARE_LETTER.fullmatch(line[ordinal.end() :])):
        return {ORDINALS.index(ordinal[1].lower()), ord(letter[1]) - ord("A")}
    lead = LEAD.match(line)
    at = lead.end() if lead else 0
    letter = LETTER.match(line, at)
    if letter and _is_letter(letter, line[letter.end() :], options):
        return _with_rest(letter, line[letter.end() :], options)
    begun = _begins_with_option(line[at:], options) if line[at : at + 1] != "-" else set[int]()
    # `Mercury, Venus` begins with an option and goes on with another one.
    if begun and "," in words and not any("," in options.texts[i] for i in begun):
        parts = {plain_text(part, fold=options.fold) for part in words.split(",")[1:]}
        begun |= {i for i, text in enumerate(options.texts) if text in parts}  # mercury, venus
    if begun or DENIAL.search(words):
        return (
            begun
            if not DENIAL.search(words) or begun == _begins_with_option(words[at:], options)
            else set()
        )
    return _same_number(words, choices) or _texts_inside(words, options)


def _is_letter(letter: re.Match[str], rest: str, options: OptionTexts) -> bool:
    if letter["close"] or not rest.strip(" .,:;\"'$*!?"):
        return True
    if letter["letter"].islower():
        return bool(REASON.match(rest))
    if rest[0] in ".,:;$/&*!\"'" or re.match(r"\s*(?:-|:|\()", rest) or REASON.match(rest):
        return True
    return ANOTHER.match(rest) is not None or bool(_begins_with_option(rest, options))


def _with_rest(letter: re.Match[str], rest: str, options: OptionTexts) -> set[int]:
    index = ord(letter["letter"].upper()) - ord("A")
    named = _begins_with_option(rest, options)
    if named:
        return {index} if index in named else {index} | named
    offered = {index}
    another = ANOTHER.match(rest)
    while another:
        offered.add(ord(another[1]) - ord("A"))
        rest = rest[another.end() :]
        another = ANOTHER.match(rest)
    return offered


def _begins_with_option(rest: str, options: OptionTexts) -> set[int]:
    """The longest option with which the rest begins once separators are off, with all its twins."""
    best: set[int] = set()
    length = 0
    separators = len(rest) - len(rest.lstrip(SEPARATORS))
    # An option may itself begin with a separator (`-5`, `(0, 1)`), so each number of them is tried.
    # Eight are more than any answer has, and bound the work.
    for start in range(min(separators, 8) + 1):
        begun = rest[start:]
        # a minus belongs to its number, and is no separator
        if start and re.match(r"-\.?\d", rest[start - 1 :]):
            break
        if begun[:1].isspace():
            continue
        text = " ".join(plain_text("¦" + begun, fold=options.fold)[1:].split())
        for i, option in enumerate(options.texts):
            if (
                option
                and len(option) >= length
                and text.startswith(option)
                and _ends(option, text[len(option) :])
            ):
                best = best | {i} if len(option) == length else {i}
                length = len(option)
    return best


def _ends(option: str, behind: str) -> bool:
    if len(option) <= 2 and not option[-1].isdigit():
        return not behind.strip(" .,;:!?)\"'*")
    if option[-1].isdigit():
        return (
            re.match(
                rf"\s*(?:{MAGNITUDE})s?\b|\s*[.,:/^]?\s*\d|\w|\s*[-+*/×^]\s*[\d(a-z]|\s*(?:or|and|to)\b",
                behind,
            )
            is None
        )
    return ENDS.match(behind) is not None


def _same_number(words: str, choices: tuple[str, ...]) -> set[int]:
    """Options that are the number offered; only where all options are short enough to be values."""
    if not any(character.isdigit() for character in words) or any(
        len(choice.split()) > 3 for choice in choices
    ):
        return set()
    number = number_offered(words)
    if not isinstance(number, Number):
        return set()
    readings = [number_offered(choice) for choice in choices]
    return {
        i
        for i, other in enumerate(readings)
        if isinstance(other, Number) and is_same_number(number, other)
    }


def _texts_inside(words: str, options: OptionTexts) -> set[int]:
    """Options whose text stands in the words and inside no other option found there."""
    text = plain_text(re.split(r",?\s+(?:because|since)\s", words)[0], fold=options.fold)
    spans: list[tuple[int, int, int]] = []
    for i, option in enumerate(options.texts):
        if option:
            pattern = rf"(?<![\w.,/^-]){re.escape(option)}(?!\w|[.,/^:-]\w|\s*[-+*/×^]\s*\d)"
            spans.extend((match.start(), match.end(), i) for match in re.finditer(pattern, text))
    widest = [
        (start, end, i)
        for start, end, i in spans
        if not any(s <= start and end <= e and (e - s) > (end - start) for s, e, _ in spans)
    ]
    return {i for _, _, i in widest} if widest and _is_whole(text, widest) else set()


def _is_whole(text: str, spans: list[tuple[int, int, int]]) -> bool:
    """Nothing but articles before, and no further word glued behind."""
    start, end = min(s for s, _, _ in spans), max(e for _, e, _ in spans)
    before, after = text[:start].strip(" \"'"), text[end:].strip(" \"'")
    numeric = text[start:end].replace(".", "").replace(",", "").isdigit()
    if numeric and re.match(rf"(?:{MAGNITUDE})s?\b", after):
        return False
    plain_before = (
        re.fullmatch(r"(?:(?:the|an?|that|it|is|to|option|choice)\s*)*", before) is not None
    )
    return plain_before and (
        not after
        or after[0] in ".,;:(!"
        or (numeric and re.fullmatch(r"[a-z°%$ ]+", after) is not None)
    )
