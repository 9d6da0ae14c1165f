"""The answer-leak detector: does a hinted path talk about the answer that it was given?

Such a path teaches to quote an answer, not to find one; selection refuses it as `mentions_given_answer`.
Stating the result at the end, as asked ("The correct answer is 12."), is no leak.
"""

import re

_NOUN = r"(?:final\s+)?(?:answer|solution|result|value)"
_TOLD = r"(?:given|provided|known|supplied|stated|expected|reference|target|desired|hinted|aforementioned)"
_GIVEN = r"(?:given|provided|told|supplied|known|stated|hinted)"
_SINCE = r"(?:since|because|as|given(?:\s+that)?|knowing(?:\s+that)?)"
_KNOWS = r"(?:know|knew|(?:are|were|was|have been) (?:told|given))"
_MATCHES = (
    r"(?:match(?:es|ing)?|agree(?:s|ing)? with|consistent with|confirm(?:s|ing)?|verif(?:y|ies|ying)|arrives? at|"
    r"leads? to|get to|justif(?:y|ies))"
)
_TALK = re.compile(
    "|".join(
        [
            rf"\b(?:the|this|that|our|your)\s+(?:already\s+)?{_TOLD}\s+(?:correct\s+)?{_NOUN}\b",
            rf"\b{_NOUN}\s+(?:that\s+)?(?:is|was|has been|as|we were|we are|i was|you)\s+(?:already\s+)?{_GIVEN}\b",
            rf"\b(?:we|i|you)\s+(?:(?:already|now)\s+)*{_KNOWS}\s+(?:that\s+)?(?:the|this)\s+(?:correct\s+)?{_NOUN}\b",
            rf"\b(?:told|given|gave)\s+(?:me|us|you)?\s*(?:that\s+)?the\s+(?:correct\s+)?{_NOUN}\b",
            r"\b(?:answer|solution)\s+(?:provided|given|supplied)\b",
            r"\b(?:the|this|your|that)\s+hint\b",
            rf"\b{_MATCHES}\s+the\s+(?:given|provided|correct|known)\s+{_NOUN}\b",
            rf"\b(?:work|reason|go)(?:ing)?\s+backwards?\s+from\s+(?:the\s+)?(?:correct\s+)?(?:{_NOUN}|\d)",
            rf"\b{_SINCE}\s+the\s+(?:correct\s+)?{_NOUN}\s+(?:is|was|must be|has to be)\b",
            r"\bpretend(?:ing)?\s+(?:that\s+)?(?:we|i|you)?\s*(?:do not|don't|did not|didn't|not to)\s+know\b",
            r"\bas if (?:we|i|you) did(?: not|n't) know\b",
        ]
    ),
    re.IGNORECASE,
)
_CORRECT_ANSWER = re.compile(rf"\bthe\s+correct\s+{_NOUN}\b", re.IGNORECASE)
_SENTENCE_END = re.compile(r"(?<=[.!?])\s+|\n+")


def mentions_given_answer(text: str, answer: str = "") -> bool:
    """Whether a path talks about an answer that it was given; `answer` sharpens it where known.

    The correct answer may be named in the last sentence only: before that the path must have found it.
    """
    if _TALK.search(text):
        return True
    sentences = [sentence for sentence in _SENTENCE_END.split(text.strip()) if sentence.strip()]
    if any(_CORRECT_ANSWER.search(sentence) for sentence in sentences[:-1]):
        return True
    return len(sentences) > 1 and bool(answer.strip()) and _begins_with_answer(sentences[0], answer)


def talks_about_the_given_answer(text: str, answer: str) -> bool:
    """`mentions_given_answer` with the answer known."""
    return mentions_given_answer(text, answer)


def _begins_with_answer(sentence: str, answer: str) -> bool:
    stated = re.compile(rf"\banswer\s+is:?\s+{re.escape(answer.strip())}(?![\w.]*\d)", re.IGNORECASE)
    return bool(stated.search(sentence))
