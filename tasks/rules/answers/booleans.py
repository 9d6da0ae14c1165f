"""Yes or no, true or false, valid or invalid: which one words offer, if they offer exactly one."""

import re

from tasks.rules.answers.compared import (
    AMBIGUOUS,
    BAD_REFERENCE,
    DIFFERS,
    EQUAL,
    NOT_AN_ANSWER,
    Compared,
)
from tasks.rules.answers.values.spelling import plain, undressed

# (positive, negative); an answer in another pair than the reference's is no answer to its question
PAIRS = (
    ("yes", "no"),
    ("true", "false"),
    ("valid", "invalid"),
    ("correct", "incorrect"),
    ("plausible", "implausible"),
)
POLARITY = {word: (pair, place == 0) for pair in PAIRS for place, word in enumerate(pair)}
# `true` answers a yes/no question; `valid` does not
SAME_FAMILY = frozenset({PAIRS[0], PAIRS[1]})
# `not`, `isn't`, `can't possibly be`: turns the word behind it
NEGATION = (
    r"(?:not|never|\w+n't|neither|nor|no longer|hardly|(?:cannot|can't)(?:\s+possibly)?(?:\s+be)?)"
)
# `not quite true`, `isn't really valid`, `never true`; `true` alone. Small words may stand between
# the negation and what it turns.
TOKEN = re.compile(
    # half-true says neither
    r"(?<!\bun-)(?<!\bnon-)(?<!\bin-)(?<!\bnot-)(?<!\bhalf-)(?<!\bnear-)(?<!\bsemi-)"
    rf"\b(?:(?P<negation>{NEGATION})\s+(?:(?:be|really|say|call it|the case that it is|at all|quite"
    r"|always|even|close to|an?)\s+"
    rf"|\w+ly\s+)*)?(?P<word>" + "|".join(POLARITY) + r"|y|n)\b",
    re.I,
)
# nothing but the word: `**Yes.**`; only so are `y` and `n` answers
BARE = re.compile(
    r"\W*(yes|no|true|false|valid|invalid|correct|incorrect|plausible|implausible|y|n)\W*",
    re.IGNORECASE,
)
# `there are no apples` counts apples; `it is no, because` and `no or yes` answer
DETERMINER_FOLLOWS = re.compile(
    r"\s+(?!or\b|and\b|because\b|since\b|as\b|nor\b)[a-z0-9]", re.IGNORECASE
)
# a reason has truth values of its own: `Yes, because it is not true that ...`
REASON = re.compile(r"[,;:]?\s+(?:because|since|as)\b|;|:\s|\s-\s", re.IGNORECASE)
# words that turn the whole clause behind them: `There is no way it's true`, `It is not the case
# that ...`
TURNS = re.compile(
    r"\b(?:there is no way|no way|by no means|it is not the case|not the case|it is not so"
    r"|it is (?:false|untrue|wrong|incorrect)"
    r"|(?:i|we) (?:do not|don't|doubt)(?: think| believe)?|it is (?:not|un)likely|far from"
    r"|anything but|fails? to be)"
    r"(?:\s+(?:that|to be|being))?\b",
    re.IGNORECASE,
)
# `no doubt` and `certainly` would read as polarities, and say none
HARMLESS = re.compile(
    r"\b(?:no doubt|without (?:a )?doubt|no question|(?:almost )?certainly|of course|to be"
    r" sure)\b,?",
    re.IGNORECASE,
)
# `Nope`, `Certainly not`, `Of course not`, `Not at all`
EMPHATIC_NO = re.compile(
    r"\W*(?:nope|nah)\W*|\W*(?:absolutely|certainly|definitely|of course|surely|probably|most"
    r" likely|clearly|it is"
    r"|it's|no,?)?\s*not"
    r"(?:\s+(?:at all|really|so))?\W*",
    re.IGNORECASE,
)
# `Absolutely`, `Of course`; with `not` it is EMPHATIC_NO's
EMPHATIC_YES = re.compile(
    r"\W*(?:absolutely|certainly|definitely|of course|yep|yeah|sure|indeed)\W*", re.IGNORECASE
)
# `Yes, the answer is that it floats`: the sentence's first word answers; not `No apples are left`
OPENING = re.compile(r"\W*(yes|no|true|false)\b(?=\W*[,:;.-]|\W*$)", re.IGNORECASE)


# what follows is not said to hold: `it does not follow that it is true`
UNSAID = re.compile(
    r"\b(?:impossible|not possible|follow|wrong|incorrect to|incorrect that|nobody|no one"
    r"|cannot|can't|couldn't|not correct|rarely|seldom"
    r"|almost(?! certainly| surely)|nowhere|opposite of|(?:other|less) than"
    r"|doubt\w*|unlikely|whether|unless)\b[^,;.]*$",
    re.IGNORECASE,
)


def compare_booleans(words: str, reference: str, lead: str = "") -> Compared:
    """Compare the polarity that the words offer with the reference's.

    `Yes, the answer is that ...` offers it in the lead.
    """
    bare = BARE.fullmatch(plain(undressed(reference)))
    if bare is None or bare[1].lower() not in POLARITY:
        return BAD_REFERENCE
    pair, wanted = POLARITY[bare[1].lower()]
    family = SAME_FAMILY if pair in SAME_FAMILY else frozenset({pair})
    # A lead counts only where the words themselves offer nothing: it is further from the answer.
    offered = polarities(words, family)
    opening = OPENING.match(undressed(lead)) if not offered else None
    if opening and family == SAME_FAMILY:
        offered = {POLARITY[opening[1].lower()][1]}
    if not offered:
        return NOT_AN_ANSWER
    if len(offered) > 1:
        return AMBIGUOUS
    return EQUAL if wanted in offered else DIFFERS


def polarities(words: str, family: frozenset[tuple[str, str]]) -> set[bool]:
    """All polarities that the words offer."""
    words = plain(undressed(words)).replace("’", "'").strip(" \"'“”‘([$*")
    if family == SAME_FAMILY and EMPHATIC_YES.fullmatch(words):
        return {True}
    words = HARMLESS.sub(" ", words).strip(" ,")
    if family == SAME_FAMILY and EMPHATIC_NO.fullmatch(words):
        return {False}
    reason = REASON.search(words)
    if reason and TOKEN.search(words, 0, reason.start()):
        words = words[: reason.start()]
    offered: set[bool] = set()
    for match in TOKEN.finditer(words):
        polarity = _polarity(match, words, family)
        if polarity is not None:
            offered.add(polarity)
    return offered


def _polarity(match: re.Match[str], words: str, family: frozenset[tuple[str, str]]) -> bool | None:
    word, negation = match["word"].lower(), (match["negation"] or "").lower()
    if word in ("y", "n"):
        return word == "y" if BARE.fullmatch(words) and PAIRS[0] in family else None
    pair, positive = POLARITY[word]
    if pair not in family:
        return None
    if (
        word == "no"
        and not negation
        and match.start() > 0
        and DETERMINER_FOLLOWS.match(words, match.end())
    ):
        return None
    if word == "no" and re.match(r"\s+(?:way|means|longer)\b", words[match.end() :], re.IGNORECASE):
        return None
    front = words[: match.start()]
    turned = TURNS.search(words, 0, match.start() + 1)
    if turned and turned.start() <= match.start() < turned.end():
        return None
    if re.match(
        r"\s+(?:is|would be)\s+(?:wrong|false|incorrect)\b", words[match.end() :], re.IGNORECASE
    ):
        return None
    if UNSAID.search(TURNS.sub("", front)):
        return None
    if (
        negation in ("neither", "nor")
        or (negation and front.rstrip().lower().endswith("not"))
        or (negation and word == "no")
    ):
        return None  # `not no` does not say yes
    turns = bool(negation) + (turned is not None and "," not in words[turned.end() : match.start()])
    return positive != (turns % 2 == 1)
