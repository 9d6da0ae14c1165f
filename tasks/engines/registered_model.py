"""What MLflow runs when it loads a registered model: models from code, no pickle.

`mlflow.pyfunc.load_model("models:/NAME@champion").predict([{"question": "What is 2 + 2?", "kind":
"number"}])` answers greedily with the base and its adapter, in any process that can import this
package.
"""

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast, get_args

import numpy as np
import pandas as pd
from mlflow.models import set_model
from mlflow.pyfunc.model import PythonModel

from storage.errors import InputError
from storage.records import AnswerKind
from tasks.rules.ladder.prompts import ask_question, parse_prompt


@dataclass(frozen=True)
class GivenQuestion:
    """A row of the input: a question, its choices where it has any, and the kind of its answer."""

    text: str
    choices: Sequence[str]
    answer_kind: AnswerKind


class RegisteredModel(PythonModel):
    """The model that the artifact `reference` describes."""

    model: Any = None

    # weights are loaded at the first question
    def load_context(self, context: Any) -> None:
        """Load nothing: MLflow calls this when it logs the model too."""

    def _load(self, context: Any) -> None:
        """Load weights and renderer: the adapter from the model's files, the base from the home."""
        from transformers import AutoModelForCausalLM

        from tasks.engines.models.rendering import Renderer
        from tasks.settings import ModelSettings

        artifacts = cast("dict[str, str]", context.artifacts)
        reference = json.loads(Path(artifacts["reference"]).read_text("utf-8"))
        weights = _place(reference["weights"])
        settings = ModelSettings(**reference["model_settings"])
        self.renderer = Renderer(_place(reference["base"]), settings)
        self.prompt = parse_prompt(reference["prompt"]).for_thinking(settings.thinking)
        self.max_tokens = int(reference["max_tokens"])
        loader = cast("Any", AutoModelForCausalLM)
        self.model = loader.from_pretrained(str(weights))
        if "adapter" in artifacts:
            from peft import PeftModel

            self.model = PeftModel.from_pretrained(self.model, artifacts["adapter"])
        self.model.eval()

    def predict(  # pyright: ignore[reportIncompatibleMethodOverride]  (MLflow declares that it returns None)
        self, context: Any, model_input: pd.DataFrame, params: Any = None
    ) -> list[str]:
        """A greedy answer per row, under the prompt that the model was trained and evaluated with.

        Columns are `question`, `kind` (number, expression, choice, boolean or text) and `choices`
        (optional).
        """
        questions = given_questions(model_input)
        if self.model is None:
            self._load(context)
        return [self._answer(question) for question in questions]

    def _answer(self, question: GivenQuestion) -> str:
        import torch

        turns = ask_question(self.prompt, question)
        ids = self.renderer.prompt_ids(turns)
        with torch.inference_mode():
            tokens = self.model.generate(
                input_ids=torch.tensor([ids]),
                attention_mask=torch.ones(1, len(ids), dtype=torch.long),
                max_new_tokens=self.max_tokens,
                # greedy, as evaluation asks
                do_sample=False,
                eos_token_id=list(self.renderer.stop_token_ids),
                pad_token_id=self.renderer.end_of_turn,
            )[0][len(ids) :].tolist()
        if tokens and tokens[-1] in self.renderer.stop_token_ids:
            tokens.pop()
        return self.renderer.decode(tokens)


def given_questions(rows: pd.DataFrame) -> list[GivenQuestion]:
    """The questions of an input; raises InputError for a kind of answer that there is not."""
    given = enumerate(cast("list[dict[str, Any]]", rows.to_dict("records")), start=1)
    return [
        GivenQuestion(str(row["question"]), _choices(place, row), _kind(place, row))
        for place, row in given
    ]


def _kind(place: int, row: dict[str, Any]) -> AnswerKind:
    allowed = get_args(AnswerKind)
    if row["kind"] not in allowed:
        raise InputError(
            f"Row {place}: column 'kind' must be one of {', '.join(allowed)}; found"
            f" {row['kind']!r}. Name the kind."
        )
    return cast("AnswerKind", row["kind"])


def _choices(place: int, row: dict[str, Any]) -> list[str]:
    """The row's choices; none where its cell is empty, which pandas reads as None or NaN."""
    choices = row.get("choices")
    if choices is None or (isinstance(choices, float) and math.isnan(choices)):
        return []
    if not isinstance(choices, list | tuple | np.ndarray):
        raise InputError(
            f"Row {place}: column 'choices' must be a list of texts; found {choices!r}."
        )
    return [str(choice) for choice in cast("Sequence[object]", choices)]


def _place(reference: dict[str, str]) -> Path:
    """A folder of the home where it lies now, or where it lay when the model was registered."""
    from storage.environment import read_environment

    here = read_environment().home / reference["below_home"] if reference["below_home"] else None
    return here if here and here.is_dir() else Path(reference["folder"])


# MLflow runs this file and takes what is set here (models from code, no pickle)
set_model(RegisteredModel())
