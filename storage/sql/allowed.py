"""The names that a user's SQL may use: kinds of nodes, functions, and the store's tables and views.

Everything that is not named here is refused. The functions stand in `allowed_functions.toml`,
reviewed for a version.
"""

import tomllib
from dataclasses import dataclass
from functools import cache
from importlib import resources

from storage.records import RECORD_TYPES
from storage.views import all_views

# as DuckDB serialises them: query nodes, what stands in FROM, modifiers of a query, orders, and
# types' own details
KINDS = frozenset(
    {
        "SELECT_NODE",
        "SET_OPERATION_NODE",
        "RECURSIVE_CTE_NODE",
        "CTE_NODE",
        "BASE_TABLE",
        "SUBQUERY",
        "JOIN",
        "TABLE_FUNCTION",
        "EXPRESSION_LIST",
        "EMPTY",
        "PIVOT",
        "SHOW_REF",
        "ORDER_MODIFIER",
        "LIMIT_MODIFIER",
        "LIMIT_PERCENT_MODIFIER",
        "DISTINCT_MODIFIER",
        "ORDER_DEFAULT",
        "ASCENDING",
        "DESCENDING",
        "GENERIC_TYPE_INFO",
        "DECIMAL_TYPE_INFO",
        "STRING_TYPE_INFO",
        "LIST_TYPE_INFO",
        "STRUCT_TYPE_INFO",
        "ARRAY_TYPE_INFO",
        "ENUM_TYPE_INFO",
        "UNBOUND_TYPE_INFO",
    }
)
# expressions, by their class; a parameter or a default has no value here, and what is bound can't
# be written
EXPRESSIONS = frozenset(
    {
        "BETWEEN",
        "CASE",
        "CAST",
        "COLLATE",
        "COLUMN_REF",
        "COMPARISON",
        "CONJUNCTION",
        "CONSTANT",
        "FUNCTION",
        "LAMBDA",
        "LAMBDA_REF",
        "OPERATOR",
        "POSITIONAL_REFERENCE",
        "STAR",
        "SUBQUERY",
        "WINDOW",
    }
)
# DuckDB's own descriptions of tables, columns and types; information_schema has no other
CATALOGUE = frozenset({"duckdb_columns", "duckdb_views", "duckdb_tables", "duckdb_types"})
INFORMATION_SCHEMA = frozenset(
    {
        "character_sets",
        "check_constraints",
        "columns",
        "constraint_column_usage",
        "constraint_table_usage",
        "key_column_usage",
        "referential_constraints",
        "schemata",
        "table_constraints",
        "tables",
        "views",
    }
)
# what SHOW without a table's name lists, as DuckDB calls it in the tree
LISTS = frozenset({'"tables"', '"databases"', "__show_tables_expanded"})
# `reader_age` is in the copy of a file that is read
_OF_THE_SCHEMA = frozenset({"schema_migrations", "schema_state", "leases", "reader_age"})


@dataclass(frozen=True)
class AllowedFunctions:
    """Names in lower case."""

    reviewed_for: str
    """The version of DuckDB whose functions were looked at, each."""
    tables: frozenset[str]
    values: frozenset[str]
    refused: dict[str, str]
    """Name to the reason. Only for messages and for the review: what is not allowed is refused,
    named or not.
    """


@cache
def allowed_functions() -> AllowedFunctions:
    """The lists of the file."""
    text = (resources.files(__package__ or "storage.sql") / "allowed_functions.toml").read_text(
        "utf-8"
    )
    read = tomllib.loads(text)
    return AllowedFunctions(
        reviewed_for=read["reviewed_for"],
        tables=frozenset(read["tables"]),
        values=frozenset(name.lower() for names in read["values"].values() for name in names),
        refused={
            name.lower(): reason for reason, names in read["refused"].items() for name in names
        },
    )


@cache
def own_tables() -> frozenset[str]:
    """The store's tables and views."""
    records = {record_type.table for record_type in RECORD_TYPES}
    return frozenset(records | {view.name for view in all_views()} | _OF_THE_SCHEMA)
