"""A line of rounds that has seen whatever selection looks at, made from a seed.

Free and hinted paths, equal texts, cut ones, several judgings, votes, second opinions, people's
verdicts, self-checks, choices out of balance and a question that is held out in other words.
"""

import json
import random
from datetime import timedelta

from storage.ids import content_id
from storage.open_store import Store
from storage.records import Label, Path, Question, Record, Round, Verdict
from tests.storage.examples import NOW, make

SETS = (content_id("question_sets", "sums"), content_id("question_sets", "choices"))
LINE = "base/test"
LABELS: tuple[Label, ...] = ("correct", "correct", "correct", "wrong", "unjudged")


def line_of_paths(store: Store, seed: int, *, draws: int = 3, questions: int = 12) -> Round:
    """The newest round of the line, whose paths and verdicts are all stored."""
    rng = random.Random(seed)
    rounds = [make(Round, draw, number=draw, line=LINE) for draw in range(1, draws + 1)]
    records: list[Record] = [*rounds, make(Round, "other", number=draws + 1, line="base/other")]
    for draw in range(1, draws + 2):
        for number in range(questions):
            records += _question(rng, draw, number)
        records += _question(rng, draw, questions, part="gate")
    told = "Tom buys 3 red apples at the small market near the old station and eats one"
    for part in ("train", "final"):
        text = f"{told}{' ' * len(part)}."
        records += _question(rng, draws, questions + 1, part=part, text=text)
    store.append(records)
    return rounds[-1]


def _question(
    rng: random.Random, draw: int, number: int, part: str = "train", text: str = ""
) -> list[Record]:
    is_choice = number % 3 == 0
    question = make(
        Question,
        (draw, number, part),
        question_set_id=SETS[is_choice],
        part=part,
        draw=draw,
        text=text or f"What is {draw} plus {number}?",
        answer=rng.choice("AAB") if is_choice else str(draw + number),
        answer_kind="choice" if is_choice else "number",
        choices=["yes", "no"] if is_choice else [],
    )
    chains = (9 if text else rng.randint(0, 9)) if part == "train" else 0
    paths = [_path(rng, question, draw, chain) for chain in range(chains)]
    return [question, *paths, *(one for path in paths for one in _verdicts(rng, path))]


def _path(rng: random.Random, question: Question, draw: int, chain: int) -> Path:
    said = "  ".join(["We add both numbers one after the other", f"in way {rng.randint(0, 4)}"])
    return make(
        Path,
        (str(question.id), chain),
        question_id=question.id,
        draw=draw,
        strategy="regenesis" if rng.random() < 0.9 else "direct",
        hinted=rng.random() < 0.3,
        text=f"{said} and get {question.answer}. The answer is {question.answer}.",
        finish_reason="length" if rng.random() < 0.1 else "stop",
        completion_tokens=rng.randint(5, 40),
        cut=None,
    )


def _verdicts(rng: random.Random, path: Path) -> list[Verdict]:
    judged = [("reference", str(version)) for version in range(1, rng.randint(1, 4))]
    others = [("human", "ann"), ("human", "zoe"), ("majority", "1"), ("second", "1")]
    return [
        make(
            Verdict,
            (str(path.id), verifier, version),
            path_id=path.id,
            draw=path.draw,
            verifier=verifier,
            verifier_version=version,
            verdict=(label := rng.choice(LABELS)),
            lenient_verdict=rng.choice([label, label, "wrong"]),
            reason={"correct": "equal", "wrong": "answer_differs"}.get(label, "ambiguous"),
            extracted="4",
            details=json.dumps(
                {"self_check": rng.random() < 0.7} if verifier == "reference" else {}
            )
            if version == "1"
            else "{}",
            created_at=NOW + timedelta(seconds=rng.randint(0, 5_000_000), microseconds=place),
        )
        for place, (verifier, version) in enumerate(
            [*judged, *(one for one in others if rng.random() < (0.9 if one[1] == "1" else 0.1))]
        )
    ]
