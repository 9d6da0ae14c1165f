"""One figure of a report: its title, its note, the SQL that gives its rows, and how they are drawn."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from typing import Literal

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


def sql_of(name: str, round: Round, **values: str) -> str:
    """`sql/NAME.sql` with the round's values, and those given, as literals: a reader can run what
    the report shows.

    `$round` is its id, `$number` its number, `$line` its line.
    """
    text = (
        (resources.files("tasks.reports") / "sql" / f"{name}.sql").read_text("utf-8").rstrip("\n")
    )
    known = {
        "round": quoted(str(round.id)),
        "number": str(round.number),
        "line": quoted(round.line),
    }
    known |= {key: quoted(value) for key, value in values.items()}
    return re.sub(
        r"\$([a-z_]+)", lambda found: known[found[1]], text
    )  # not `$.` of a path into JSON
