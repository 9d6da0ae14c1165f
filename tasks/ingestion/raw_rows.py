"""Rows of a file as they stand in it: Parquet, JSON, JSON lines or CSV, gzip included, numbered from 1.

What a row must hold is not decided here. Every problem is an InputError with the file, the row and what to do.
"""

import csv
import gzip
import hashlib
import io
import json
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO, cast

from storage.errors import InputError

RawRow = dict[str, object]
NumberedRows = Iterator[tuple[int, RawRow]]


def sha256_of(file: Path) -> str:
    """Digest of the file as it is on disk."""
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def raw_rows(file: Path) -> NumberedRows:
    """All rows, in file order, read one by one where the format allows it."""
    if not file.is_file():
        raise InputError(f"A question file must exist; {str(file)!r} was not found. Check the path.")
    name = file.name.removesuffix(".gz")
    reader = next((read for suffix, read in READERS.items() if name.endswith(suffix)), None)
    if reader is None:
        raise InputError(f"A question file ends in {', '.join(READERS)}, .gz allowed; found {file.name!r}.")
    try:
        yield from reader(file)
    except (OSError, EOFError, UnicodeDecodeError, zlib.error) as error:
        raise InputError(f"{file.name} cannot be read as UTF-8 text or its format: {error}. Check the file.") from error


def _parquet_rows(file: Path) -> NumberedRows:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with _binary(file) as stream:
            table = pq.read_table(stream)  # pyright: ignore[reportUnknownMemberType]
    except pa.ArrowInvalid as error:
        raise InputError(f"{file.name} is not a Parquet file: {error}. Check the file.") from error
    yield from enumerate(cast(list[RawRow], table.to_pylist()), start=1)


def _json_rows(file: Path) -> NumberedRows:
    """A list of objects, or one object a line: published `.json` files are either."""
    with _text(file) as stream:
        if not stream.read(1024).lstrip().startswith("["):
            yield from _jsonl_rows(file)
            return
        stream.seek(0)
        try:
            rows = cast(list[object], json.load(stream))
        except json.JSONDecodeError as error:
            raise InputError(f"{file.name} must be a JSON list of objects; {error}. Check the file.") from error
    for number, row in enumerate(rows, start=1):
        yield number, _as_object(file, number, row)


def _jsonl_rows(file: Path) -> NumberedRows:
    with _text(file) as stream:
        for number, line in enumerate(stream, start=1):
            if not line.strip():
                continue
            try:
                row: object = json.loads(line)
            except json.JSONDecodeError as error:
                raise InputError(f"{file.name}: row {number} must be one JSON object; {error}.") from error
            yield number, _as_object(file, number, row)


def _csv_rows(file: Path) -> NumberedRows:
    with _text(file) as stream:
        for number, row in enumerate(csv.DictReader(stream), start=1):
            if None in row:
                raise InputError(f"{file.name}: row {number} has more fields than the header names; quote its commas.")
            yield number, dict(row)


READERS: dict[str, Callable[[Path], NumberedRows]] = {
    ".jsonl": _jsonl_rows,
    ".ndjson": _jsonl_rows,
    ".json": _json_rows,
    ".csv": _csv_rows,
    ".parquet": _parquet_rows,
}


def _as_object(file: Path, number: int, row: object) -> RawRow:
    if not isinstance(row, dict):
        raise InputError(f"{file.name}: row {number} must be a JSON object; found {type(row).__name__}.")
    return cast(RawRow, row)


def _binary(file: Path) -> BinaryIO:
    return cast(BinaryIO, gzip.open(file, "rb")) if file.name.endswith(".gz") else file.open("rb")


def _text(file: Path) -> io.TextIOBase:
    return io.TextIOWrapper(_binary(file), encoding="utf-8-sig", newline="")
