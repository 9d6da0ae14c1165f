"""Prompt files: the built-in ones, and a user's folder over them.

A prompt's id is the hash of its text.
"""

import os
from importlib import resources
from pathlib import Path

from storage.errors import InputError
from storage.ids import content_id
from storage.records import Prompt
from tasks.rules.ladder.prompts import PromptTemplate, parse_prompt
from tasks.settings import PromptSet, Settings
from tasks.user_files import read_user_text, user_path

# every prompt that some strategy uses; a user's folder may replace any of them
PROMPT_NAMES = (
    "adapt",
    "structure",
    "path",
    "direct",
    "answer",
    "close",
    "adapt_hinted",
    "structure_hinted",
    "path_hinted",
    "direct_hinted",
    "no_adaptation_structure",
    "no_adaptation_structure_hinted",
    "no_structure_path",
    "no_structure_path_hinted",
    "self_check",
    "summary",
    "select_guidelines",
)

# Which folders of tasks/prompts/ a set is made of: a later folder's files go over an earlier one's.
FOLDERS: dict[PromptSet, tuple[str, ...]] = {
    "embedded": ("embedded",),
    "default": ("default",),
    "paper": ("default", "paper"),
    "official_code": ("default", "paper", "official_code"),
}


def prompts_of(settings: Settings) -> dict[str, Prompt]:
    """Every prompt by name, as the settings say."""
    return load_prompts(settings.synthesis.prompts, settings.synthesis.prompt_set)


def load_prompts(folder: str = "", prompt_set: PromptSet = "embedded") -> dict[str, Prompt]:
    """Every prompt of a built-in set by name; files in `folder` replace built-in ones.

    Raises InputError on a file of no known name. `official_code` as a folder is the set of that
    name: settings of rounds begun before there were sets say so.
    """
    if folder in FOLDERS and not os.path.isdir(folder):
        folder, prompt_set = "", folder
    built_in = resources.files("tasks").joinpath("prompts")
    texts: dict[str, str] = {}
    for name in FOLDERS[prompt_set]:
        files = built_in.joinpath(name).iterdir()
        # a later folder's file replaces an earlier one's of the same name
        texts |= {file.name.removesuffix(".txt"): file.read_text("utf-8") for file in files}
    if folder:
        texts |= _replacements(user_path(folder))
    return {name: prompt_record(name, texts[name]) for name in PROMPT_NAMES}


def prompt_record(name: str, text: str) -> Prompt:
    """The record of one prompt; raises InputError when it cannot be parsed."""
    try:
        parse_prompt(text)
    except InputError as error:
        raise InputError(f"Prompt {name!r}: {error}") from error
    if name == "answer":
        _check_answer_prompt(text)
    return Prompt(id=content_id("prompts", text), name=name, text=text)


def _check_answer_prompt(text: str) -> None:
    """Refuse an answer prompt that a question changes outside its user section.

    A training set keeps one system message and one prefill for all its examples.
    """
    template = parse_prompt(text)
    for section, words in (("system", template.system), ("assistant", template.assistant)):
        used = PromptTemplate("", words, "").placeholders
        if used:
            raise InputError(
                f"Prompt 'answer' may use placeholders in [user] alone; found {sorted(used)!r} in"
                f" [{section}]. Move them to [user]."
            )


def _replacements(folder: Path) -> dict[str, str]:
    if not os.path.isdir(folder):  # never an error, as of a name that is too long
        raise InputError(
            "Setting 'synthesis.prompts' must name a folder of prompt files; found"
            f" {str(folder)!r}."
        )
    files = sorted(folder.glob("*.txt"))
    strange = [file.name for file in files if file.stem not in PROMPT_NAMES]
    if strange:
        raise InputError(
            f"Prompt files in {str(folder)!r} must be named {', '.join(PROMPT_NAMES)} (.txt); found"
            f" {strange!r}. Rename or remove them."
        )
    return {file.stem: read_user_text(file, "A prompt") for file in files}
