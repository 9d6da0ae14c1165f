"""The judge against math-verify on completions made from the shared question sets, and over all
cores.

Every completion states an answer and is right or wrong by construction. The judge reads whole
completions; math-verify is given the answers that the judge extracted. Each verdict in which the
two differ is listed with the reason (in benchmarks/verification_differences.jsonl under the folder
given by --out, summed up on the screen).
"""

import argparse
import gzip
import json
import logging
import os
import random
import statistics
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import partial
from pathlib import Path
from typing import Any

from storage.records import AnswerKind
from tasks.rules.answers.verdicts import Case, Judgement, judged_quickly
from tasks.settings import VerificationSettings
from tasks.verification.verify_paths import Judge

ROOT = Path(__file__).parents[1]
SHARED, SAMPLES = ROOT.parent / "shared" / "data", ROOT / "tests" / "data" / "question_sets"
SETS = ("aqua_rat", "arc_challenge", "gsm8k", "strategyqa", "svamp")
GOAL_RATIO, GOAL_SCALING = 5.0, 0.8


@dataclass(frozen=True)
class Completion:
    """A completion with what it is by construction, and how its answer is spelled."""

    case: Case
    right: bool
    spelling: str


Spelling = tuple[str, Callable[[str, Case], str]]
NUMBERS: tuple[Spelling, ...] = (
    ("plain", lambda a, _: f"The answer is {a}."),
    ("marker", lambda a, _: f"#### {a}"),
    ("box", lambda a, _: f"\\boxed{{{a}}}"),
    ("box with a unit", lambda a, _: f"\\boxed{{{a}\\text{{ apples}}}}"),
    ("currency", lambda a, _: f"Answer: ${a}"),
    ("unit in words", lambda a, _: f"The answer is {a} apples."),
    (
        "decimal zero",
        lambda a, _: f"The answer is {a}.0." if "." not in a else f"The answer is {a}0.",
    ),
    ("equation", lambda a, _: f"The answer is x = {a}."),
    (
        "fraction",
        lambda a, _: (
            "The answer is"
            f" \\frac{{{(Fraction(a) * 2).numerator}}}{{{(Fraction(a) * 2).denominator * 2}}}."
        ),
    ),
    ("percent sign", lambda a, _: f"The answer is {a}%."),
    ("reason behind", lambda a, _: f"The answer is {a} because 2 and 3 make 5."),
)
BOOLEANS: tuple[Spelling, ...] = (
    ("plain", lambda a, _: f"The answer is {a}."),
    ("upper case", lambda a, _: f"Answer: {a.upper()}"),
    ("box", lambda a, _: f"\\boxed{{\\text{{{a.title()}}}}}"),
    ("true or false", lambda a, _: f"The answer is {'true' if a == 'yes' else 'false'}."),
    ("reason behind", lambda a, _: f"The answer is {a}, because there is no other way."),
)
CHOICES: tuple[Spelling, ...] = (
    ("letter", lambda a, _: f"The answer is {a}."),
    ("bracketed letter", lambda a, _: f"The answer is ({a})."),
    ("box", lambda a, _: f"\\boxed{{\\text{{{a}}}}}"),
    ("letter and text", lambda a, c: f"The answer is ({a}) {c.choices[ord(a) - 65]}"),
    ("text", lambda a, c: f"The answer is {c.choices[ord(a) - 65]}"),
)
SPELLINGS: dict[AnswerKind, tuple[Spelling, ...]] = {
    "number": NUMBERS,
    "boolean": BOOLEANS,
    "choice": CHOICES,
}
WHY = {
    (
        "number",
        "percent sign",
    ): "50% is 50 unless the reference has a percent sign; math-verify reads 0.5",
    (
        "number",
        "reason behind",
    ): "the value stands before the reason; math-verify reads on into the reason",
    ("choice", "text"): "an option stated by its text; math-verify looks for letters in it",
    (
        "choice",
        "letter and text",
    ): "letter and text together; math-verify takes the last letter or figure in them",
    (
        "choice",
        "box",
    ): "LaTeX text command around the letter; math-verify's string reading does not take it off",
    (
        "choice",
        "bracketed letter",
    ): "a letter in brackets; math-verify's string reading wants it bare",
    (
        "boolean",
        "box",
    ): "LaTeX text command around the word; math-verify's string reading does not take it off",
    (
        "boolean",
        "upper case",
    ): "upper case; math-verify's string reading finds only the spelling it was given",
    ("boolean", "true or false"): "true means yes; math-verify compares the words",
    ("boolean", "reason behind"): "the `no` of the reason is no answer; math-verify takes it",
}


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--full", action="store_true", help="20,000 completions a kind")
    arguments.add_argument(
        "--out", type=Path, default=Path(tempfile.gettempdir()) / "regenesis-benchmarks"
    )
    options = arguments.parse_args()
    logging.disable(logging.CRITICAL)
    completions = made_completions(20_000 if options.full else 2_500, random.Random(1))
    ours = [judged_quickly(one.case) for one in completions]
    stated = [
        (one, mine)
        for one, mine in zip(completions, ours, strict=True)
        if isinstance(mine, Judgement) and mine.extracted
    ]
    kinds = Counter(one.case.answer_kind for one, _ in stated)
    rivals = Rivals([(one, mine.extracted or "") for one, mine in stated])
    cases = [one.case for one, _ in stated]
    judge_rates, verify_rates = [], []
    theirs: list[bool] = []
    for _ in range(3):
        judge_rates.append(
            len(cases) / cpu_seconds_of(lambda: [judged_quickly(case) for case in cases])
        )
        theirs = []
        verify_rates.append(
            len(cases) / cpu_seconds_of(lambda into=theirs: into.extend(rivals.verdicts()))
        )
    list_differences(stated, theirs, options.out)
    scaling = scaling_of(cases)
    ratios = [a / b for a, b in zip(judge_rates, verify_rates, strict=True)]
    print(
        json.dumps(
            {
                "name": "verification",
                "ratio": round(statistics.median(ratios), 2),
                "goal": GOAL_RATIO,
                "spread": round((max(ratios) - min(ratios)) / statistics.median(ratios), 3),
                "judge_cases_per_cpu_second": round(statistics.median(judge_rates)),
                "math_verify_cases_per_cpu_second": round(statistics.median(verify_rates)),
                "scaling": scaling,
                "scaling_goal": GOAL_SCALING,
                "false_accepts": sum(
                    mine.verdict == "correct" and not one.right for one, mine in stated
                ),
                "false_refusals": sum(
                    mine.verdict != "correct" and one.right for one, mine in stated
                ),
                "math_verify_false_accepts": sum(
                    said and not one.right for (one, _), said in zip(stated, theirs, strict=True)
                ),
                "math_verify_false_refusals": sum(
                    one.right and not said for (one, _), said in zip(stated, theirs, strict=True)
                ),
                "size": dict(kinds),
            }
        )
    )


def made_completions(per_kind: int, generator: random.Random) -> list[Completion]:
    """Half right, half wrong by a near miss.

    A few sentences of reasoning from the question before the answer.
    """
    cases = [case for name in SETS for case in read_cases(name)]
    made: list[Completion] = []
    for kind, spellings in SPELLINGS.items():
        pool = [case for case in cases if case.answer_kind == kind]
        for place in range(per_kind):
            case, right = pool[generator.randrange(len(pool))], place % 2 == 0
            name, spell = spellings[(place // 2) % len(spellings)]
            answer = case.answer if right else near_miss(case, generator)
            text = (
                f"Let us think. {case.question}\n1. First we look at what is given.\n2. Then we"
                " work it out.\n"
            )
            whole = Case(
                text + spell(answer, case), case.answer, kind, case.choices, "stop", case.question
            )
            made.append(Completion(whole, right, name))
    return made


def near_miss(case: Case, generator: random.Random) -> str:
    """One digit, sign or decimal point off; the opposite; an option of another text."""
    if case.answer_kind == "boolean":
        return {"yes": "no", "no": "yes"}[case.answer]
    if case.answer_kind == "choice":
        own = case.choices[ord(case.answer) - 65]
        return generator.choice([chr(65 + i) for i, text in enumerate(case.choices) if text != own])
    value = Fraction(case.answer)
    other = generator.choice(
        [v for v in (value + 1, value - 1, value * 10, -value, value + 10) if v != value]
    )
    return str(other) if other.denominator == 1 else repr(float(other))


def read_cases(name: str) -> list[Case]:
    """The set's questions; the samples of tests/data where the shared folder is not there."""
    file = SHARED / f"{name}.jsonl.gz"
    text = (
        gzip.decompress(file.read_bytes()).decode()
        if file.exists()
        else (SAMPLES / f"{name}.jsonl").read_text("utf-8")
    )
    rows = [json.loads(line) for line in text.rstrip("\n").split("\n")]
    return [
        Case("", r["answer"], r["answer_type"], tuple(r["choices"] or ()), "stop", r["question"])
        for r in rows
    ]


class Rivals:
    """math-verify on the extracted answers, in process and without its time-outs, which only makes
    it faster.
    """

    def __init__(self, answers: Sequence[tuple[Completion, str]]) -> None:
        import math_verify

        self._library: Any = math_verify
        strings = {"choice": tuple("ABCDE"), "boolean": ("yes", "no")}
        self._configs: dict[str, list[Any]] = {
            kind: [math_verify.StringExtractionConfig(strings=words)]
            for kind, words in strings.items()
        }
        self._configs["number"] = [
            math_verify.LatexExtractionConfig(),
            math_verify.ExprExtractionConfig(),
        ]
        self._answers = answers

    def verdicts(self) -> list[bool]:
        """Whether each answer is equal to its reference."""
        return [self._one(one.case, extracted) for one, extracted in self._answers]

    def _one(self, case: Case, extracted: str) -> bool:
        config = self._configs[case.answer_kind]
        reference = self._library.parse(case.answer, extraction_config=config, parsing_timeout=None)
        words = f"${extracted}$" if "\\" in extracted else extracted
        answer = self._library.parse(words, extraction_config=config, parsing_timeout=None)
        return bool(self._library.verify(reference, answer, timeout_seconds=None))


def list_differences(
    stated: Sequence[tuple[Completion, Judgement]], theirs: Sequence[bool], folder: Path
) -> None:
    """Every differing verdict, one JSON line each, with its explanation; the sums on the screen."""
    folder.mkdir(parents=True, exist_ok=True)
    sums: Counter[tuple[str, str, str]] = Counter()
    with (folder / "verification_differences.jsonl").open("w", encoding="utf-8") as file:
        for (one, mine), said in zip(stated, theirs, strict=True):
            if (mine.verdict == "correct") == said:
                continue
            wrong = "math-verify" if said != one.right else "the judge"
            how = (
                "accepts a wrong answer"
                if (said and not one.right) or (not said and not one.right)
                else "refuses a right answer"
            )
            cause = WHY.get(
                (one.case.answer_kind, one.spelling), "spelling that math-verify reads otherwise"
            )
            sums[one.case.answer_kind, one.spelling, f"{wrong} {how}: {cause}"] += 1
            file.write(
                json.dumps(
                    {
                        "kind": one.case.answer_kind,
                        "spelling": one.spelling,
                        "extracted": mine.extracted,
                        "reference": one.case.answer,
                        "right_by_construction": one.right,
                        "judge": mine.verdict,
                        "math_verify": said,
                        "explanation": f"{wrong} {how}: {cause}",
                    },
                    ensure_ascii=False,
                )
                + "\n"
            )
    print(
        f"{sum(sums.values())} verdicts differ; each is in"
        f" {folder / 'verification_differences.jsonl'}"
    )
    for (kind, spelling, cause), count in sorted(sums.items()):
        print(f"  {count:5}  {kind}, {spelling}: {cause}")


def scaling_of(cases: Sequence[Case]) -> dict[str, object]:
    """Rate over all cores against the rate of one, as a share of linear, side by side, best of
    three.

    Wall time needs an idle machine, so the load stands beside it, with what the dispatching process
    spends a case.
    """
    cores = (
        len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    )
    many = list(cases) * max(1, 60_000 // len(cases))
    rates: dict[int, float] = {}
    cpu: dict[int, float] = {}
    load = os.getloadavg()[0]
    judges = {
        workers: Judge(VerificationSettings(workers=workers)) for workers in sorted({1, cores})
    }
    for judge in judges.values():
        judge.judge(many[:4000])
    for _ in range(3):
        for workers, judge in judges.items():
            before = time.process_time()
            rates[workers] = max(
                rates.get(workers, 0.0), len(many) / seconds_of(partial(judge.judge, many))
            )
            cpu[workers] = (time.process_time() - before) / len(many) * 1e6
    for judge in judges.values():
        judge.__exit__(None, None, None)
    return {
        "cores": cores,
        "load_before": round(load, 1),
        "one_core_cases_per_second": round(rates[1]),
        "all_cores_cases_per_second": round(rates[cores]),
        "share_of_linear": round(rates[cores] / rates[1] / cores, 3),
        "one_core_cpu_microseconds": round(cpu[1], 1),
        "dispatch_cpu_microseconds": round(cpu[cores], 1),
        "cases": len(many),
    }


def seconds_of(work: Callable[[], object]) -> float:
    """Wall seconds of a call."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def cpu_seconds_of(work: Callable[[], object]) -> float:
    """CPU seconds of a call: the rate on one core, whatever else the machine does."""
    start = time.process_time()
    work()
    return time.process_time() - start


if __name__ == "__main__":
    main()
