"""Arrow with the types that this project uses, and the shape of DuckDB's results."""

from collections.abc import Iterator, Sequence
from typing import Any, Protocol, cast
from uuid import UUID

import pyarrow as pa


class ArrowColumn(Protocol):
    """One column."""

    @property
    def null_count(self) -> int: ...

    def to_pylist(self) -> list[Any]: ...
    def cast(self, target_type: object) -> "ArrowColumn": ...
    def __getitem__(self, key: int, /) -> Any: ...
    def __len__(self) -> int: ...
    def __iter__(self) -> Iterator[Any]: ...


class ArrowTable(Protocol):
    """Rows with named columns."""

    @property
    def num_rows(self) -> int: ...
    @property
    def nbytes(self) -> int: ...
    @property
    def column_names(self) -> list[str]: ...
    @property
    def schema(self) -> Any: ...
    def __getitem__(self, key: str | int, /) -> ArrowColumn: ...
    def column(self, i: str | int) -> ArrowColumn: ...
    def to_pylist(self) -> list[dict[str, Any]]: ...
    def to_pandas(self) -> Any: ...
    def slice(self, offset: int = 0, length: int | None = None) -> "ArrowTable": ...
    def append_column(self, field_: str, column: object) -> "ArrowTable": ...
    def set_column(self, i: int, field_: str, column: object) -> "ArrowTable": ...
    def select(self, columns: list[str]) -> "ArrowTable": ...
    def replace_schema_metadata(self, metadata: object = None) -> "ArrowTable": ...


class ArrowBatch(Protocol):
    """Some rows of a stream."""

    @property
    def num_rows(self) -> int: ...
    @property
    def num_columns(self) -> int: ...
    @property
    def nbytes(self) -> int: ...
    @property
    def columns(self) -> list[Any]: ...
    @property
    def schema(self) -> Any: ...
    def slice(self, offset: int = 0, length: int | None = None) -> "ArrowBatch": ...


class ArrowBatches(Protocol):
    """A stream of rows."""

    @property
    def schema(self) -> Any: ...
    def __iter__(self) -> Iterator[ArrowBatch]: ...


def of_batch(batch: ArrowBatch) -> ArrowTable:
    """The rows of one batch as a table, without copying them."""
    return cast(ArrowTable, pa.Table.from_batches([batch]))


def shaped(table: ArrowTable, kinds: Sequence[str]) -> ArrowTable:
    """The table with UUIDs as UUIDs and sums (HUGEINT, which Arrow lacks) as int64."""
    for index, kind in enumerate(kinds):
        if kind in ("UUID", "HUGEINT"):
            table = table.set_column(
                index, table.schema.field(index).name, _as(table.column(index), kind)
            )
    return table


def _as(column: ArrowColumn, kind: str) -> ArrowColumn:
    if kind == "HUGEINT":
        return column.cast(pa.int64())
    # DuckDB 1.5.5 hands UUIDs to Arrow as text
    ids = [None if text is None else UUID(text).bytes for text in column.to_pylist()]
    return pa.chunked_array(
        [pa.ExtensionArray.from_storage(pa.uuid(), pa.array(ids, pa.binary(16)))]
    )
