"""Prompt files: the built-in ones, and a user's folder over them. A prompt's id is the hash of its text."""

from importlib import resources
from pathlib import Path

from storage.errors import InputError
from storage.ids import content_id
from storage.records import Prompt
from tasks.rules.ladder.prompts import parse_prompt

PROMPT_NAMES = (
    "adapt", "structure", "path", "direct", "answer", "close", "adapt_hinted", "structure_hinted", "path_hinted",
    "direct_hinted", "no_adaptation_structure", "no_adaptation_structure_hinted", "no_structure_path",
    "no_structure_path_hinted", "self_check", "summary", "select_guidelines",
)  # fmt: skip


VARIANTS = ("official_code",)  # built in, by the name of their folder


def load_prompts(folder: str = "") -> dict[str, Prompt]:
    """Every prompt by name; files in `folder` replace built-in ones. Raises InputError on a file of no known name.

    `folder` may be a built-in variant: official_code asks for the boxed answer and the list that its preset accepts.
    """
    built_in = resources.files("tasks").joinpath("prompts")
    texts = {name: built_in.joinpath(f"{name}.txt").read_text("utf-8") for name in PROMPT_NAMES}
    if folder in VARIANTS:
        variant = built_in.joinpath(folder)
        texts |= {file.name.removesuffix(".txt"): file.read_text("utf-8") for file in variant.iterdir()}
    elif folder:
        texts |= _replacements(Path(folder).expanduser())
    return {name: prompt_record(name, text) for name, text in texts.items()}


def prompt_record(name: str, text: str) -> Prompt:
    """The record of one prompt; raises InputError when it cannot be parsed."""
    try:
        parse_prompt(text)
    except InputError as error:
        raise InputError(f"Prompt {name!r}: {error}") from error
    return Prompt(id=content_id("prompts", text), name=name, text=text)


def _replacements(folder: Path) -> dict[str, str]:
    if not folder.is_dir():
        raise InputError(f"Setting 'synthesis.prompts' must name a folder of prompt files; found {str(folder)!r}.")
    files = sorted(folder.glob("*.txt"))
    strange = [file.name for file in files if file.stem not in PROMPT_NAMES]
    if strange:
        raise InputError(
            f"Prompt files in {str(folder)!r} must be named {', '.join(PROMPT_NAMES)} (.txt); found {strange!r}. "
            "Rename or remove them."
        )
    try:
        return {file.stem: file.read_text("utf-8") for file in files}
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"Prompt files in {str(folder)!r} must be readable UTF-8: {error}.") from error
