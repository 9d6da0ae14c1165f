"""Flags that every command takes, and how results and errors reach the user.

A result goes to standard output, as text or with `--json` as one JSON object; all else goes to
standard error.
"""

import functools
import inspect
import os
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer

from storage.environment import Environment, read_environment
from storage.errors import InputError
from storage.sql.presenting import json_line, terminal_text


@dataclass
class Common:
    """The common flags of this process."""

    json: bool = False
    dry_run: bool = False
    yes: bool = False
    debug: bool = False


COMMON = Common()

_FLAGS = {
    "home": Annotated[
        Path | None, typer.Option(help="Folder of all state (REGENESIS_HOME)", metavar="FOLDER")
    ],
    "json": Annotated[bool, typer.Option("--json", help="Print the result as JSON")],
    "dry_run": Annotated[
        bool, typer.Option("--dry-run", help="Say what would be done, and do nothing")
    ],
    "yes": Annotated[bool, typer.Option("--yes", help="Do not ask")],
    "debug": Annotated[bool, typer.Option("--debug", help="Show the traceback of an error")],
}


def with_common_flags(command: Callable[..., None]) -> Callable[..., None]:
    """The command with the common flags in its signature, which is what typer reads."""
    signature = inspect.signature(command)
    flags = [
        inspect.Parameter(
            name,
            inspect.Parameter.KEYWORD_ONLY,
            default=None if name == "home" else False,
            annotation=kind,
        )
        for name, kind in _FLAGS.items()
    ]

    @functools.wraps(command)
    def run(*arguments: object, **options: Any) -> None:
        given = {name: options.pop(name) for name in _FLAGS}
        home = given.pop("home")
        if home:
            os.environ["REGENESIS_HOME"] = str(read_environment(home).home)
        for name, value in given.items():
            setattr(COMMON, name, bool(value))
        command(*arguments, **options)

    parameters = [
        p.replace(kind=inspect.Parameter.KEYWORD_ONLY) for p in signature.parameters.values()
    ]
    run.__signature__ = signature.replace(parameters=[*parameters, *flags])  # type: ignore[attr-defined]
    run.__annotations__ = {**command.__annotations__, **_FLAGS}
    return run


def environment() -> Environment:
    """Places, after `--home` was read."""
    return read_environment()


def show(result: Mapping[str, object], text: str) -> None:
    """The result: text, or JSON when asked for."""
    if COMMON.json:
        print(json_line(result))
    elif text:
        print(terminal_text(text))


def show_exactly(text: str, end: str = "\n") -> None:
    """Text as it is for a file or a program; on a terminal nothing in it steers the terminal."""
    print(terminal_text(text) if sys.stdout.isatty() else text, end=end)


def note(line: str) -> None:
    """A line for the person, never part of the result."""
    print(terminal_text(line), file=sys.stderr)


def confirm(question: str) -> None:
    """Go on only when the user says yes; without a terminal `--yes` must have said it."""
    if COMMON.yes or COMMON.dry_run:
        return
    if not sys.stdin.isatty():
        raise InputError(f"{question} Nobody can be asked here. Add --yes to go on.")
    if not typer.confirm(question, err=True):
        raise typer.Abort
