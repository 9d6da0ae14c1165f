"""What comparing a stated answer with its reference can yield: a label with its reason, or
`Undecided`.
"""

from dataclasses import dataclass

from storage.records import Label


@dataclass(frozen=True)
class Compared:
    """A label and its reason code."""

    label: Label
    reason: str


@dataclass(frozen=True)
class Undecided:
    """Algebra has to decide whether `answer` equals any of `references`, in a process that can be
    killed.
    """

    answer: str
    references: tuple[str, ...]


# The reasons are stored with each verdict and explained in storage/views/codes.toml.
EQUAL = Compared("correct", "equal")
DIFFERS = Compared("wrong", "answer_differs")
AMBIGUOUS = Compared("wrong", "ambiguous")
NOT_AN_ANSWER = Compared("wrong", "not_an_answer")
NOT_EVALUATED = Compared("wrong", "not_evaluated")
BAD_REFERENCE = Compared("unjudged", "bad_reference")
