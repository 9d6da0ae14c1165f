"""The name under which models that MLflow registered before version 0.2 import the prompts."""

from tasks.rules.ladder import prompts
from tasks.rules.ladder.prompts import PromptTemplate, Turns

__all__ = ["parse_prompt"]


class TemplateOfVersion01(PromptTemplate):
    """The template as those models use it: every question asks for a number, in no stated form."""

    def fill(self, *, form: str = "the number", **values: str) -> Turns:
        """The turns; see `PromptTemplate.fill`."""
        return super().fill(form=form, **values)


def parse_prompt(text: str) -> TemplateOfVersion01:
    """The template of a prompt file."""
    template = prompts.parse_prompt(text)
    return TemplateOfVersion01(template.system, template.user, template.assistant)
