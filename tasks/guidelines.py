"""The guidelines: the 25 of the method, or a user's own list in the same TOML form."""

import tomllib
from importlib import resources
from pathlib import Path
from typing import cast

from storage.errors import InputError
from storage.ids import content_id
from storage.records import Guideline


def chosen_guidelines(file: str) -> list[Guideline]:
    """The list in this file; empty for the method's own."""
    return read_guidelines(Path(file)) if file else builtin_guidelines()


def builtin_guidelines() -> list[Guideline]:
    """The 25 guidelines, in the method's order."""
    return parse_guidelines(
        resources.files("tasks").joinpath("guidelines.toml").read_text("utf-8"), "guidelines.toml"
    )


def read_guidelines(file: Path) -> list[Guideline]:
    """A user's own list."""
    try:
        return parse_guidelines(file.read_text("utf-8"), str(file))
    except OSError as error:
        raise InputError(
            f"A guideline file must be readable; {str(file)!r} is not ({error.strerror})."
        ) from error


def parse_guidelines(text: str, source: str) -> list[Guideline]:
    """Guidelines in file order; raises InputError for an entry without text and for doubles."""
    try:
        entries = cast(list[dict[str, object]], tomllib.loads(text).get("guideline", []))
    except tomllib.TOMLDecodeError as error:
        raise InputError(f"{source} must be TOML with [[guideline]] entries: {error}.") from error
    guidelines: list[Guideline] = []
    for position, entry in enumerate(entries, start=1):
        advice = str(entry.get("text", "")).strip()
        if not advice:
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
