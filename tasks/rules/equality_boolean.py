"""Yes or no, true or false, valid or invalid: which one words offer, if they offer exactly one."""

import re

from tasks.rules.comparison import AMBIGUOUS, BAD_REFERENCE, DIFFERS, EQUAL, NOT_AN_ANSWER, Compared
from tasks.rules.spelling import plain, undressed

PAIRS = (("yes", "no"), ("true", "false"), ("valid", "invalid"), ("correct", "incorrect"), ("plausible", "implausible"))
POLARITY = {word: (pair, place == 0) for pair in PAIRS for place, word in enumerate(pair)}
SAME_FAMILY = frozenset({PAIRS[0], PAIRS[1]})
TOKEN = re.compile(
    r"\b(?:(?P<negation>not|never|n't|isn't|neither|nor)\s+(?:\w+ly\s+)?)?(?P<word>" + "|".join(POLARITY) + r"|y|n)\b",
    re.I,
)
BARE = re.compile(r"\W*(yes|no|true|false|valid|invalid|correct|incorrect|plausible|implausible|y|n)\W*", re.IGNORECASE)
DETERMINER_FOLLOWS = re.compile(r"\s+(?!or\b|and\b|because\b|since\b|as\b|nor\b)[a-z0-9]", re.IGNORECASE)
REASON = re.compile(r"[,;:]?\s+(?:because|since|as)\b|;|:\s|\s-\s", re.IGNORECASE)


def compare_booleans(words: str, reference: str, question: str = "") -> Compared:
    """The polarity that is offered against the reference's."""
    bare = BARE.fullmatch(plain(undressed(reference)))
    if bare is None or bare[1].lower() not in POLARITY:
        return BAD_REFERENCE
    pair, wanted = POLARITY[bare[1].lower()]
    family = SAME_FAMILY if pair in SAME_FAMILY else frozenset({pair})
    offered = polarities(words, family)
    if not offered:
        return NOT_AN_ANSWER
    if len(offered) > 1:
        return AMBIGUOUS
    return EQUAL if wanted in offered else DIFFERS


def polarities(words: str, family: frozenset[tuple[str, str]]) -> set[bool]:
    """All polarities that the words offer."""
    words = plain(undressed(words)).strip(" \"'“”‘’([$*")
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
    if word == "no" and not negation and match.start() > 0 and DETERMINER_FOLLOWS.match(words, match.end()):
        return None
    if negation in ("neither", "nor"):
        return None
    return positive != bool(negation)
