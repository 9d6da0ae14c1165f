"""COMMENT ON for every table and column, from the records' field documentation."""

import duckdb

from storage.records import RECORD_TYPES, field_documentation
from storage.views import quoted

# tables that no record type describes
_BOOKS: dict[str, tuple[str, dict[str, str]]] = {
    "schema_migrations": (
        "The store's own books: one row per migration that was applied.",
        {"version": "Its number", "name": "Its name", "applied_at": "UTC time"},
    ),
    "schema_state": (
        "The store's own books: one row.",
        {"surface": "Digest of the views and comments that were written"},
    ),
    "leases": (
        "The store's own books: one row per question set and draw at work in a lake.",
        {
            "question_set": "Name of the set",
            "draw": "The draw",
            "owner": "Who works",
            "renewed_at": "UTC time",
        },
    ),
}


def record_comments() -> list[str]:
    """The statements, in the records' order."""
    statements: list[str] = []
    for record_type in RECORD_TYPES:
        purpose = (record_type.__doc__ or "").splitlines()[0]
        statements.append(
            f"COMMENT ON TABLE {record_type.table} IS {quoted(f'{purpose} One row per id.')}"
        )
        for column, text in field_documentation(record_type).items():
            statements.append(f'COMMENT ON COLUMN {record_type.table}."{column}" IS {quoted(text)}')
    for table, (purpose, columns) in _BOOKS.items():
        statements.append(f"COMMENT ON TABLE {table} IS {quoted(purpose)}")
        statements += [
            f"COMMENT ON COLUMN {table}.{column} IS {quoted(text)}"
            for column, text in columns.items()
        ]
    return statements


def write_comments(connection: duckdb.DuckDBPyConnection) -> None:
    """Put them into the database."""
    connection.execute(";\n".join(record_comments()))
