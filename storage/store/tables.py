"""Tables of the records as Arrow, DuckDB and SQLAlchemy know them, derived from `storage.records`.

Records in, Arrow tables out, and rows back into records. Times are stored as UTC without a zone and
come back aware.
"""

import types
from collections.abc import Callable, Iterable, Sequence
from dataclasses import fields
from datetime import UTC, datetime
from functools import cache
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints
from uuid import UUID

import pyarrow as pa
import sqlalchemy as sa

from storage.records import Record
from storage.store.arrow import ArrowTable

R = TypeVar("R", bound=Record)
# SQLAlchemy's registry of our tables; it opens nothing
_METADATA = sa.MetaData()

# types that a file and a lake both have, and that Arrow carries without loss
_SQL_TYPES: dict[object, str] = {
    UUID: "UUID",
    str: "VARCHAR",
    int: "BIGINT",
    float: "DOUBLE",
    bool: "BOOLEAN",
    datetime: "TIMESTAMP",
    list[str]: "VARCHAR[]",
    list[float]: "DOUBLE[]",
}
_ARROW_TYPES: dict[str, pa.DataType] = {
    "UUID": pa.uuid(),
    "VARCHAR": pa.string(),
    "BIGINT": pa.int64(),
    "DOUBLE": pa.float64(),
    "BOOLEAN": pa.bool_(),
    "TIMESTAMP": pa.timestamp("us"),
    "VARCHAR[]": pa.list_(pa.string()),
    "DOUBLE[]": pa.list_(pa.float64()),
}
# for comparisons in `select`; rows themselves come and go as Arrow
_ALCHEMY_TYPES: dict[str, Callable[[], Any]] = {
    "UUID": sa.Uuid,
    "VARCHAR": sa.String,
    "BIGINT": sa.BigInteger,
    "DOUBLE": sa.Double,
    "BOOLEAN": sa.Boolean,
    "TIMESTAMP": sa.DateTime,
    "VARCHAR[]": lambda: sa.ARRAY(sa.String),
    "DOUBLE[]": lambda: sa.ARRAY(sa.Double),
}


@cache
def sql_types(record_type: type[Record]) -> dict[str, str]:
    """Column name -> DuckDB type, in column order."""
    hints = get_type_hints(record_type)
    return {field.name: _SQL_TYPES[_plain(hints[field.name])] for field in fields(record_type)}


@cache
def nullable_columns(record_type: type[Record]) -> frozenset[str]:
    """Columns that may be null."""
    hints = get_type_hints(record_type)
    return frozenset(
        field.name for field in fields(record_type) if type(None) in get_args(hints[field.name])
    )


@cache
def allowed_values(record_type: type[Record]) -> dict[str, frozenset[str]]:
    """Column name -> the words that it may hold, of the columns that hold one of a few."""
    hints = get_type_hints(record_type)
    return {
        field.name: frozenset(get_args(hints[field.name]))
        for field in fields(record_type)
        if get_origin(hints[field.name]) is Literal
    }


@cache
def arrow_schema(record_type: type[Record]) -> Any:
    """The Arrow schema of a table."""
    return pa.schema(
        [(name, _ARROW_TYPES[sql_type]) for name, sql_type in sql_types(record_type).items()]
    )


@cache
def table_of(record_type: type[Record]) -> sa.Table:
    """The SQLAlchemy table: what is read row by row is said in its words, never in pasted SQL."""
    columns = [
        sa.Column(
            name,
            _ALCHEMY_TYPES[sql_type](),
            primary_key=name == "id",
            nullable=name in nullable_columns(record_type),
        )
        for name, sql_type in sql_types(record_type).items()
    ]
    return sa.Table(record_type.table, _METADATA, *columns)


def to_arrow(record_type: type[R], records: Sequence[R]) -> ArrowTable:
    """Rows of one table, in order."""
    columns = [
        _to_array([getattr(record, name) for record in records], sql_type)
        for name, sql_type in sql_types(record_type).items()
    ]
    return pa.Table.from_arrays(columns, schema=arrow_schema(record_type))


def to_value(value: object) -> object:
    """A field's value as DuckDB takes it: times in UTC without a zone, everything else as it is."""
    return _utc_without_zone(value) if isinstance(value, datetime) else value


def from_rows(record_type: type[R], rows: Iterable[Sequence[object]]) -> list[R]:
    """Records from rows whose columns are in the record's order."""
    names = tuple(sql_types(record_type))
    times = [
        index
        for index, sql_type in enumerate(sql_types(record_type).values())
        if sql_type == "TIMESTAMP"
    ]
    return [record_type(**_named(names, times, row)) for row in rows]


def _named(names: Sequence[str], times: Sequence[int], row: Sequence[object]) -> dict[str, Any]:
    named = dict(zip(names, row, strict=True))
    for index in times:
        moment = row[index]
        if isinstance(moment, datetime):
            named[names[index]] = moment.replace(tzinfo=UTC)
    return named


def _plain(hint: object) -> object:
    """The hint without its null, literals as the type of their values."""
    if get_origin(hint) in (Union, types.UnionType):
        return _plain(next(part for part in get_args(hint) if part is not type(None)))
    if get_origin(hint) is Literal:
        return type(get_args(hint)[0])
    return hint


def _to_array(values: list[Any], sql_type: str) -> object:
    if sql_type == "UUID":
        binary = pa.array(
            [None if value is None else value.bytes for value in values], pa.binary(16)
        )
        return pa.ExtensionArray.from_storage(pa.uuid(), binary)
    if sql_type == "TIMESTAMP":
        values = [None if value is None else _utc_without_zone(value) for value in values]
    try:
        return pa.array(values, _ARROW_TYPES[sql_type])
    except (
        UnicodeEncodeError
    ):  # half of a surrogate pair, which a model can write and UTF-8 cannot hold
        return pa.array([_encodable(value) for value in values], _ARROW_TYPES[sql_type])


def _encodable(value: Any) -> Any:
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode()
    return [_encodable(part) for part in value] if isinstance(value, list) else value


def _utc_without_zone(moment: datetime) -> datetime:
    # a TIMESTAMP has no zone in DuckDB: all of them are UTC here
    return moment if moment.tzinfo is None else moment.astimezone(UTC).replace(tzinfo=None)
