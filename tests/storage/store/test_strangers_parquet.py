"""A stranger's Parquet file is read in the table's own types, or refused in one line and little
memory.
"""

import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from storage.errors import InputError
from storage.records import RECORD_TYPES, Adapter, Prompt, Question, Record, Trial, Verdict
from storage.store.strangers_parquet import MOST_FOOTER, Room, read_strangers
from storage.store.tables import sql_types, to_arrow
from tests.storage.examples import NOW, make
from tests.storage.store.test_parquet_footer import (
    INT,
    LIST,
    LONG,
    MANY,
    RECORD,
    TEXT,
    field,
    listed,
)

ROOM = Room(rows=300_000, bytes=150_000_000)
MB = 1_000_000
MOST_MEMORY = 500 * MB
"""Beyond what the process had; a comparison's state may fill `ROOM`, and no file much more."""


def written(folder: Path, table: Any, **how: Any) -> Path:
    file = folder / "rows.parquet"
    pq.write_table(table, file, compression="zstd", **how)
    return file


def with_column(record: Record, name: str, values: Any) -> Any:
    """The record's row, one column of another kind."""
    rows: Any = to_arrow(type(record), [record])
    return rows.set_column(rows.column_names.index(name), name, values)


ONE = UUID(int=1)
AS_IT_IS: dict[str, tuple[Record, str, Any, object]] = {
    "id as text": (make(Prompt), "id", pa.array([str(ONE)]), ONE),
    "id as a UUID": (make(Prompt, id=ONE), "name", pa.array(["text"]), "text"),
    "id as a shared text": (
        make(Prompt),
        "id",
        pa.array([str(ONE)]).dictionary_encode(),
        ONE,
    ),
    "shared text": (make(Prompt), "text", pa.array(["x"]).dictionary_encode(), "x"),
    "long text": (make(Prompt), "text", pa.array(["x"], pa.large_string()), "x"),
    "time with a zone": (
        make(Verdict),
        "created_at",
        pa.array([NOW], pa.timestamp("us", "Asia/Tokyo")),
        NOW.replace(tzinfo=None),
    ),
    "time in nanoseconds": (
        make(Verdict),
        "created_at",
        pa.array([datetime(2026, 1, 2, tzinfo=UTC)], pa.timestamp("ns")),
        datetime(2026, 1, 2, tzinfo=UTC).replace(tzinfo=None),
    ),
    "no value": (make(Verdict), "rater", pa.nulls(1), None),
    "no id": (make(Trial), "pool_id", pa.nulls(1), None),
    "no list": (make(Question), "other_answers", pa.nulls(1), None),
    "list without a text": (make(Question), "other_answers", pa.array([[]]), []),
    "short number": (make(Question), "draw", pa.array([7], pa.int32()), 7),
    "list of short numbers": (
        make(Adapter),
        "losses",
        pa.array([[0.5]], pa.list_(pa.float32())),
        [0.5],
    ),
}


@pytest.mark.parametrize("case", AS_IT_IS)
def test_what_other_programs_write_for_the_same_values_is_read_as_these(
    case: str, tmp_path: Path
) -> None:
    record, name, values, wanted = AS_IT_IS[case]

    found: Any = read_strangers(
        written(tmp_path, with_column(record, name, values)), type(record), ROOM
    )

    assert found[name].to_pylist() == [wanted]
    assert found.schema == to_arrow(type(record), [record]).schema


@pytest.mark.parametrize("name", [*sql_types(Question)])
def test_a_column_of_another_kind_is_refused_by_name(name: str, tmp_path: Path) -> None:
    others: list[Any] = [
        pa.array([b"x"]),
        pa.array([{"a": "b"}]),
        pa.array([[["x"]]]),
        pa.array([[("a", "b")]], pa.map_(pa.string(), pa.string())),
        pa.array([NOW.date()]),
    ]
    for other in others:
        file = written(tmp_path, with_column(make(Question), name, other))
        with pytest.raises(InputError, match=rf"rows.parquet' must hold rows of .*{name} is of"):
            read_strangers(file, Question, ROOM)


def test_a_folder_whose_name_is_a_pattern_or_a_partition_is_read_like_any(tmp_path: Path) -> None:
    folder = tmp_path / "draw=3" / "a*[b]?"
    folder.mkdir(parents=True)
    file = written(folder, to_arrow(Question, [make(Question, draw=5)]))

    assert read_strangers(file, Question, ROOM)["draw"].to_pylist() == [5]


def test_a_value_that_its_column_may_not_have_is_refused(tmp_path: Path) -> None:
    wrong = {
        "text is null": with_column(make(Question), "text", pa.nulls(1, pa.string())),
        "part is one of": with_column(make(Question), "part", pa.array(["trained"])),
        "an id is there twice": to_arrow(Question, [make(Question), make(Question)]),
        "no column question_set_id": to_arrow(Question, [make(Question)]).select(["id"]),
    }
    for said, rows in wrong.items():
        with pytest.raises(InputError, match=said):
            read_strangers(written(tmp_path, rows), Question, ROOM)


TIMES = [
    (kind, name)
    for kind in RECORD_TYPES
    for name, sql in sql_types(kind).items()
    if sql == "TIMESTAMP"
]


@pytest.mark.parametrize(("kind", "name"), TIMES, ids=lambda one: getattr(one, "table", one))
def test_a_time_that_no_run_has_had_is_refused(
    kind: type[Record], name: str, tmp_path: Path
) -> None:
    day, now = 86_400 * MB, int(datetime.now(UTC).timestamp()) * MB
    for unit, value, fits in (
        ("us", now - 1_000 * day, True),
        ("us", now + day // 2, True),
        ("us", now + 2 * day, False),
        ("us", -1, False),  # as is every time BC
        ("us", 2**63 - 1, False),  # infinity, and below without end
        ("us", -(2**63) + 1, False),
        ("us", 200_000 * 365 * day, False),
        ("ms", 200_000 * 365 * day // 1_000, False),
        ("ms", 2**63 - 1, False),
    ):
        values: Any = pa.array([value], pa.int64()).cast(pa.timestamp(unit))
        file = written(tmp_path, with_column(make(kind), name, values))
        if fits:
            assert read_strangers(file, kind, ROOM)[name].null_count == 0
            continue
        with pytest.raises(InputError, match=rf"rows.parquet' must hold rows of {kind.table}"):
            read_strangers(file, kind, ROOM).to_pylist()


def shared(value: Any, count: int) -> Any:
    """The value `count` times, in a file once."""
    return pa.DictionaryArray.from_arrays(pa.array([0] * count, pa.int32()), pa.array([value]))


def prompts(count: int, **columns: Any) -> Any:
    texts = {name: shared("x", count) for name in ("id", "name", "text")}
    return pa.table(texts | columns)


def one_long_text(folder: Path) -> Path:
    rows = prompts(1, text=pa.array(["x" * 280 * MB]))
    return written(folder, rows, use_dictionary=False, write_statistics=False)


def many_columns(folder: Path) -> Path:
    one = pa.array(["x"])
    return written(folder, pa.table({f"c{number}": one for number in range(3_000)}))


def described_at_length(folder: Path) -> Path:
    rows: Any = to_arrow(Prompt, [make(Prompt)])
    return written(folder, rows.replace_schema_metadata({"x": "x" * 2 * MOST_FOOTER}))


def many_lists(folder: Path) -> Path:
    rows: Any = to_arrow(Question, [make(Question)])
    place = rows.column_names.index("choices")
    offsets = pa.array([0, 5_000_000], pa.int32())
    listed: Any = pa.ListArray.from_arrays(offsets, shared("x" * 1_000, 5_000_000))
    return written(folder, rows.set_column(place, "choices", listed))


def without_its_data(folder: Path) -> Path:
    """A footer that promises what its file does not hold."""
    file = written(folder, prompts(250_000))
    whole = file.read_bytes()
    length = int.from_bytes(whole[-8:-4], "little")
    file.write_bytes(b"PAR1" + whole[-8 - length :])
    return file


def described_as(folder: Path, described: bytes) -> Path:
    """A file of nothing but this footer."""
    file = folder / "rows.parquet"
    file.write_bytes(b"PAR1" + described + len(described).to_bytes(4, "little") + b"PAR1")
    return file


def claiming_groups(folder: Path) -> Path:
    """Twenty million groups of rows, in 33 bytes."""
    root = listed(RECORD, 1, field(4, TEXT, b"\x01r") + b"\x00")
    groups = field(4, LIST, listed(RECORD, MANY, b"\x00" * 10))
    return described_as(folder, field(1, INT, b"\x02") + field(2, LIST, root) + groups)


def claiming_columns(folder: Path) -> Path:
    """Ten million columns, in as few."""
    return described_as(folder, field(2, LIST, listed(RECORD, MANY // 2, b"\x00" * 20)))


def nested_columns(folder: Path) -> Path:
    """Groups of columns in groups of columns, each the only one of its group."""
    name, depth = field(4, TEXT, b"\x01a"), 12_000
    group = field(3, INT, b"\x00") + name + field(5, INT, b"\x02") + b"\x00"
    last = field(1, INT, b"\x02") + field(3, INT, b"\x00") + name + b"\x00"
    columns = listed(RECORD, depth + 1, group * depth + last)
    rest = field(3, LONG, b"\x00") + field(4, LIST, b"\x0c") + b"\x00"
    return described_as(folder, field(1, INT, b"\x02") + field(2, LIST, columns) + rest)


BOMBS: dict[str, Callable[[Path], Path]] = {
    "a text that many rows share": lambda folder: written(
        folder, prompts(3_600, text=shared("x" * MB, 3_600))
    ),
    "an id that many rows share": lambda folder: written(
        folder, prompts(3_600, id=shared("x" * MB, 3_600))
    ),
    "one long text": one_long_text,
    "many rows": lambda folder: written(folder, prompts(5_000_000)),
    "many groups of rows": lambda folder: written(folder, prompts(3_000), row_group_size=1),
    "many columns": many_columns,
    "a long footer": described_at_length,
    "long lists": many_lists,
    "no data": without_its_data,
    "groups that are not there": claiming_groups,
    "columns that are not there": claiming_columns,
    "nested columns": nested_columns,
}
READ = f"""
import re, sys
from pathlib import Path
from storage.errors import InputError
from storage.records import Prompt, Question
from storage.store.strangers_parquet import Room, read_strangers
kind = {{"Prompt": Prompt, "Question": Question}}[sys.argv[2]]
# of this program alone, where the kernel's other figure has that of the one that started it
most = lambda: int(re.search(r"VmHWM:\\s*(\\d+)", Path("/proc/self/status").read_text())[1]) * 1024
before = most()
try:
    read_strangers(Path(sys.argv[1]), kind, Room({ROOM.rows}, {ROOM.bytes}))
except InputError as error:
    print(error)
print(most() - before)
"""


@pytest.mark.parametrize("case", BOMBS)
def test_a_file_that_unpacks_to_much_is_refused_in_one_line_and_little_memory(
    case: str, tmp_path: Path
) -> None:
    file = BOMBS[case](tmp_path)
    kind = "Question" if case == "long lists" else "Prompt"

    done = subprocess.run(
        [sys.executable, "-c", READ, str(file), kind],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )

    assert done.returncode == 0, done.stderr[-2000:]
    *said, memory = done.stdout.strip().splitlines()
    assert len(said) == 1, done.stdout
    assert "rows.parquet' must " in said[0]
    assert int(memory) < MOST_MEMORY


CHANGED = """
import random, sys
from pathlib import Path
from storage.errors import InputError
from storage.records import Prompt
from storage.store.strangers_parquet import Room, read_strangers
file, ends = Path(sys.argv[1]), {"taken": 0, "refused": 0}
whole = file.read_bytes()
start = len(whole) - 8 - int.from_bytes(whole[-8:-4], "little")
for seed in range(60):
    chance, changed = random.Random(seed), bytearray(whole)
    for _ in range(chance.choice((1, 2, 5))):
        changed[chance.randrange(start, len(whole) - 8)] = chance.randrange(256)
    file.write_bytes(changed)
    try:
        read_strangers(file, Prompt, Room(300_000, 150_000_000))
        ends["taken"] += 1
    except InputError:
        ends["refused"] += 1
print(ends["taken"] > 0, ends["refused"] > 0)
"""


def test_a_footer_with_other_bytes_is_read_or_refused_and_ends_no_process(tmp_path: Path) -> None:
    file = written(tmp_path, to_arrow(Prompt, [make(Prompt)]))

    done = subprocess.run(
        [sys.executable, "-c", CHANGED, str(file)],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )

    assert (done.returncode, done.stdout) == (0, "True True\n"), done.stderr[-2000:]
