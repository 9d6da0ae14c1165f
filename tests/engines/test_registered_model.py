"""What MLflow runs for a registered model.

Each question asked in the form of its kind, now and by older versions.
"""

import importlib.util
import json
import warnings
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any, get_args

import pandas as pd
import pytest

from storage.errors import InputError
from storage.ids import content_id
from storage.records import AnswerKind, Question
from tasks.evaluation.answering import PlannedAnswer
from tasks.prompt_files import load_prompts
from tasks.rules.ladder.prompts import Turns, parse_prompt
from tasks.rules.ladder.requests import plan_stage
from tasks.settings import ModelSettings, Sampling
from tests.fakes.tiny_model import write_tiny_model
from tests.storage.examples import make

ROOT = Path(__file__).parents[2]
NOW = ROOT / "tasks" / "engines" / "registered_model.py"
OLD = ROOT / "tests" / "data" / "registered_model_of_version_0_1.py"
PROMPT = load_prompts()["answer"]


def loaded(file: Path) -> ModuleType:
    """The code as MLflow loads it: from its file, under no name of ours.

    MLflow warns of itself when it is imported.
    """
    spec = importlib.util.spec_from_file_location("registered", file)
    assert spec is not None
    assert spec.loader is not None
    code = importlib.util.module_from_spec(spec)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        spec.loader.exec_module(code)
    return code


@pytest.fixture(scope="module")
def code() -> ModuleType:
    return loaded(NOW)


class Told:
    """Renderer and weights in one, which record the turns and answer nothing."""

    stop_token_ids = (2,)
    end_of_turn = 2

    def __init__(self) -> None:
        self.turns: list[Turns] = []

    def prompt_ids(self, turns: Turns) -> list[int]:
        self.turns.append(turns)
        return [1]

    def generate(self, **_: object) -> Any:
        import torch

        return torch.tensor([[1, 2]])

    def decode(self, tokens: list[int]) -> str:
        return ""


def question(kind: AnswerKind) -> Question:
    choices = ["seven", "eight"] if kind == "choice" else []
    return make(
        Question, kind, text=f"A question of kind {kind}?", answer_kind=kind, choices=choices
    )


@pytest.mark.parametrize("kind", get_args(AnswerKind))
@pytest.mark.parametrize("thinking", [False, True])
def test_a_question_of_each_kind_is_asked_as_evaluation_asks_it(
    code: ModuleType, kind: AnswerKind, thinking: bool
) -> None:
    asked = question(kind)
    settings = ModelSettings(thinking=thinking)
    model, told = code.RegisteredModel(), Told()
    model.model = model.renderer = told
    model.prompt, model.max_tokens = parse_prompt(PROMPT.text).for_thinking(thinking), 1

    model.predict(
        None, pd.DataFrame([{"question": asked.text, "kind": kind, "choices": asked.choices}])
    )

    plan = plan_stage(PROMPT, Sampling(), settings)
    assert told.turns == [PlannedAnswer(content_id("answers", kind), asked, plan, 1, 0).turns]


def test_choices_may_be_missing_in_some_rows_or_in_all(code: ModuleType) -> None:
    rows = [
        {"question": "1 + 1?", "kind": "number"},
        {"question": "Which?", "kind": "choice", "choices": ["x", "y"]},
    ]

    assert [list(one.choices) for one in code.given_questions(pd.DataFrame(rows))] == [
        [],
        ["x", "y"],
    ]
    assert [list(one.choices) for one in code.given_questions(pd.DataFrame(rows[:1]))] == [[]]


def test_a_kind_that_there_is_not_is_refused_with_its_row(code: ModuleType) -> None:
    rows = [{"question": "1 + 1?", "kind": "number"}, {"question": "1 + 2?", "kind": "numbers"}]
    with pytest.raises(
        InputError, match=r"Row 2: column 'kind' must be one of number, .*; found 'numbers'"
    ):
        code.given_questions(pd.DataFrame(rows))


@pytest.mark.parametrize("choices", ["x, y", 7, {"A": "x"}])
def test_choices_that_are_no_list_are_refused_with_their_row(
    code: ModuleType, choices: object
) -> None:
    with pytest.raises(InputError, match=r"Row 1: column 'choices' must be a list of texts; found"):
        code.given_questions(
            pd.DataFrame([{"question": "Which?", "kind": "choice", "choices": choices}])
        )


@pytest.mark.engine
def test_a_model_that_version_0_1_registered_loads_and_answers_a_plain_list(
    tmp_path: Path, model_folder: Path
) -> None:
    tiny = write_tiny_model(tmp_path / "tiny", model_folder)
    place = {"folder": str(tiny), "below_home": ""}
    reference = {
        "base": place,
        "weights": place,
        "model_settings": ModelSettings().model_dump(mode="json"),
        "prompt": PROMPT.text,
        "max_tokens": 4,
    }
    (tmp_path / "reference.json").write_text(json.dumps(reference), "utf-8")
    context = SimpleNamespace(artifacts={"reference": str(tmp_path / "reference.json")})
    answers = (
        loaded(OLD)
        .RegisteredModel()
        .predict(context, pd.DataFrame(["What is 2 + 2?", "And 3 + 3?"]))
    )

    assert [type(answer) for answer in answers] == [str, str]
