"""One figure of a report: its title, its note, the SQL that gives its rows, and how they are drawn."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

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


def order_of_roles(column: str) -> str:
    """SQL that puts base, champion and challenger in this order."""
    return f"list_position(['base', 'champion', 'challenger'], {column})"
