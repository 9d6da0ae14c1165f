"""The answer-leak detector: does a hinted path give away that it was shown the answer?

Such a path teaches to quote an answer, not to find one; selection refuses it as
`mentions_given_answer`. It gives itself away by talk ("the given answer", "answer key", "work
backwards from 12") or by stating the value as the answer before any work shows it. Values are read
by the judge's own parsers. Stating the result at the end is no leak, and neither is a text about
given solutions, expected values or targets that are no answer.
"""

import re

from storage.records import AnswerKind
from tasks.rules.answers.final_answer import statements_in_order
from tasks.rules.answers.stands_in import stands_in
from tasks.rules.answers.values.numbers import Number, number_offered

_THE = r"\b(?:the|this|that|our|your)\s+(?:already\s+)?"
_TOLD = (
    r"(?:given|provided|known|supplied|stated|expected|reference|target|hinted|aforementioned"
    r"|official|intended)"
)
_ANSWER = r"(?:(?:correct|final|right)\s+)?(?:answer|option|choice)"
_IS = r"(?:is|was|are|must be|has to be|should be|needs to be|ought to be|equals|to be|of|:)"
_TALK = re.compile(
    "|".join(
        [
            # the given answer; not: the given solution, the expected value, the given answer
            # choices
            rf"{_THE}{_TOLD}\s+{_ANSWER}\b(?!\s+(?:choices|options|to\s+(?:part|the\s+first)))",
            r"\b(?:answer|solution)\s+(?:key|manual|sheet)\b",
            r"\b(?:the|this|your|that)\s+hint\b|\bas hinted\b",
            r"\banswer\s+(?:provided|supplied|hinted|revealed)\b",
            r"\banswer\s+given\s+(?:above|here|is|was|to\s+(?:us|me))\b",
            # the answer is known (to be 12); not: the answer is given by 3 * 4
            (
                r"\banswer\s+(?:that\s+)?(?:is|was|has been|we were|we are|i was|i"
                r" am|you)\s+(?:already\s+)?"
                r"(?:given|provided|told|supplied|known|hinted)\b(?!\s+(?:by|as|in)\b)"
            ),
            rf"\b(?:we|i)\s+(?:already\s+)?(?:know|knew)\s+the\s+{_ANSWER}\b(?!\s+(?:must|should|will|can|is|has|to)\b)",
            rf"\b(?:told|gave)\s+(?:me|us)?\s*the\s+{_ANSWER}\b(?!\s+(?:is|to)\b)",
            (
                rf"\b(?:match(?:es|ing)?|agree(?:s|ing)?\s+with|consistent\s+with|confirm(?:s|ing)?|leads?\s+to|get\s+to"
                rf"|arrives?\s+at|reach(?:es)?)\s+the\s+(?:correct|{_TOLD})\s+(?:answer|result)\b"
            ),
            rf"\bwork(?:ing|ed)?\s+backwards?\s+from\s+(?:the\s+)?{_ANSWER}",
            (
                r"\bpretend(?:ing)?\b[^.\n]{0,30}\b(?:know|see)\b|\bas if (?:we|i|you) did(?:"
                r" not|n't) know\b"
            ),
            r"\baccording to the answer\b",
            r"\b(?:match(?:es|ing)?|agree(?:s|ing)?\s+with)\s+the\s+(?:final\s+)?answer\b(?!\s+(?:choices|options))",
        ]
    ),
    re.IGNORECASE,
)
# talk that is a leak only where the value of the answer follows: `since the answer is 12`; not:
# `must be whole`
_BEFORE_THE_VALUE = re.compile(
    "|".join(
        [
            rf"\b(?:since|because|as|given(?:\s+that)?|knowing(?:\s+that)?)\s+the\s+{_ANSWER}\s+{_IS}",
            (
                r"\b(?:know|knew|told|given|known|stated|said|says) (?:(?:me|us) )?(?:that"
                rf" )?the\s+{_ANSWER}\s+{_IS}"
            ),
            rf"\b(?:show|prove|justify|explain|demonstrate|see)\s+(?:us\s+)?(?:that|why|how)\s+the\s+{_ANSWER}\s+{_IS}",
            rf"\bjustify\s+the\s+{_ANSWER}",
            r"\b(?:have|has|need|want|must|aim|goal\s+is|supposed)\s+to\s+(?:arrive\s+at|reach|end\s+up\s+(?:with|at)|get\s+to)",
            r"\bwork(?:ing|ed)?\s+backwards?\s+from",
            rf"\b(?:was|were|am|are)\s+(?:given|told|shown)\s+the\s+{_ANSWER}",
        ]
    ),
    re.IGNORECASE,
)
# a given result or value is a leak where its value is the answer and nothing has shown it yet
_GIVEN_VALUE = re.compile(
    rf"\b{_TOLD}\s+(?:solution|result|value)\s+(?:is|of|:)|\b(?:solution|prompt|book|teacher)\s+says"
    r"|\btold\s+(?:that\s+)?it(?:'s|\s+is)|\banswer,?\s+as\s+(?:given|stated|provided),?\s+(?:is|:)",
    re.IGNORECASE,
)
# Characters behind `the answer is` in which the value must stand; a longer answer has more.
_NEAR = 24
_WORD = re.compile(r"\w+")


def mentions_given_answer(text: str, answer: str = "") -> bool:
    """Whether a path gives away the answer that it was shown; `answer` sharpens it where known."""
    if _TALK.search(text):
        return True
    if not answer.strip():
        return any(_is_number_next(text, match.end()) for match in _BEFORE_THE_VALUE.finditer(text))
    kind = _kind_of(answer)
    if any(
        _value_next(text, match.end(), answer, kind) for match in _BEFORE_THE_VALUE.finditer(text)
    ):
        return True
    given = (
        match
        for match in _GIVEN_VALUE.finditer(text)
        if _value_next(text, match.end(), answer, kind)
    )
    if any(not stands_in(text[: match.start()], answer, kind) for match in given):
        return True
    return _states_it_first(text, answer, kind)


def _value_next(text: str, place: int, answer: str, kind: AnswerKind) -> bool:
    """Whether the value follows at once, in the same sentence, and is not the end of the text."""
    near = re.split(
        r"[.;:!?\n](?:\s|$)|,\s",
        text[place : place + max(_NEAR, 2 * len(answer) + 8)].lstrip(" ,:"),
    )[0]
    return stands_in(near, answer, kind)


def _is_number_next(text: str, place: int) -> bool:
    return re.match(r"\s*\W{0,3}\d", text[place : place + 8]) is not None


def _states_it_first(text: str, answer: str, kind: AnswerKind) -> bool:
    """Whether the text states the value as the answer before any work shows it."""
    for start, end, stated in statements_in_order(text):
        if not _value_next(stated.words, 0, answer, kind):
            continue
        before, behind = text[:start], text[end:]
        if stands_in(before, answer, kind) or (_WORD.search(before) and _has_work(before)):
            return False
        return len(_WORD.findall(behind)) >= 4 or (
            not stated.boxed and len(_WORD.findall(stated.line)) > 12
        )
    return False


def _has_work(before: str) -> bool:
    """Whether something is worked out: two sentences, or a calculation."""
    sentences = [
        part for part in re.split(r"(?<=[.!?])\s+|\n+", before) if len(_WORD.findall(part)) >= 3
    ]
    return len(sentences) >= 1 and (
        len(sentences) >= 2 or re.search(r"\d\s*[-+*/×=·]\s*\d|=", before) is not None
    )


def _kind_of(answer: str) -> AnswerKind:
    if answer.strip().lower() in ("yes", "no", "true", "false"):
        return "boolean"
    if re.fullmatch(r"\(?[A-Z]\)?", answer.strip()):
        return "choice"
    return "number" if isinstance(number_offered(answer), Number) else "text"
