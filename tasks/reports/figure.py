"""One figure of a report: title, note, the SQL that gives its rows, and how they are drawn."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from typing import Literal, cast

from storage.records import Round
from storage.views import quoted

Rows = Sequence[Mapping[str, object]]


@dataclass(frozen=True)
class Figure:
    """One figure of a report."""

    name: str
    title: str
    note: str
    sql: str
    chart: Callable[[Rows], str] | None = None
    shape: Literal["table", "cards"] = "table"
    chapter: str = ""
    """Heading that it opens; empty within one."""


class Sql(str):
    """Text of SQL that stands in a statement as it is, such as a condition.

    It is never what a person or a model wrote.
    """


def statement(package: str, name: str, **values: object) -> str:
    """`sql/NAME.sql` of a package of ours, with each `$word` replaced by its value as a literal.

    Who reads the statement can run it.

    A line that holds nothing but a word without text is left out.
    """
    file = resources.files(package) / "sql" / f"{name}.sql"
    known = {word: _literal(value) for word, value in values.items()}
    gone = {f"${word}" for word, text in known.items() if not text}
    lines = [line for line in file.read_text("utf-8").splitlines() if line.strip() not in gone]
    # `$draw` is a word; in `'$.distinct_2'`, a path into JSON, none follows the sign
    return re.sub(r"\$([a-z_]+)", lambda found: known[found[1]], "\n".join(lines))


def sql_of(name: str, round: Round, **values: str) -> str:
    """A statement of a round's report; `$round`, `$number` and `$line` are id, number and line."""
    own = {"round": round.id, "number": round.number, "line": round.line}
    return statement("tasks.reports", name, **own, **values)


def _literal(value: object) -> str:
    """A number or a list of numbers as they are, anything else as a quoted text."""
    if isinstance(value, Sql | int):
        return str(value)
    if isinstance(value, list):
        return f"({', '.join(str(int(one)) for one in cast('list[int]', value))})"
    return quoted(str(value))
