"""The records' tables for SQLAlchemy: what is read and changed row by row is said in its words, never in pasted SQL."""

from collections.abc import Callable
from typing import Any

import sqlalchemy as sa

from storage.records import RECORD_TYPES, Record
from storage.store.tables import nullable_columns, sql_types

METADATA = sa.MetaData()

_ALCHEMY_TYPES: dict[str, Callable[[], Any]] = {
    "UUID": sa.Uuid, "VARCHAR": sa.String, "BIGINT": sa.BigInteger, "DOUBLE": sa.Double, "BOOLEAN": sa.Boolean,
    "TIMESTAMP": sa.DateTime, "VARCHAR[]": lambda: sa.ARRAY(sa.String), "DOUBLE[]": lambda: sa.ARRAY(sa.Double),
}  # fmt: skip


def table_of(record_type: type[Record]) -> sa.Table:
    """The SQLAlchemy table of a record type."""
    return METADATA.tables[record_type.table]


def _declared(record_type: type[Record]) -> list[sa.Column[Any]]:
    optional = nullable_columns(record_type)
    return [
        sa.Column(name, _ALCHEMY_TYPES[sql_type](), primary_key=name == "id", nullable=name in optional)
        for name, sql_type in sql_types(record_type).items()
    ]


for _type in RECORD_TYPES:
    sa.Table(_type.table, METADATA, *_declared(_type))
