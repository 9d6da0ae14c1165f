"""Majority vote for questions without a reference: classes of equal answers, and the margin.

Stated answers of one question's paths in, one `Vote` out. A path that states no answer has no vote;
whether two answers are equal is decided by the rules of `verdicts`, so 1/2 and 0.5 vote together.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from storage.records import AnswerKind, Label
from tasks.rules.answers.compared import Undecided
from tasks.rules.answers.final_answer import Stated, final_answer
from tasks.rules.answers.verdicts import Case, compare


@dataclass(frozen=True)
class Vote:
    """Outcome of a vote: labels and reasons by path, in order, and how clear it was."""

    labels: list[Label]
    reasons: list[str]
    stated: list[str | None]
    winner: str | None
    share: float
    margin: float
    entropy: float


def majority_vote(
    texts: Sequence[tuple[str, str]],
    kind: AnswerKind,
    choices: tuple[str, ...] = (),
    *,
    question: str = "",
    min_share: float = 0.5,
    min_paths: int = 4,
    equal: Callable[[Undecided], bool] = lambda _: False,
) -> Vote:
    """The vote of (text, finish reason) pairs; nothing wins below the thresholds, or in a tie.

    `equal` does algebra.
    """
    stated = [final_answer(text, finish_reason, kind) for text, finish_reason in texts]
    classes: list[list[int]] = []
    for place, one in enumerate(stated):
        if not isinstance(one, Stated) or not _is_answer(one, kind, choices, question):
            continue
        # Equality of answers is not transitive where rounding is forgiven (0.333, 1/3, 0.334), so
        # each answer is compared with a class's first member only. The work is paths times classes.
        for members in classes:
            representative = stated[members[0]]
            if isinstance(representative, Stated) and _same(
                one, representative, kind, choices, question, equal
            ):
                members.append(place)
                break
        else:
            classes.append([place])
    return _vote(
        stated,
        sorted(classes, key=lambda members: (-len(members), members[0])),
        min_share,
        min_paths,
    )


def _vote(
    stated: Sequence[object], classes: list[list[int]], min_share: float, min_paths: int
) -> Vote:
    voters = sum(map(len, classes))
    words = [one.words if isinstance(one, Stated) else None for one in stated]
    shares = [len(members) / voters for members in classes]
    share = shares[0] if shares else 0.0
    margin = share - (shares[1] if len(shares) > 1 else 0.0)
    # + 0.0, because the sum of one class is 0.0 and its negative prints as -0.0
    entropy = -sum(part * math.log2(part) for part in shares) + 0.0
    won = voters >= min_paths and share >= min_share and margin > 0
    labels: list[Label] = ["unjudged"] * len(words)
    reasons = ["no_final_answer" if word is None else "no_majority" for word in words]
    voting = {place: members is classes[0] for members in classes for place in members}
    if won:
        for place, word in enumerate(words):
            if word is not None:
                labels[place] = "correct" if voting.get(place, False) else "wrong"
                reasons[place] = "majority" if voting.get(place, False) else "minority"
    return Vote(
        labels, reasons, words, words[classes[0][0]] if won else None, share, margin, entropy
    )


def _is_answer(one: Stated, kind: AnswerKind, choices: tuple[str, ...], question: str) -> bool:
    """Whether the words are one answer of the kind, so that no comparison refuses them as such."""
    # any text that the kind can read will do: only the refusal of `one` itself matters
    probe = {
        "number": "0",
        "choice": "A",
        "boolean": _family(question),
        "expression": "0",
        "text": "0",
    }[kind]
    compared = compare(one, Case("", probe, kind, choices, question=question))
    return isinstance(compared, Undecided) or compared.reason in ("equal", "answer_differs")


def _family(question: str) -> str:
    return "valid" if "invalid" in question.lower() else "yes"


def _same(
    one: Stated,
    other: Stated,
    kind: AnswerKind,
    choices: tuple[str, ...],
    question: str,
    equal: Callable[[Undecided], bool],
) -> bool:
    if kind in ("choice", "boolean"):
        probes = (
            [chr(65 + i) for i in range(len(choices) or 26)]
            if kind == "choice"
            else [_family(question)]
        )
        return [_right(one, probe, kind, choices) for probe in probes] == [
            _right(other, probe, kind, choices) for probe in probes
        ]
    compared = compare(one, Case("", other.words, kind, choices, question=question))
    return equal(compared) if isinstance(compared, Undecided) else compared.label == "correct"


def _right(one: Stated, reference: str, kind: AnswerKind, choices: tuple[str, ...]) -> bool:
    compared = compare(one, Case("", reference, kind, choices))
    return not isinstance(compared, Undecided) and compared.label == "correct"
