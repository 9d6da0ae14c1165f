"""The table of methods, read from its file."""

from importlib import resources

from tasks.rules.comparison.methods import Contender, Method, contenders, parse_methods
from tasks.settings import Settings


def builtin_methods() -> dict[str, Method]:
    """Every method by name, in the table's order."""
    return parse_methods(
        resources.files("tasks.comparison").joinpath("methods.toml").read_text("utf-8")
    )


def contenders_of(settings: Settings, guidelines: int) -> list[Contender]:
    """What a comparison's settings let enter."""
    return contenders(
        builtin_methods(), settings.comparison.methods, settings.questions.in_domain, guidelines
    )
