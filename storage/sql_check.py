"""What a user's statement on a lake may name: our tables and views, and functions that only compute.

A lake can't be shut off from its files and its catalogue's server as a file can, so the parsed statement is searched.
Table functions are those of a short list; of the others none that runs SQL, scans a catalogue or reads a file.
"""

import json
import re
from collections.abc import Iterator
from typing import Any

import duckdb

from storage.lake import CATALOG

_TABLE_FUNCTIONS = frozenset({
    "range", "generate_series", "unnest", "repeat", "repeat_row", "json_each", "json_tree", "duckdb_columns",
    "duckdb_views", "duckdb_tables", "duckdb_functions", "duckdb_types", "duckdb_keywords",
})  # fmt: skip
_CATALOGUE_TABLES = frozenset({"duckdb_columns", "duckdb_views", "duckdb_tables", "duckdb_types", "sqlite_master"})
_REFUSED_FUNCTION = re.compile(
    r"(^|_)(query|query_table|execute|scan|attach|secrets?|databases|settings?|getenv|getvariable)$"
    r"|^(read|write|copy|sniff|which|pragma|ducklake|postgres|sqlite|pg_read|pg_ls|current_setting|json_execute)"
)
_SCHEMAS = frozenset({"", "main", "information_schema", "pg_catalog"})
_EXPLAIN = re.compile(r"^\s*EXPLAIN\s+(ANALYZE\s+)?(\([^()]*\)\s*)?", re.IGNORECASE)


class Refused(Exception):
    """The statement is not one that may run here."""


def check_names(connection: duckdb.DuckDBPyConnection, statement: str) -> None:
    """Raise Refused where one parsed statement names what it may not."""
    row = connection.execute("SELECT json_serialize_sql(?)", [_EXPLAIN.sub("", statement)]).fetchone()
    parsed = json.loads(row[0]) if row else {"error": True}
    if parsed.get("error"):
        raise Refused(f"Only what is a SELECT can be run on a lake ({parsed.get('error_message', 'not parsed')}).")
    for node in _nodes(parsed):
        _check_node(node)


def _check_node(node: dict[str, Any]) -> None:
    kind = str(node.get("type"))
    if kind == "TABLE_FUNCTION":
        name = str(node.get("function", {}).get("function_name", "")).lower()
        if name not in _TABLE_FUNCTIONS:
            raise Refused(f"The table function {name!r} is out of reach of a query here: it may do more than compute.")
    elif kind in ("BASE_TABLE", "SHOW_REF"):
        _check_table(node)
    function = str(node.get("function_name") or "").lower()
    if function and function not in _TABLE_FUNCTIONS and _REFUSED_FUNCTION.search(function):
        raise Refused(f"The function {function!r} is out of reach of a query here.")


def _check_table(node: dict[str, Any]) -> None:
    catalog, schema, table = (str(node.get(f"{part}_name") or "").lower() for part in ("catalog", "schema", "table"))
    if catalog not in ("", CATALOG) or (schema not in _SCHEMAS and not (schema == CATALOG and not catalog)):
        raise Refused(
            f"Only the tables and views of the store can be read; found {'.'.join((catalog, schema, table))!r}."
        )
    if table.startswith(("duckdb_", "pragma_", "sqlite_")) and table not in _CATALOGUE_TABLES:
        raise Refused(f"{table!r} is out of reach of a query here; `regenesis sql --schema` prints what can be read.")


def _nodes(value: object) -> Iterator[dict[str, Any]]:
    if isinstance(value, dict):
        yield value  # pyright: ignore[reportUnknownMemberType]
        value = list(value.values())  # pyright: ignore[reportUnknownArgumentType]
    if isinstance(value, list):
        for one in value:  # pyright: ignore[reportUnknownVariableType]
            yield from _nodes(one)  # pyright: ignore[reportUnknownArgumentType]
