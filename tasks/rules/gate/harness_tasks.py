"""Our questions as tasks of EleutherAI's lm-evaluation-harness, and its results read back.

Questions in, one task per question set out, as plain data: a configuration and the rows of its JSON
file. The harness asks, extracts and compares by its own code; only the words of the prompt are
ours.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import cast

from storage.records import Question
from tasks.rules.gate.answer_figures import Figure, Reading
from tasks.rules.gate.statistics import wilson_interval
from tasks.rules.ladder.prompts import ask_question
from tasks.rules.ladder.requests import StagePlan

METRIC = "exact_match"
# The harness's own way with GSM8K: the answer where it is stated as asked, or the last number of
# the text.
EXTRACTIONS: dict[Reading, tuple[str, int]] = {
    "strict": (r"(?:[Tt]he answer is|\\boxed\{)[:\s]*(.*?)\}?[.\s]*(?:\n|$)", 0),
    "lenient": (r"(-?[$0-9][$0-9.,]*|-?[0-9]+)", -1),
}
# what `exact_match` leaves out of both sides: thousands marks, dollars, brackets, a final stop,
# emphasis
IGNORED = (",", r"\$", r"[()]", r"\.$", r"\*")


@dataclass(frozen=True)
class HarnessTask:
    """One question set as the harness takes it."""

    name: str
    config: dict[str, object]
    rows: tuple[dict[str, object], ...]

    def jsonl(self) -> str:
        """Its rows as a JSON file, which the configuration is still to name."""
        return "".join(json.dumps(row) + "\n" for row in self.rows)


def harness_task(name: str, questions: Sequence[Question], plan: StagePlan) -> HarnessTask:
    """The task of these questions; the lenient reading only where every answer is a number."""
    turns = [ask_question(plan.template, question) for question in questions]
    # the harness takes any of several targets where the first row has a list, so then every row has
    # one
    several = any(question.other_answers for question in questions)
    rows: list[dict[str, object]] = [
        {
            "id": str(question.id),
            "question": turn.user,
            "begun": turn.prefill,
            "answer": list(question.accepted_answers) if several else question.answer,
        }
        for question, turn in zip(questions, turns, strict=True)
    ]
    numbers = all(question.answer_kind == "number" for question in questions)
    config = _config(
        name, plan, [reading for reading in EXTRACTIONS if reading == "strict" or numbers]
    )
    if any(row["begun"] for row in rows):
        config["gen_prefix"] = "begun"
    return HarnessTask(name, config, tuple(rows))


def _config(name: str, plan: StagePlan, readings: Sequence[Reading]) -> dict[str, object]:
    """The task as the harness wants it described."""
    until = list(plan.sampling.stop) or ["\n\n\n\n"]
    metric = {
        "metric": METRIC,
        "aggregation": "mean",
        "higher_is_better": True,
        "ignore_case": True,
    }
    return {
        "task": name,
        "dataset_path": "json",
        "test_split": "test",
        "output_type": "generate_until",
        "doc_to_text": "question",
        "doc_to_target": "answer",
        "generation_kwargs": {
            "until": until,
            "max_gen_toks": plan.sampling.max_tokens,
            "temperature": 0,
            "do_sample": False,
        },
        "metric_list": [{**metric, "regexes_to_ignore": list(IGNORED)}],
        "filter_list": [_filter(reading) for reading in readings],
    }


def harness_figures(results: Mapping[str, object], questions: int) -> list[Figure]:
    """The harness's figures for one task, with Wilson's interval, for each reading that it has."""
    figures: list[Figure] = []
    for reading in EXTRACTIONS:
        share = cast("float | None", results.get(f"{METRIC},{reading}"))
        if share is not None:
            correct = round(share * questions)
            figures.append(
                Figure(METRIC, reading, 1, questions, share, wilson_interval(correct, questions))
            )
    return figures


def _filter(reading: Reading) -> dict[str, object]:
    pattern, group = EXTRACTIONS[reading]
    extraction = {"function": "regex", "regex_pattern": pattern, "group_select": group}
    return {"name": reading, "filter": [extraction, {"function": "take_first"}]}
