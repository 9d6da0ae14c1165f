"""The name under which models that MLflow registered before version 0.2 import the prompts."""

from tasks.rules.ladder.prompts import parse_prompt

__all__ = ["parse_prompt"]
