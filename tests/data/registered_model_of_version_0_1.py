"""What MLflow runs when it loads a registered model: models from code, no pickle.

`mlflow.pyfunc.load_model("models:/NAME@champion").predict(["What is 2 + 2?"])` answers greedily with the base
and its adapter, in any process that can import this package.
"""

import json
from pathlib import Path
from typing import Any, cast

import pandas as pd
from mlflow.models import set_model
from mlflow.pyfunc.model import PythonModel


class RegisteredModel(PythonModel):
    """The model that the artifact `reference` describes."""

    model: Any = None

    def load_context(self, context: Any) -> None:
        """Nothing yet: MLflow calls this when it logs the model too, and weights are loaded for answers only."""

    def _load(self, context: Any) -> None:
        """Weights and renderer; the adapter's files came with the model, the base lies in the home."""
        from transformers import AutoModelForCausalLM

        from tasks.engines.rendering import Renderer
        from tasks.rules.prompts import parse_prompt
        from tasks.settings import ModelSettings

        artifacts = cast("dict[str, str]", context.artifacts)
        reference = json.loads(Path(artifacts["reference"]).read_text("utf-8"))
        weights = _place(reference["weights"])
        self.renderer = Renderer(
            _place(reference["base"]), ModelSettings(**reference["model_settings"])
        )
        self.prompt = parse_prompt(reference["prompt"])
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
        """A greedy answer to each question (one column), under the prompt that it was trained and evaluated with."""
        if self.model is None:
            self._load(context)
        return [self._answer(str(question)) for question in model_input.iloc[:, 0].tolist()]

    def _answer(self, question: str) -> str:
        import torch

        turns = self.prompt.fill(question=question)
        ids = self.renderer.prompt_ids(turns)
        with torch.inference_mode():
            tokens = self.model.generate(
                input_ids=torch.tensor([ids]),
                attention_mask=torch.ones(1, len(ids), dtype=torch.long),
                max_new_tokens=self.max_tokens,
                do_sample=False,
                eos_token_id=list(self.renderer.stop_token_ids),
                pad_token_id=self.renderer.end_of_turn,
            )[0][len(ids) :].tolist()
        if tokens and tokens[-1] in self.renderer.stop_token_ids:
            tokens.pop()
        return self.renderer.decode(tokens)


def _place(reference: dict[str, str]) -> Path:
    """A folder of the home, wherever the home lies now; else where it lay when the model was registered."""
    from storage.environment import read_environment

    here = read_environment().home / reference["below_home"] if reference["below_home"] else None
    return here if here and here.is_dir() else Path(reference["folder"])


set_model(RegisteredModel())
