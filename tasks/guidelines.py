"""The guidelines: the 25 of the method, or a user's own list in the same TOML form."""

from collections.abc import Mapping
from importlib import resources
from typing import cast

from storage.errors import InputError
from storage.ids import content_id
from storage.records import Guideline
from tasks.user_files import parsed_toml, read_user_text


def chosen_guidelines(file: str) -> list[Guideline]:
    """The list in this file; empty for the method's own."""
    if not file:
        return builtin_guidelines()
    return parse_guidelines(read_user_text(file, "A list of guidelines"), file)


def builtin_guidelines() -> list[Guideline]:
    """The 25 guidelines, in the method's order."""
    return parse_guidelines(
        resources.files("tasks").joinpath("guidelines.toml").read_text("utf-8"), "guidelines.toml"
    )


def parse_guidelines(text: str, source: str) -> list[Guideline]:
    """Guidelines in file order; raises InputError for an entry without text and for doubles."""
    guidelines: list[Guideline] = []
    for position, entry in enumerate(_entries(text, source), start=1):
        advice = entry.get("text")
        if not isinstance(advice, str) or not (advice := advice.strip()):
            raise InputError(
                f'{source}: guideline {position} has no text; write text = "..." in its entry.'
            )
        guidelines.append(
            Guideline(
                id=content_id("guidelines", advice),
                name=str(entry.get("name", f"guideline {position}")),
                position=position,
                text=advice,
                in_hinted_retry=bool(entry.get("in_hinted_retry", True)),
            )
        )
    if not guidelines:
        raise InputError(f"{source} has no [[guideline]] entry; at least one is needed.")
    if len({guideline.id for guideline in guidelines}) < len(guidelines):
        raise InputError(f"{source} gives the same guideline twice; remove one of the two.")
    return guidelines


def _entries(text: str, source: str) -> list[Mapping[str, object]]:
    found = parsed_toml(text, source).get("guideline", [])
    if not isinstance(found, list) or not all(isinstance(one, Mapping) for one in found):
        raise InputError(
            f"{source} must have its guidelines as [[guideline]] entries; found guideline ="
            f" {found!r}."
        )
    return cast("list[Mapping[str, object]]", found)
