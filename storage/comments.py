"""COMMENT ON for every table and column, generated from the records' field documentation."""

import duckdb

from storage.records import RECORD_TYPES, field_documentation
from storage.views import quoted


def record_comments() -> list[str]:
    """The statements, in the records' order."""
    statements: list[str] = []
    for record_type in RECORD_TYPES:
        purpose = (record_type.__doc__ or "").splitlines()[0]
        statements.append(f"COMMENT ON TABLE {record_type.table} IS {quoted(f'{purpose} One row an id.')}")
        for column, text in field_documentation(record_type).items():
            statements.append(f'COMMENT ON COLUMN {record_type.table}."{column}" IS {quoted(text)}')
    return statements


def write_comments(connection: duckdb.DuckDBPyConnection) -> None:
    """Put them into the database."""
    connection.execute(";\n".join(record_comments()))
