"""What a user's statement may be: one that only reads the store's tables and views.

The same for both backends. DuckDB's own parser gives the tree; whatever in it is not on the lists
of `allowed` is refused, and so is what the parser can't give as a tree: all that is no SELECT.
EXPLAIN runs with what it explains checked in the same way, and is put before exactly the text that
was checked.
"""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import duckdb

from storage.sql.allowed import (
    CATALOGUE,
    EXPRESSIONS,
    INFORMATION_SCHEMA,
    KINDS,
    LISTS,
    allowed_functions,
    own_tables,
)

# comments and blanks, EXPLAIN, perhaps ANALYZE, perhaps (FORMAT json); what follows is the
# statement explained
_BLANK = r"(?:\s|--[^\n]*(?:\n|$)|/\*(?:[^*]|\*(?!/))*\*/)"
EXPLAIN = re.compile(
    rf"^{_BLANK}*EXPLAIN\b{_BLANK}*(ANALYZE\b{_BLANK}*)?(?:\({_BLANK}*FORMAT\s+'?(\w+)'?{_BLANK}*\){_BLANK}*)?",
    re.IGNORECASE,
)
# a name that no file, address or pattern of files can have, and that DuckDB does not use itself
_PLAIN_NAME = re.compile(r"[^\W\d]\w*")
# `duckdb_settings`, `pg_catalog`: a WITH name out of its scope is looked up among DuckDB's own
_DUCKDB_NAME = re.compile(r"^(duckdb_|pg_|pragma_|sqlite_|__)", re.IGNORECASE)
_MAY_RUN = (
    "Only SELECT, WITH, EXPLAIN, DESCRIBE, SUMMARIZE, SHOW, PIVOT and UNPIVOT may run here; found"
    " {found}. The store is read-only to SQL; `regenesis export` writes files."
)


class Refused(Exception):
    """The statement is not one that may run here."""


@dataclass(frozen=True)
class _Names:
    """What the tables of a statement may be called."""

    catalog: str
    own: frozenset[str]
    """The statement's common table expressions."""


def checked(connection: duckdb.DuckDBPyConnection, statement: str, catalog: str) -> str:
    """The text to run, if it is one statement that only reads what it may; else raises Refused."""
    explain = EXPLAIN.match(statement)
    inner = statement[explain.end() :] if explain else statement
    _check_tree(_tree(connection, inner, statement), catalog)
    if explain is None:
        return inner
    analyze, form = explain.groups()
    return f"EXPLAIN {'ANALYZE ' if analyze else ''}{f'(FORMAT {form}) ' if form else ''}{inner}"


def _tree(connection: duckdb.DuckDBPyConnection, inner: str, statement: str) -> dict[str, Any]:
    if "\0" in statement:
        raise Refused("A statement holds no NUL character.")
    # DuckDB's own parser makes the tree, so what is checked is what is run. It serialises SELECT
    # alone: everything else is refused by having no tree.
    row = connection.execute("SELECT json_serialize_sql(?)", [inner]).fetchone()
    try:
        parsed: dict[str, Any] = json.loads(row[0]) if row else {"error": True}
    except RecursionError as error:
        raise Refused("The statement is nested too deeply. Take it apart with WITH.") from error
    if not parsed.get("error"):
        statements = parsed["statements"]
        if len(statements) != 1:
            raise Refused(f"Exactly one statement was expected; found {len(statements)}.")
        return statements[0]
    try:
        found = connection.extract_statements(statement)
    except duckdb.Error as error:
        raise Refused(str(error).strip()) from error
    if len(found) != 1:
        raise Refused(f"Exactly one statement was expected; found {len(found)}.")
    kind = found[0].type.name
    raise Refused(_MAY_RUN.format(found=f"{kind} of another" if kind == "EXPLAIN" else kind))


def _check_tree(tree: dict[str, Any], catalog: str) -> None:
    nodes = list(_nodes(tree))
    names = _Names(catalog.lower(), frozenset(_table_expressions(nodes)))
    called_in_from = {
        id(node["function"]) for node in nodes if node.get("type") == "TABLE_FUNCTION"
    }
    for node in nodes:
        _check_kind(node)
        if node.get("type") == "BASE_TABLE":
            _check_table(node, names)
        elif node.get("type") == "SHOW_REF":
            _check_list(node, names)
        if "function_name" in node:
            _check_function(str(node["function_name"]).lower(), in_from=id(node) in called_in_from)


def _check_kind(node: dict[str, Any]) -> None:
    found = node.get("class")
    allowed = EXPRESSIONS
    if found is None:
        found, allowed = node.get("type"), KINDS
    if (isinstance(found, str) and found not in allowed) or node.get("pivot_enum"):
        raise Refused(
            f"A query here can't hold what DuckDB calls {str(found).lower().replace('_', ' ')!r}."
        )


def _check_function(name: str, *, in_from: bool) -> None:
    functions = allowed_functions()
    if name not in (functions.tables if in_from else functions.values):
        reason = functions.refused.get(name)
        kind = "table function" if in_from else "function"
        raise Refused(
            f"The {kind} {name!r} is out of reach of a query here: "
            + (
                f"it {reason}."
                if reason
                else f"it is not on the list for DuckDB {functions.reviewed_for}."
            )
        )


def _check_table(node: dict[str, Any], names: _Names) -> None:
    catalog, schema, table = (
        str(node.get(f"{part}_name") or "").lower() for part in ("catalog", "schema", "table")
    )
    if (
        schema == "information_schema"
        and catalog in ("", names.catalog)
        and table in INFORMATION_SCHEMA
    ):
        return
    unqualified = not catalog and not schema
    ours = catalog in ("", names.catalog) and schema in ("", "main", names.catalog)
    if (ours and table in own_tables()) or (
        unqualified and (table in names.own or table in CATALOGUE)
    ):
        return
    raise Refused(
        "Only the tables and views of the store, its WITH names and information_schema can be"
        f" read; found {'.'.join(filter(None, (catalog, schema, table)))!r}. `regenesis sql"
        " --schema` prints them."
    )


def _check_list(node: dict[str, Any], names: _Names) -> None:
    place = {str(node.get(f"{part}_name") or "").lower() for part in ("catalog", "schema")}
    if not place <= {"", "main", names.catalog} or (
        node.get("table_name") and node["table_name"] not in LISTS
    ):
        raise Refused(
            "SHOW lists the store's tables and databases; found"
            f" {node.get('table_name') or place!r}."
        )


def _table_expressions(nodes: list[dict[str, Any]]) -> Iterator[str]:
    """The names that WITH gives.

    Where one is out of its scope DuckDB would look for a table or a file so named.
    """
    for node in nodes:
        given = [entry["key"] for entry in node.get("cte_map", {}).get("map", [])]
        given += [node["cte_name"]] if "cte_name" in node else []
        for name in map(str, given):
            if not _PLAIN_NAME.fullmatch(name) or _DUCKDB_NAME.match(name):
                raise Refused(
                    "A name in WITH is a plain word that DuckDB does not use itself; found"
                    f" {name!r}."
                )
            yield name.lower()


def _nodes(tree: object) -> Iterator[dict[str, Any]]:
    """Every object of the tree. It goes as deep as DuckDB's parser lets a statement be nested."""
    waiting = [tree]
    while waiting:
        value = waiting.pop()
        if isinstance(value, dict):
            yield value  # pyright: ignore[reportUnknownMemberType]
            waiting += value.values()  # pyright: ignore[reportUnknownArgumentType]
        elif isinstance(value, list):
            waiting += value  # pyright: ignore[reportUnknownArgumentType]
