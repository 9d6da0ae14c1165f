"""Text files that a user names: read whole, or refused with one line that says which and why."""

import tomllib
from pathlib import Path
from typing import Any

from storage.errors import InputError


def user_path(named: str | Path) -> Path:
    """The path that a user wrote, `~` and `~name` resolved."""
    try:
        return Path(named).expanduser()
    except RuntimeError as error:  # ~name of nobody
        raise InputError(
            f"{str(named)!r} names no place ({error}). Write the whole path."
        ) from error


def read_user_text(file: str | Path, what: str) -> str:
    """The file's text; `what` begins the message, such as `Settings`."""
    try:
        return user_path(file).read_text("utf-8")
    except (OSError, ValueError) as error:  # ValueError: also of a name with a zero byte
        raise unreadable(file, what, error) from error


def unreadable(file: str | Path, what: str, error: Exception) -> InputError:
    """What is said of a file that can't be read as text."""
    reason = (error.strerror if isinstance(error, OSError) else "") or str(error)
    return InputError(
        f"{what} must be a readable file of UTF-8 text; {str(file)!r} is not ({reason}). Correct"
        " the file, or name another."
    )


def parsed_toml(text: str, source: str) -> dict[str, Any]:
    """The TOML of a file; `source` names it in messages."""
    try:
        return tomllib.loads(text)
    # also numbers of over 4,300 digits, and thousands of brackets
    except (ValueError, RecursionError) as error:
        raise InputError(f"{source} must be TOML: {error}") from error
