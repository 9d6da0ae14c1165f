"""The public SQL surface: views, each with its grain, its key and a comment on every column.

A view is a file `NN_name.sql`: comment lines `-- name: text` (the view's own first, then each
column), then the query. Two are generated: `lineage_links` from the references, `glossary` from the
reason codes.
"""

import re
from dataclasses import dataclass
from functools import cache
from importlib import resources

import duckdb

from storage.references import REFERENCES
from storage.views.reasons import CODES

# `-- round: Its number`
_COMMENT = re.compile(r"^-- (\w+): (.+)$", re.MULTILINE)


@dataclass(frozen=True)
class View:
    """A view with its documentation."""

    name: str
    comment: str
    columns: dict[str, str]
    sql: str


@cache
def all_views() -> tuple[View, ...]:
    """Every view, in the order in which they can be made."""
    files = sorted(
        (file for file in resources.files(__name__).iterdir() if file.name.endswith(".sql")),
        key=lambda file: file.name,
    )
    return (_lineage_links(), _glossary(), *(_parsed(file.read_text("utf-8")) for file in files))


def make_views(connection: duckdb.DuckDBPyConnection, *, with_columns: bool = True) -> None:
    """Make or replace every view, with its comments, inside the caller's transaction."""
    # in the order of their numbers: a view may use those before it
    for view in all_views():
        connection.execute(f"CREATE OR REPLACE VIEW {view.name} AS {view.sql}")
        connection.execute(f"COMMENT ON VIEW {view.name} IS {quoted(view.comment)}")
        for column, text in view.columns.items() if with_columns else ():
            connection.execute(f'COMMENT ON COLUMN {view.name}."{column}" IS {quoted(text)}')


def quoted(text: str) -> str:
    """A SQL string literal."""
    return "'" + text.replace("'", "''") + "'"


def _parsed(text: str) -> View:
    (name, comment), *columns = _COMMENT.findall(text)
    return View(
        name, comment, dict(columns), text[text.index("\n", text.rindex("\n-- ") + 1) + 1 :].strip()
    )


def _lineage_links() -> View:
    links = " UNION ALL ".join(
        f"SELECT '{link.parent}' AS parent_table, \"{link.column}\" AS parent_id, '{link.child}' AS"
        f" child_table, id AS child_id, '{link.column}' AS relation FROM {link.child} WHERE"
        f' "{link.column}" IS NOT NULL'
        for link in REFERENCES
    )
    return View(
        "lineage_links",
        "One row per parent-child edge between any two records. Key: child_table, child_id,"
        " relation.",
        {
            "parent_table": "Table of the record that the child came from or belongs to",
            "parent_id": "Its id",
            "child_table": "Table of the record that names the parent",
            "child_id": "Its id",
            "relation": "The child's column that holds the parent's id",
        },
        links,
    )


def _glossary() -> View:
    rows = ", ".join(
        f"({quoted(kind)}, {quoted(code)}, {quoted(meaning)})"
        for kind, codes in CODES.items()
        for code, meaning in codes.items()
    )
    return View(
        "glossary",
        "One row per code that stands in the tables. Key: kind, code.",
        {
            "kind": "Where the code stands: " + ", ".join(CODES),
            "code": "The code",
            "meaning": "What it means",
        },
        f"SELECT * FROM (VALUES {rows}) AS codes(kind, code, meaning)",
    )
