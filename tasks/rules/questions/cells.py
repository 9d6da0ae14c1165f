"""The cells of a question file, read by what they mean: a text, a question, the answers that count.

What has no plain meaning is an InputError; its message goes on from "row 3 ...". Nothing is turned
into its `str()`.
"""

import json
import math
import re
from collections.abc import Callable, Mapping, Sequence
from datetime import date, time
from decimal import Decimal
from typing import cast

from storage.errors import InputError

# characters; more is a whole book or a broken quote, and no prompt takes it
LONGEST_TEXT = 100_000
"""Characters of one cell: about ten times the longest prompt that a model of today's small ones
takes.
"""
# roles of conversations as data sets name them
ROLES = {
    "user": "user",
    "human": "user",
    "system": "system",
    "developer": "system",
    "assistant": "assistant",
    "gpt": "assistant",
    "model": "assistant",
    "bot": "assistant",
    "tool": "assistant",
    "function": "assistant",
}
# ['Niger', 'Republic of Niger'] or [{'role': ...}]: what Python prints of a list, with or without
# its commas
PYTHON_LIST = re.compile(r"\[\s*(?:'|\{\s*')[\s\S]*\]")


class UnreadReference(InputError):
    """A reference that cannot be read as its kind. Only its row is at fault and may be left out."""


def is_empty(cell: object) -> bool:
    """Whether nothing stands in it."""
    return cell is None or (isinstance(cell, str) and not cell.strip())


def scalar_text(cell: object, what: str) -> str:
    """The text of one value, empty for none; raises InputError for more than a single value."""
    if cell is None:
        return ""
    if isinstance(cell, str):
        return _checked(cell.strip(), what)
    if isinstance(cell, bool):
        raise InputError(f"has a truth value ({str(cell).lower()}) as {what}; write it as a text.")
    if isinstance(cell, (int, Decimal)):
        return format(cell, "f") if isinstance(cell, Decimal) else str(cell)
    if isinstance(cell, float):
        if not math.isfinite(cell):
            raise UnreadReference(
                f"has {cell} as {what}, which is no number; write the value, or leave the row out."
            )
        return repr(cell)
    if isinstance(cell, (date, time)):
        return cell.isoformat()
    raise InputError(
        f"has {described(cell)} as {what}; expected one text or number. {_remedy(cell)}"
    )


def described(cell: object) -> str:
    """What kind of value it is, with its beginning: never the whole of it."""
    names = {
        dict: "an object",
        list: "a list",
        tuple: "a list",
        bytes: "bytes",
        bool: "a truth value",
    }
    kind = next(
        (name for type_, name in names.items() if isinstance(cell, type_)), type(cell).__name__
    )
    if isinstance(cell, bytes):
        return f"{len(cell):,} bytes"
    shown = repr(cell[:3] if isinstance(cell, (list, tuple)) else cell)
    return f"{kind} ({shown[:60]}{'...' if len(shown) > 60 else ''})"


def question_text(cell: object) -> tuple[str, str]:
    """The question, and how it was found where it is not the cell itself ("" where it is)."""
    turns = _turns(cell)
    if turns is None:
        return scalar_text(cell, "its question"), ""
    asked = [place for place, (role, _) in enumerate(turns) if role == "user"]
    if not asked:
        raise InputError(
            f"has a chat without a user's turn as its question ({described(cell)}). Add the turn."
        )
    text = _content(turns[asked[-1]][1])
    before = {role for role, _ in turns[: asked[-1]]}
    left = ["system message"] if "system" in before else []
    left += ["earlier turns"] if before - {"system"} else []
    note = "question: the last user turn of a chat"
    return text, note + (f" ({' and '.join(left)} kept in `extra`, not asked)" if left else "")


def given_answers(cell: object, is_one: Callable[[str], bool]) -> tuple[list[object], str]:
    """The values that count as the answer, each still to be read; and how they were found.

    `is_one` says whether a text that looks like a JSON list is one answer all the same, as an
    interval is.
    """
    if isinstance(cell, str):
        listed = _listed(cell, is_one)
        return ([cell], "") if listed is None else _several(listed)
    if isinstance(cell, Mapping):
        return _several(_of_object(cast("Mapping[str, object]", cell)))
    if isinstance(cell, (list, tuple)):
        return _several(cast("Sequence[object]", cell))
    return [cell], ""


def _several(values: Sequence[object]) -> tuple[list[object], str]:
    if not values:
        raise UnreadReference(
            "has an empty list as its answer; name an answer, or leave the cell empty."
        )
    for value in values:
        if is_empty(value) or isinstance(value, (list, tuple, Mapping, bytes)):
            raise InputError(
                f"has {described(value) if value is not None else 'null'} among its accepted"
                " answers; expected texts or numbers. Correct the list."
            )
    return list(values), "answers: several accepted, any of them counts" if len(values) > 1 else ""


def _of_object(cell: Mapping[str, object]) -> Sequence[object]:
    """Published objects: SQuAD's {text: [...]}, TriviaQA's {value, aliases}, {ground_truth}."""
    if "value" in cell:
        aliases = cell.get("aliases") or []
        return [
            cell["value"],
            *(cast("list[object]", aliases) if isinstance(aliases, list) else [aliases]),
        ]
    for name in ("ground_truth", "text"):
        found = cell.get(name)
        if found is not None:
            return cast("list[object]", found) if isinstance(found, (list, tuple)) else [found]
    raise InputError(
        f"has an object with {', '.join(map(repr, cell))} as its answer. Name the part with --map"
        " answer=COLUMN.PART"
    )


def _listed(text: str, is_one: Callable[[str], bool]) -> list[object] | None:
    """The list that a text spells, or None where it is one answer."""
    stripped = text.strip()
    if PYTHON_LIST.fullmatch(stripped):
        raise InputError(
            f"has a list as Python prints it ({stripped[:60]!r}) in a text; which of it is meant"
            ' cannot be told. Write a JSON list: ["...", "..."]'
        )
    if not (stripped.startswith("[") and stripped.endswith("]")) or is_one(stripped):
        return None
    return parsed_list(stripped)


def parsed_list(text: str) -> list[object] | None:
    """A JSON list, or None where the text is something else."""
    try:
        found: object = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return cast("list[object]", found) if isinstance(found, list) else None


def _turns(cell: object) -> list[tuple[str, object]] | None:
    """(role, content) of a chat's messages; None where the cell is none."""
    if isinstance(cell, str) and cell.lstrip().startswith("[{"):
        if PYTHON_LIST.fullmatch(cell.strip()):
            raise InputError(
                "has a chat as Python prints it in a text. Write its messages as JSON."
            )
        cell = parsed_list(cell) or cell
    if isinstance(cell, Mapping) and "messages" in cell:
        cell = cast("Mapping[str, object]", cell)["messages"]
    if not isinstance(cell, (list, tuple)) or not cell:
        return None
    turns: list[tuple[str, object]] = []
    for message in cast("Sequence[object]", cell):
        if not isinstance(message, Mapping):
            return None
        fields = cast("Mapping[str, object]", message)
        role, content = ("role", "content") if "role" in fields else ("from", "value")
        if role not in fields:
            return None
        named = str(fields[role]).casefold()
        if named not in ROLES:
            raise InputError(
                f"has a chat turn of the role {fields[role]!r}; expected one of {', '.join(ROLES)}."
            )
        turns.append((ROLES[named], fields.get(content)))
    return turns


def _content(content: object) -> str:
    if not isinstance(content, (list, tuple)):
        return scalar_text(content, "its last user turn")
    pieces: list[str] = []
    for part in cast("Sequence[object]", content):
        fields = cast("Mapping[str, object]", part) if isinstance(part, Mapping) else {}
        if fields.get("type") != "text":
            raise InputError(
                f"has {described(part)} in its last user turn; only text can be asked. Leave the"
                " row out."
            )
        pieces.append(scalar_text(fields.get("text"), "its last user turn"))
    return "\n".join(pieces).strip()


def _checked(text: str, what: str) -> str:
    if len(text) > LONGEST_TEXT:
        raise InputError(
            f"has {len(text):,} characters as {what}; at most {LONGEST_TEXT:,} are taken. Shorten"
            " it, or leave the row out."
        )
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise InputError(
            f"has half a character pair in {what} ({error.reason}). Write the text as UTF-8."
        ) from error
    return text


def _remedy(cell: object) -> str:
    if isinstance(cell, Mapping):
        return "Name its part with --map FIELD=COLUMN.PART"
    return "Decode them to text first." if isinstance(cell, bytes) else "Write one value."
