"""The embedded question sets by reasoning-gym: any number of questions with answers, from a seed.

The only module that imports reasoning-gym. Its instruction ("Give only the result ...") is taken
out of the question, because the prompts say how to answer.
"""

import json
import re
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, cast

from storage.errors import InputError

# What reasoning-gym writes around a question -> how the question reads here.
REWORDINGS: dict[str, tuple[re.Pattern[str], str]] = {
    "chain_sum": (
        re.compile(r"^State the final answer to the following arithmetic problem: (.*?) =$"),
        r"What is \1?",
    ),
    "products": (
        re.compile(
            r"^Solve the following multiplication: (.*?)\. Give only the result as your final"
            r" answer\.$"
        ),
        r"What is \1?",
    ),
    "gcd": (
        re.compile(
            r"^Find the Greatest Common Divisor \(GCD\) of these numbers: (\d+), (\d+)\. "
            r"Give only the GCD as your final answer\.$"
        ),
        r"What is the greatest common divisor of \1 and \2?",
    ),
    "lcm": (
        re.compile(r"^Find the Least Common Multiple \(LCM\) of these numbers: (\d+), (\d+)$"),
        r"What is the least common multiple of \1 and \2?",
    ),
    "number_sequence": (
        re.compile(r"^(.*), \?$"),
        r"What is the next number in this sequence: \1, ?",
    ),
}
# questions per call: the generators build a data set for each call
BATCH = 256


@dataclass(frozen=True)
class DrawnQuestion:
    """One question as reasoning-gym made it; `source_row_id` is its seed and place in the draw."""

    source_row_id: str
    text: str
    answer: str
    metadata: str


def procedural_names() -> set[str]:
    """Every task that reasoning-gym knows."""
    return set(_gym().factory.DATASETS)


def drawn_questions(name: str, difficulty: Mapping[str, Any], seed: int) -> Iterator[DrawnQuestion]:
    """An endless, deterministic stream of one set's questions; small sets repeat texts."""
    while True:
        try:
            dataset = _gym().create_dataset(name, size=BATCH, seed=seed, **difficulty)
        except (TypeError, AssertionError, ValueError) as error:
            raise InputError(
                f"Difficulty of question set {name!r} must be reasoning-gym's settings; "
                f"found {dict(difficulty)!r}: {error}."
            ) from error
        for index, item in enumerate(cast(Iterator[dict[str, Any]], dataset)):
            yield DrawnQuestion(
                source_row_id=f"{seed}:{index}",
                text=reworded(name, str(item["question"])),
                answer=str(item["answer"]),
                metadata=json.dumps(item["metadata"], default=str),
            )
            if index + 1 == BATCH:
                break
        # an item's own seed is the data set's and its place: the next ones would be the same again
        seed += BATCH


def reworded(name: str, question: str) -> str:
    """The question without reasoning-gym's instruction on how to answer."""
    if name not in REWORDINGS:
        return question
    pattern, replacement = REWORDINGS[name]
    return pattern.sub(replacement, question.strip())


def _gym() -> Any:
    with warnings.catch_warnings():
        # of a dependency's source, when first compiled
        warnings.simplefilter("ignore", SyntaxWarning)
        import reasoning_gym  # pyright: ignore[reportMissingTypeStubs]

        return cast(Any, reasoning_gym)
