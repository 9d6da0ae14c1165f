"""Our questions as tasks of another harness: data and patterns only, and what its patterns read."""

import json
import re

import pytest

from storage.records import Prompt, Question
from tasks.evaluation.answering import answer_plan
from tasks.rules.gate.answer_figures import Reading
from tasks.rules.gate.harness_tasks import EXTRACTIONS, harness_figures, harness_task
from tasks.settings import Settings
from tests.storage.examples import make

HOSTILE = '{{ cycler.__init__.__globals__ }} {% for x in y %}\n\u2028"quoted" <|im_end|>'
PROMPT = make(
    Prompt, "answer", name="answer", text='[user]\n{question} End with "The answer is" and {form}.'
)


def question(text: str, kind: str = "number") -> Question:
    return make(Question, text, text=text, answer="7", answer_kind=kind, part="gate")


def test_a_question_is_data_that_no_template_reads() -> None:
    task = harness_task(
        "regenesis_sums", [question(HOSTILE)], answer_plan({"answer": PROMPT}, Settings())
    )
    [row] = map(json.loads, task.jsonl().split("\n")[:-1])
    assert HOSTILE in row["question"]
    assert row["answer"] == "7"
    assert (task.config["doc_to_text"], task.config["doc_to_target"]) == ("question", "answer")
    assert HOSTILE not in json.dumps(task.config)


def test_each_of_several_accepted_answers_is_a_target() -> None:
    several = make(
        Question,
        "n",
        text="Where?",
        answer="Niger",
        answer_kind="text",
        other_answers=["Chad"],
        part="gate",
    )
    task = harness_task(
        "t", [question("a", "text"), several], answer_plan({"answer": PROMPT}, Settings())
    )
    assert [row["answer"] for row in task.rows] == [["7"], ["Niger", "Chad"]]


def test_the_last_number_is_looked_for_only_where_every_answer_is_one() -> None:
    plan = answer_plan({"answer": PROMPT}, Settings())
    for kind, readings in (("number", ["strict", "lenient"]), ("choice", ["strict"])):
        config = harness_task("t", [question("a"), question("b", kind)], plan).config
        assert [one["name"] for one in config["filter_list"]] == readings  # type: ignore[index,attr-defined]


@pytest.mark.parametrize(
    ("reading", "text", "read"),
    [
        ("strict", "3 + 4 = 7. The answer is 7.", "7"),
        ("strict", "The answer is -1,234.5.\nMore", "-1,234.5"),
        ("strict", "the answer is: (B).", "(B)"),
        ("strict", "So \\boxed{12}.", "12"),
        ("strict", "It is 7.", None),
        ("lenient", "3 + 4 makes 7.", "7."),
        ("lenient", "from 5 to -12", "-12"),
    ],
)
def test_the_patterns_read_an_answer_as_the_harness_does(
    reading: Reading, text: str, read: str | None
) -> None:
    pattern, group = EXTRACTIONS[reading]
    found = re.findall(pattern, text)
    assert (found[group] if found else None) == read


def test_results_become_figures_with_wilsons_interval() -> None:
    [strict, lenient] = harness_figures(
        {"exact_match,strict": 0.25, "exact_match,lenient": 0.5, "alias": "x"}, 40
    )
    assert (strict.reading, strict.value, strict.questions) == ("strict", 0.25, 40)
    assert strict.interval.low < 0.25 < strict.interval.high
    assert lenient.reading == "lenient"
    assert harness_figures({}, 40) == []
