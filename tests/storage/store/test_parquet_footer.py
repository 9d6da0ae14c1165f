"""A Parquet footer that claims what it does not have is refused; what programs write is not."""

import tracemalloc
from contextlib import suppress
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from storage.store.parquet_footer import MOST_ITEMS, MOST_ITEMS_OF_ALL, check_thrift

MANY = 20_000_000
LISTS = {
    "columns": (2,),
    "groups": (4,),
    "chunks": (4, 1),
    "encodings": (4, 1, 3, 2),
    "path": (4, 1, 3, 3),
    "values of a column": (4, 1, 3, 8),
    "pages": (4, 1, 3, 13),
    "repeated": (4, 1, 3, 16, 2),
    "there": (4, 1, 3, 16, 3),
    "shapes": (4, 1, 3, 17, 2),
    "sorted by": (4, 4),
    "values": (5,),
    "orders": (7,),
    "unknown": (9,),
}
"""Of a footer, by the fields that lead there."""
HOLDERS = {(4,), (4, 1)}
"""Lists on such a way; all else on it is a record."""
BYTE, INT, LONG, TEXT, LIST, RECORD = 3, 5, 6, 8, 9, 12


def number(value: int) -> bytes:
    low, rest = value & 127, value >> 7
    return bytes([low | 128]) + number(rest) if rest else bytes([low])


def listed(kind: int, count: int, items: bytes = b"") -> bytes:
    return bytes([0xF0 | kind]) + number(count) + items


def field(place: int, kind: int, value: bytes) -> bytes:
    """By its number, which is written as twice itself: its sign has the last bit."""
    return bytes([kind]) + number(place << 1) + value


def with_list(path: tuple[int, ...], value: bytes) -> bytes:
    """A footer that has the list there, and nothing else."""
    record = field(path[-1], LIST, value) + b"\x00"
    for depth in range(len(path) - 1, 0, -1):
        above = path[:depth]
        holds = above in HOLDERS
        inner = listed(RECORD, 1, record) if holds else record
        record = field(above[-1], LIST if holds else RECORD, inner) + b"\x00"
    return record


def footer(file: Path) -> bytes:
    whole = file.read_bytes()
    length = int.from_bytes(whole[-8:-4], "little")
    return whole[-8 - length : -8]


def kind_of(path: tuple[int, ...]) -> int:
    kinds: dict[tuple[int, ...], int] = {
        (2,): INT,
        (3,): TEXT,
        (16, 2): LONG,
        (16, 3): LONG,
        (17, 2): INT,
    }
    return kinds.get(path[3:], RECORD)


@pytest.mark.parametrize("name", LISTS)
def test_a_list_that_claims_more_than_is_there_is_refused_with_no_memory(name: str) -> None:
    path, kind = LISTS[name], kind_of(LISTS[name])
    check_thrift(with_list(path, listed(kind, 2, b"\x00\x00")))

    tracemalloc.start()
    for claimed in (3, 100, MOST_ITEMS, MOST_ITEMS + 1, MANY, 2**31 - 1, 2**32 + 2, 2**64):
        with pytest.raises(ValueError, match="footer"):
            check_thrift(with_list(path, listed(kind, claimed, b"\x00\x00")))
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert most < 1_000_000


@pytest.mark.parametrize("name", LISTS)
def test_a_list_of_other_items_than_its_reader_takes_them_for_is_refused(name: str) -> None:
    path, kind = LISTS[name], kind_of(LISTS[name])
    for other in {*range(16)} - {kind}:
        with pytest.raises(ValueError, match=f"list of kind {other}"):
            check_thrift(with_list(path, listed(other, 2, b"\x00\x00")))


def test_many_small_lists_are_counted_together() -> None:
    group = field(1, LIST, listed(RECORD, MOST_ITEMS, b"\x00" * MOST_ITEMS)) + b"\x00"
    for count, fits in ((29, True), (MOST_ITEMS_OF_ALL // MOST_ITEMS, False)):
        groups = field(4, LIST, listed(RECORD, count, group * count)) + b"\x00"
        if fits:
            check_thrift(groups)
            continue
        with pytest.raises(ValueError, match="all lists together"):
            check_thrift(groups)


@pytest.mark.parametrize(
    "wrong",
    [
        b"",
        b"\x00\x00",
        field(1, TEXT, number(4) + b"abc") + b"\x00",
        field(1, TEXT, number(2**40)),
        field(1, LONG, b"\xff" * 11) + b"\x00",
        (field(3, RECORD, b"") * 50_000) + b"\x00" * 50_001,
        field(0, INT, b"\x02") + b"\x00",
        field(2**16 + 4, LIST, listed(RECORD, 1, b"\x00")) + b"\x00",
        b"\xf3\x00" * 5_000 + b"\x00",
        *(field(1, kind, b"\x00" * 20) + b"\x00" for kind in (10, 11, 13, 14, 15)),
    ],
    ids=lambda wrong: wrong[:6].hex() or "nothing",
)
def test_what_ends_early_or_late_or_is_nested_deep_is_refused(wrong: bytes) -> None:
    with pytest.raises(ValueError, match="footer"):
        check_thrift(wrong)


@given(st.binary(max_size=300))
@settings(max_examples=200)
def test_no_bytes_end_in_another_error(some: bytes) -> None:
    with suppress(ValueError):
        check_thrift(some)


def rows() -> Any:
    columns: dict[str, Any] = {f"c{one}": pa.array([[1.0], []]) for one in range(60)}
    columns["shared"] = pa.array(["a", "a"]).dictionary_encode()
    columns["time"] = pa.array([1, 2], pa.timestamp("us", "UTC"))
    columns["nothing"] = pa.nulls(2)
    return pa.table(columns).replace_schema_metadata({"a": "b"})


@pytest.mark.parametrize("version", ["1.0", "2.4", "2.6"])
@pytest.mark.parametrize("page", ["1.0", "2.0"])
@pytest.mark.parametrize("much", [False, True])
def test_what_pyarrow_writes_passes(version: Any, page: Any, much: bool, tmp_path: Path) -> None:
    pq.write_table(
        rows(),
        tmp_path / "rows.parquet",
        version=version,
        data_page_version=page,
        write_page_index=much,
        write_page_checksum=much,
        store_schema=not much,
        use_dictionary=much,
        row_group_size=1 if much else None,
        sorting_columns=[pq.SortingColumn(60)] if much else None,
    )
    check_thrift(footer(tmp_path / "rows.parquet"))


@pytest.mark.parametrize(
    "how", ["PARQUET_VERSION V1", "PARQUET_VERSION V2", "ROW_GROUP_SIZE 2048", "FIELD_IDS 'auto'"]
)
def test_what_duckdb_writes_passes(how: str, tmp_path: Path) -> None:
    file = tmp_path / "rows.parquet"
    with duckdb.connect() as connection:
        connection.execute(
            "COPY (SELECT i, uuid() AS id, [i::DOUBLE] AS list, now() AS time, 'x' AS text"
            f" FROM range(20_000) r(i)) TO '{file}' (FORMAT parquet, KV_METADATA {{a: 'b'}}, {how})"
        )
    check_thrift(footer(file))


def test_the_committed_states_pass() -> None:
    files = [*Path("docs").rglob("*.parquet")]
    assert len(files) > 20
    for file in files:
        check_thrift(footer(file))
