"""The text behind an answer: whether it keeps the answer, replaces it, or only takes it back.

The stated words and the text behind them in; the words that count out, or None where the answer is
only taken back. One rule, sentence by sentence: once something puts the answer in doubt, the last
value that is asserted counts, unless the stated value comes again behind it. A sentence that only
supposes ("if she had 3 more, it would be 15") asserts nothing; one that offers a second value ("or
maybe 15") takes the first back.
"""

import re

from tasks.rules.answers.values.number_words import RUN
from tasks.rules.answers.values.numbers import NUMERAL, Number, number_offered
from tasks.rules.answers.values.spelling import plain, undressed

# Characters behind an answer that can bear on it. Models that go on for longer than this write the
# next question, or loop.
FAR = 1500
# base models go on with a question of their own: `Question: ...`, `Human: ...`; it says nothing of
# this answer
NEXT_QUESTION = re.compile(r"\n\s*\W{0,3}(?:Q|Question|Problem|Human|User|Example|Instruction)\b")
# a semicolon and a colon end a sentence here too: `Wait: 12 + 3 = 15`
SENTENCES = re.compile(r"(?<=[.!?;:])\s+|\s*\n+\s*")
TRUTH = frozenset({"yes", "no", "true", "false", "valid", "invalid"})
# $15, -1/2, \frac{1}{2}, $x-1$, fifteen, (B), no
AMOUNT = rf"(?:-\s?)?[$€£]?(?:\\[dtc]?frac\s?\{{-?\d+\}}\s?\{{\d+\}}|{NUMERAL}(?:\s?/\s?\d+)?)\s?%?"
VALUE = (
    rf"(?:\${AMOUNT}\$|{AMOUNT}|\$[^$]{{1,60}}\$|\\\(.{{1,60}}?\\\)|\\boxed\{{[^{{}}]{{1,60}}\}}"
    rf"|{RUN.pattern}|\(?(?-i:[A-Z])\)?(?![\w'’])|\b(?:{'|'.join(TRUTH)})\b)"
)


def _words(words: str) -> str:
    """A pattern of any of these, which are written apart by commas, with a blank for any blanks."""
    return "(?:" + "|".join(one.strip().replace(" ", r"\s") for one in words.split(",")) + ")"


def _pattern(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern, re.IGNORECASE)


# in any place, to see whether the stated value is said again
ANY_VALUE = _pattern(VALUE)
# a sentence ends in a value as `15 clips`, `15, though` or `15 it is` do; `15 of them` and `15
# minus 3` do not
NO_UNIT = _words(
    "and, or, to, of, by, times, more, less, fewer, minus, plus, is, are, was, were, has, not, if,"
    " would, in, because, it, for"
)
# `15 though`, `15 in total`
AFTERTHOUGHT = _words("though, instead, it is, in total, in all, altogether, to be exact")
# at most three small words: `15 red clips`; not `15 more`
UNIT = rf"(?P<unit>(?:\s(?!{NO_UNIT}\b)[a-z]+){{0,3}})"
ENDS_IN_A_VALUE = _pattern(
    rf"(?<![\w.+*/^×·-])(?P<value>{VALUE}){UNIT}(?:,?\s{AFTERTHOUGHT})?[\s*.!?;,)\]$]*$"
)
# `15 is better`, `B is the correct`; not `15 is better if`, which depends on something
IS_BETTER = _pattern(
    rf"(?P<value>{VALUE})(?P<unit>) is (?:the |a )?(?:better|correct|right|best)\b(?!"
    r" (?:if|for|when)\b)"
)
# what stands in front of an asserted value: `it is`, `it should be`, `so`, `giving`, `3*5 =`, or
# nothing else
SO = _words("so, therefore, thus, hence")
# these join a clause to the one before, so an assertion can begin behind them
THEN = _words("but, however, and, that, then, or, instead, actually, yet, though, although, now")
# `the correct answer is`, `the actual sum is`: such a word asserts what follows it
RIGHT = _words("correct, right, actual, true, real, proper")
# `the final answer is` asserts too, but does not say that the first one was wrong
NEW = _words("final, new, best, better, overall")
# `answer`, `total cost`, `number of apples`, `sum of the digits`
RESULT = (
    r"(?:answer|value|result|sum|count|number|amount|option|choice|one|total(?:\s\w+)?)"
    r"(?:\sof\s\w+(?:\s\w+)?)?"
)
# `..., so the correct answer`, `; but the total cost`, `there`
CLAUSE = rf"(?:^|[,;(]|\b(?:{SO}|{THEN}),?)\s*(?:there|(?:the\s)?(?:(?:{RIGHT}|{NEW})\s)?{RESULT})"
# `the sum is`, `it comes to`, `that's`, `3*5 =`
_TO_BE = _words("is, was, are, were, would be, becomes, equals, costs, comes to, makes")
IS = rf"(?:\s{_TO_BE}\b|['’]s\b|\s?=)"
# `which gives 15`, `leaving 15`
LEADS_TO = _words(
    "so, therefore, thus, hence, giving, gives, leaving, leaves, making, makes, get, gets, find,"
    " to be"
)
# may stand between the assertion and its value: `so it is really just 15`
FILLER = _words(
    "now, then, really, actually, in fact, simply, exactly, only, about, just, rather, equal to,"
    " it, be, the, well, to say, I, meant"
)
# Read up to the end of what stands in front of a value. What asserts it: nothing at all (`15.`), a
# comma or a joining word (`so 15`), a clause (`the correct answer is 15`), a pronoun (`that is
# 15`), a calculation (`3*5 = 15`), an obligation (`it should be 15`), a name (`so x = 15`).
ASSERTS = _pattern(
    rf"(?:^|[,;(]|\b(?:{SO}|{THEN}),?|{CLAUSE}{IS}|(?:\b(?:it|that|this|which)|[\d)]){IS}|\b{LEADS_TO}\b,?"
    r"|\b(?:should|must|has to|have to|ought to)\s(?:\w+ly\s)?(?:be|have been)\b"
    rf"|\b{SO},? [a-z]\s?=)\s*(?:\b{FILLER}\b[,:]?\s*)*[*($\\\s]*$"
)
# a check that ends in another value replaces the answer only in such words
CERTAIN = _pattern(rf"\b(?:{SO}|{RIGHT}|should|must|has to|have to|ought to)\b")
# a second conclusion needs no doubt: `Therefore the final number is 15`, `Hence 15`
CONCLUDES = _pattern(rf"[\s.*]*(?:{SO}),?\s(?:the final \w+ is|{VALUE}[\s*.!]*$)")
# `3*5 = 15` at the end of a sentence is a result that nobody has called the answer yet
CALCULATED = re.compile(r"[-+*/×·÷]\s?\$?\d[^=,;]*=[^=,;]*$")
# `Or 15?`, `It might be 15`: a second value is offered
OR = _words("or, maybe, perhaps, possibly, alternatively, then again")
# `or maybe even 15`
ALSO = _words("also, even, maybe, perhaps, possibly, be, have been, is, it, it is, it may be")
# `Hmm, or 15?`, `It might be 15`; an offer makes two answers, which is none
OFFERS = _pattern(
    rf"(?:^[\s\W]*(?:(?:hmm+|well|uh|um|err?|but|and),?\s)*{OR}|\b(?:it|that|this)"
    r" (?:might|may|could))\b,?\s"
    rf"(?:{ALSO}\b,?\s?)*[*($\\]*$"
)
# `if she had 3 more` and `in reality` leave the question that was asked
UNREAL = _pattern(rf"\b{_words('if, suppose, assuming, unless, in practice, in reality')}\b")
# `at x = 2`, `it looks like`; and `would`, unless the sentence says which value is right
SUPPOSES = _pattern(
    rf"{UNREAL.pattern}|\bat \$?[a-z] ?=|\b(?:might|may|could|looks?"
    rf" like)\b|^(?!.*{RIGHT}\b).*\bwould\b"
)
# `some students say 20`: an opinion that the text does not hold
OF_OTHERS = _pattern(r"\b(?:some|others?|another|students|people|each|every)\b[^,;]*$")
# `, not 12`, `instead of 12`: a value that is denied
DENIED = _pattern(
    r",?\s?(?:\bnot|n['’]t(?:\s(?:be|equal))?|\binstead of|\brather than|\bno longer)"
    rf"\s(?P<value>{VALUE})(?:,? (?:or|nor|and) {VALUE})*"
)
# the answer is looked at again, or said not to fit
LOOKS_AGAIN = _words(
    "hmm+, re-?check\\w*, thinking again, think about it more, think again, try again, not quite,"
    " too quick, too fast, too hasty, mistaken, misread, misunderstood, recompute, recalculat\\w+,"
    " contradicts?, more carefully, in fact, first guess, first thought, revised, update, edit,"
    " apolog\\w+, forget that, forget this, forget it, ignore the, ignore my, scratch the, scratch"
    " my, is off, is wrong, was off, was wrong, seems? off, seems? wrong, looks? off, looks? wrong"
)
DOUBTS = _pattern(
    # `Hmm`, `I misread`, `thinking about it`
    rf"\b(?:{LOOKS_AGAIN}\b|thinking\s\w+\sit"
    # `on second thought`, `after careful review`
    r"|(?:on|upon|after)\s(?:\w+\s)?(?:reflection|review|inspection|thought|reading)"
    # `it should have been 15`, `that is too small`
    r"|(?:it|that|this|answer) should (?:\w+\s)?(?:be|have been)|too"
    r" (?:small|large|big|high|low)(?=\W*$)"
    # `that doesn't add up`, `it does not match`
    r"|\w*n[o’']t (?:seem|look|sound|add|match|fit|work|make|trust|be\b)"
    # `that is only without tax`: what was stated is a step on the way
    r"|(?:that|this)(?:['’]s| is| was) (?:only |just )?(?:before|without|if|for|per)\b"
    # `Corrected answer: 15`, `The right answer is`
    rf"|correct(?:ing|ed|ion)?(?:\s\w+)?(?=:)|{RIGHT}\s\w+(?:\sis\b|\?))"
)
# a contrast, unless it stands in an explanation, where it contrasts something else
BUT = (
    r"(?:but|however|yet|still|although|though|instead(?!"
    r" of)|better|rather|well|uh|um|err?|not|don['’]t|do not)"
)
# only at the beginning of a sentence: `But ...`, `However, ...`
CONTRASTS = _pattern(rf"[\s$*)}}.]*{BUT}\b")
# `Explanation: ...`, `Step 1: ...`; a contrast in an explanation is none with the answer
EXPLAINS = _pattern(
    r"[\s*#(.]*(?:explanation|because|check|note|reason|solution|since|proof|steps?)\b"
)
# `Let me double-check`: a value that a check gives may differ from the answer
CHECKS = re.compile(r"\b(?:(?:double[- ])?check\w*|verify)\b", re.IGNORECASE)
# `Hmm, let me recheck: 20 - 12 = 8. Yes.`
CONFIRMS = _pattern(
    r"\W*(?:so )?(?:yes|correct|right|good|great|ok|okay|(?:it|that|this)"
    r" (?:works|holds|matches|checks))\b"
)
# `it should be Lyon`
A_NAME_INSTEAD = re.compile(
    r"\b(?i:it|place|name|word) (?:should|must) (?:be|have been) [\"“]?(?P<value>[A-Z][\w'’"
    r" -]{0,40})"
)
# taken back in so many words: `No wait`, `Scratch that`, `I made a mistake`, `That is not right`
TAKEN_BACK = re.compile(
    r"(?:^|(?<=[.!?\n,;(—]))[\s*_]*(?:(?:oh|ah|hmm+|uh|but|ok(?:ay)?|well|no)\b[\s,.!…]*)*"
    r"(?P<cue>wait|(?:scratch|strike|make) that|never ?mind|looking back"
    r"|(?:that|it) was a typo|I mis\w+|(?<![,;(]\s)(?<![,;(])no(?=\W*$)"
    r"|hold on|correction|oops|sorry|my (?:mistake|bad)|actually"
    r"|no(?=\s*[,:—-])|hmm+[\s,.!…]*no\b|nope|nah|or rather|rather(?=,|\s\W?\d)"
    r"|on second thoughts?|I take (?:that|it) back|I meant?|disregard|ignore (?:that|this|the"
    r"|my)|I forgot|we forgot"
    r"|(?:I|we) (?:made|see|notice|spot)[^.\n]{0,20}\b(?:mistake|error)|(?:I|we) (?:was|were|am"
    r"|are) wrong"
    r"|let me (?:correct|redo|recompute|recalculate|fix|reconsider)"
    r"|(?:that|this|it|which|the above)(?:\s(?:answer|result|value))?(?:"
    r"(?:['’]s| is| was| must be| seems)\s(?:(?!not\b)\w+\s)?(?:wrong|incorrect|false|mistaken"
    r"|a mistake|an error)"
    r"|(?:['’]s| is| was) not\s(?:\w+\s)?(?:right|correct|true)"
    r"|(?: isn['’]t| can(?:no|['’])t be| could ?n[o'’]t be)\s(?:\w+\s)?(?:right|correct|true)))\b"
    r"[\s,.:;!…—-]*",
    re.IGNORECASE,
)
# an answer that is itself a negation: `The answer is no. That is not true.` says `no` again
NEGATIVE = _pattern(r"\W*(?:no|not|false|invalid|incorrect|implausible)\b")
# `wait` before a check that comes out right takes nothing back
CONFIRMED = _pattern(
    r"\b(?:yes|correct|right|confirmed|verified|matches|checks out|holds|indeed|consistent)\b"
)
# `Wait, that is wrong` stands even where something behind it is confirmed
MISTAKE = _pattern(r"\b(?:wrong|mistake|error|incorrect|not)\b")
# `Actually, he likes apples` does not bear on the answer; `actually 15` and `actually no` do
TOUCHES_A_VALUE = re.compile(
    r"\d|\b(?:wrong|mistake|error|incorrect|not|yes|no|true|false|[B-HJ-Z])\b|n['’]t\b"
)


def words_that_count(words: str, behind: str) -> str | None:
    """The words that count in the end: the stated ones, later ones, or None where none is left."""
    behind = plain(NEXT_QUESTION.split(behind[:FAR], maxsplit=1)[0])
    explains, checks, doubted = EXPLAINS.match(behind) is not None, False, False
    counts: str | None = words
    for sentence in SENTENCES.split(behind):
        sentence, denies = _without_denied(sentence, words)
        back = TAKEN_BACK.search(sentence)
        if back and not _is_kept(words, back["cue"].lower(), sentence[back.end() :], behind):
            counts = None
        if back:
            sentence = TAKEN_BACK.sub(" ", sentence)
        doubted = doubted or denies or back is not None or _is_doubt(sentence, explains)
        checks = checks or CHECKS.search(sentence) is not None
        value = _asserted(sentence, words)
        again = any(_is_same(one.group(), words) for one in ANY_VALUE.finditer(sentence))
        # `3*5 = 15 = 15` and `20 - 5 = 15, as stated`: a sentence that calculates the stated value
        # again confirms it, whatever other number it ends in.
        if value is not None and not (again and "=" in sentence):
            if (
                value == ""
                or doubted
                or (checks and CERTAIN.search(sentence))
                or CONCLUDES.match(sentence)
            ):
                counts = value if value and not CALCULATED.search(sentence) else None
        elif again or (counts is None and CONFIRMS.match(sentence)):
            counts, checks = words, False
    return counts


def _is_kept(words: str, cue: str, rest: str, behind: str) -> bool:
    """Whether a phrase of taking back takes nothing back: `Wait, let me check. Correct.`"""
    if cue in ("wait", "actually", "hold on", "sorry") and CONFIRMED.search(behind):
        return MISTAKE.search(rest) is None
    if NEGATIVE.match(words):
        # `The answer is false. This is not true.`
        return re.match(r"that|this|it|which|no$", cue) is not None
    return cue == "actually" and _kind(words) != "words" and not TOUCHES_A_VALUE.search(rest)


def _without_denied(sentence: str, words: str) -> tuple[str, bool]:
    """The sentence without values that it denies, and whether the stated one is among them."""
    denied = [match["value"] for match in DENIED.finditer(sentence)]
    return DENIED.sub(" ", sentence) if denied else sentence, any(
        _is_same(value, words) for value in denied
    )


def _is_doubt(sentence: str, explains: bool) -> bool:
    return DOUBTS.search(sentence) is not None or (
        not explains and CONTRASTS.match(sentence) is not None
    )


def _asserted(sentence: str, words: str) -> str | None:
    """Another value of the same kind that the sentence asserts at its end; empty for two."""
    kind = _kind(words)
    if kind == "words":
        name = A_NAME_INSTEAD.search(sentence)
        return name["value"] if name else None
    ends = ENDS_IN_A_VALUE.search(sentence)
    front = sentence[: ends.start()] if ends else ""
    offers = ends is not None and not UNREAL.search(front) and OFFERS.search(front) is not None
    if not offers and (
        not ASSERTS.search(front[-100:]) or SUPPOSES.search(front) or OF_OTHERS.search(front)
    ):
        ends = None
    found = ends or IS_BETTER.search(sentence)
    if found is None or _kind(found["value"]) != kind or (kind == "truth" and found["unit"]):
        return None
    if re.search(r"[<>]|\\[lg]e", found["value"]) and not re.search(r"[<>]|\\[lg]e", words):
        return None  # note that $x > 0$
    value = (found["value"] + found["unit"]).strip(" *")
    return None if _is_same(value, words) else "" if offers else value


def _kind(words: str) -> str:
    """What may stand in whose place: mathematics, options, truth values, other words."""
    bare = undressed(words).strip(" $*().\"'")
    if bare.lower() in TRUTH:
        return "truth"
    if re.match(r"\(?[A-Z](?![\w'’])", words.strip(" $*")) or (len(bare) == 1 and bare.isupper()):
        return "option"
    mathematical = re.search(r"\d|\\|[=^+]|(?<![\w'’])[b-z](?![\w'’])", bare) or RUN.search(bare)
    return "mathematics" if mathematical else "words"


def _is_same(value: str, words: str) -> bool:
    one, other = number_offered(value), number_offered(words)
    if isinstance(one, Number) and isinstance(other, Number):
        percent = (one.percent and one.value == 100 * other.value) or (
            other.percent and other.value == 100 * one.value
        )
        return one.value == other.value or percent
    bare = [undressed(part).strip(" $*().").lower() for part in (value, words)]
    return bare[0] == bare[1] or (
        len(bare[0]) == 1 and re.match(rf"\W*{re.escape(bare[0])}\b", bare[1]) is not None
    )
