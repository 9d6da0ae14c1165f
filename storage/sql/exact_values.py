"""DuckDB's values as exact Python values; where there is none, as DuckDB's own text.

Arrow takes UHUGEINT for a signed number, loses the zone of a TIME, and has no VARIANT; Python has
no date before year 1, nor an infinite one.
"""

import re
from functools import cache
from typing import Any

import duckdb
import pyarrow as pa

from storage.store.arrow import ArrowBatch

# types, also inside of others such as STRUCT(a BIT), that come through Arrow bent, or not at all
_BENT = re.compile(
    r"\b(UHUGEINT|BIT|BIGNUM|VARIANT|GEOMETRY|INTERVAL|TIME|TIME_NS|TIMESTAMP_NS|UNION|ENUM)\b"
)
_NOT_BENT = "TIMESTAMP WITH TIME ZONE"  # it holds the word TIME


def exact(relation: duckdb.DuckDBPyRelation) -> duckdb.DuckDBPyRelation:
    """The same rows, columns of such types as text."""
    bent = [bool(_BENT.search(str(kind).replace(_NOT_BENT, ""))) for kind in relation.types]
    if not any(bent):
        return relation
    # by place and not by name: two columns may have one name
    columns = [
        f"#{number}{'::VARCHAR' if text else ''} AS c{number}"
        for number, text in enumerate(bent, 1)
    ]
    return relation.project(", ".join(columns))


def rows_of(batch: ArrowBatch) -> list[tuple[object, ...]]:
    """Rows by position; whole decimals, which HUGEINT is to Arrow, as ints."""
    if not batch.num_columns:
        return [()] * batch.num_rows
    return list(zip(*map(_values, batch.columns), strict=True))


def _values(column: Any) -> list[Any]:
    try:
        values: list[Any] = column.to_pylist()
    except (ValueError, ArithmeticError, NotImplementedError):
        values = [_value(column, row) for row in range(len(column))]
    whole = pa.types.is_decimal(column.type) and column.type.scale <= 0
    return [None if value is None else int(value) for value in values] if whole else values


def _value(column: Any, row: int) -> object:
    try:
        return column[row].as_py()
    except (ValueError, ArithmeticError, NotImplementedError):
        return _text(column.slice(row, 1))


def make_ready() -> None:
    """Load what the first odd value would load from files."""
    _text(pa.array([None], pa.date32()))


def _text(one: object) -> object:
    row = _aside().from_arrow(pa.table({"value": one})).project("value::VARCHAR").fetchone()
    return row[0] if row else None


@cache
def _aside() -> duckdb.DuckDBPyConnection:
    """A connection on nothing: the user's is busy with the rows that come next."""
    return duckdb.connect(config={"threads": 1})
