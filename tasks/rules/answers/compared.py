"""What comparing an answer with its reference yields: a label with a reason, or `Undecided`."""

from dataclasses import dataclass

from storage.records import Label


@dataclass(frozen=True)
class Compared:
    """A label and its reason code."""

    label: Label
    reason: str


@dataclass(frozen=True)
class Undecided:
    """Algebra, in a process of its own, must decide whether `answer` equals any reference."""

    answer: str
    references: tuple[str, ...]


# The reasons are stored with each verdict and explained in storage/views/codes.toml.
EQUAL = Compared("correct", "equal")
DIFFERS = Compared("wrong", "answer_differs")
AMBIGUOUS = Compared("wrong", "ambiguous")
NOT_AN_ANSWER = Compared("wrong", "not_an_answer")
NOT_EVALUATED = Compared("wrong", "not_evaluated")
BAD_REFERENCE = Compared("unjudged", "bad_reference")
