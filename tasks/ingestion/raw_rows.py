"""Rows of a file as they stand: Parquet, JSON, JSON lines or CSV, gzip too, numbered from 1.

What a row must hold is not decided here. Every problem is an InputError with the file, the row and
what to do.
"""

import csv
import gzip
import hashlib
import io
import itertools
import json
import re
import zlib
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import BinaryIO, cast

from storage.errors import InputError

RawRow = dict[str, object]
NumberedRows = Iterator[tuple[int, RawRow]]
LONGEST_INTEGER = 4_000
"""Digits of a whole number in JSON; Python itself reads no more than 4,300, because their cost
grows quadratically.
"""
LONGEST_CSV_FIELD = 131_072
"""Characters of a CSV field: the reader's own limit, which stops an open quote from swallowing the
whole file.
"""
UNREADABLE = (OSError, EOFError, UnicodeDecodeError, zlib.error)
"""What reading a file that is damaged, or of another format, raises."""
DELIMITERS = {",": "commas", ";": "semicolons", "\t": "tabs"}
"""Of a CSV file, in the order in which they are tried; semicolons are those of spreadsheets with a
decimal comma.
"""
# `{"data": [...]}`: the names under which published JSON files hold their list
WRAPPERS = ("data", "rows", "examples", "instances", "questions", "items", "records")


def sha256_of(file: Path) -> str:
    """Digest of the file as it is on disk."""
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def raw_rows(file: Path) -> NumberedRows:
    """All rows, in file order, read one by one where the format allows it."""
    if not file.is_file():
        raise InputError(
            f"A question file must exist; {str(file)!r} was not found. Check the path."
        )
    name = file.name.removesuffix(".gz")
    # by the ending, because a CSV file's content may look like anything
    reader = next((read for suffix, read in READERS.items() if name.endswith(suffix)), None)
    if reader is None:
        raise InputError(
            f"A question file ends in {', '.join(READERS)}, .gz allowed; found {file.name!r}."
        )
    try:
        yield from reader(file)
    except UNREADABLE as error:
        raise InputError(
            f"{file.name} cannot be read as UTF-8 text or its format: {error}. Save it as UTF-8."
        ) from error


def _parquet_rows(file: Path) -> NumberedRows:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with _binary(file) as stream:
            parquet = pq.ParquetFile(stream)
            _refuse_repeated(file, cast("list[str]", parquet.schema_arrow.names))
            table = parquet.read()
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        raise InputError(f"{file.name} is not a Parquet file: {error}. Check the file.") from error
    yield from enumerate(cast(list[RawRow], table.to_pylist()), start=1)


def _json_rows(file: Path) -> NumberedRows:
    """A list of objects, one object per line, or an object that holds the list."""
    with _text(file) as stream:
        first = stream.readline()
    if first.lstrip().startswith("{") and _is_whole(first):
        yield from _jsonl_rows(file)
    else:
        yield from _whole_rows(file)


def _jsonl_rows(file: Path) -> NumberedRows:
    """One object per line; a file whose first line only begins a value is read as a whole."""
    with _text(file) as stream:
        lines = ((number, line) for number, line in enumerate(stream, start=1) if line.strip())
        number, line = next(lines, (0, ""))
        if not number:
            return
        if not _is_whole(line) and _is_begun(line):
            yield from _whole_rows(file)
            return
        row = _parsed(line, f"{file.name}: row {number} must be one JSON object")
        second = next(lines, None)
        if second is None:
            yield from _numbered(file, _rows_of(file, row))
            return
        yield number, _as_object(file, number, row)
        for number, line in itertools.chain([second] if second else [], lines):
            row = _parsed(line, f"{file.name}: row {number} must be one JSON object")
            yield number, _as_object(file, number, row)


def _whole_rows(file: Path) -> NumberedRows:
    """The rows of a file that is one value, or several over many lines."""
    with _text(file) as stream:
        text = stream.read().rstrip()
    values: list[object] = []
    end = _after_blanks(text, 0)
    if text[end : end + 1] == "[":
        yield from _listed_rows(file, text, end + 1)
        return
    while end < len(text):
        must = (
            f"{file.name}: row {len(values) + 1} must be a JSON object, or one of a JSON list of"
            " objects"
        )
        value, end = _parsed_from(text, end, must)
        values.append(value)
        end = _after_blanks(text, end)
    yield from _numbered(file, _rows_of(file, values[0]) if len(values) == 1 else values)


def _listed_rows(file: Path, text: str, place: int) -> NumberedRows:
    """The entries of a list that begins before `place`, one by one, to name the row in messages."""
    for number in itertools.count(1):
        place = _after_blanks(text, place)
        if number == 1 and text[place : place + 1] == "]":
            break
        must = f"{file.name}: row {number} must be one of a JSON list of objects"
        row, place = _parsed_from(text, place, must)
        yield number, _as_object(file, number, row)
        place = _after_blanks(text, place) + 1
        if text[place - 1 : place] != ",":
            if text[place - 1 : place] != "]" or text[place:]:
                found = text[place - 1 : place + 19]
                raise InputError(
                    f"{must}, with a comma or the list's end behind it; found {found!r}."
                )
            break


def _rows_of(file: Path, only: object) -> list[object]:
    """The rows of a file that is one value: a list, an object that holds it, or a single row."""
    rows = cast("list[object]", only) if isinstance(only, list) else _wrapped(only)
    if rows is not None:
        return rows
    if lists := _lists_of(only):
        raise InputError(
            f"{file.name} must hold its rows as a list at the top, or under one of"
            f" {', '.join(WRAPPERS)}; found an object with {lists}. Write the list alone."
        )
    return [only]


def _after_blanks(text: str, place: int) -> int:
    blanks = _BLANKS.match(text, place)
    return blanks.end() if blanks else place


def _numbered(file: Path, rows: Sequence[object]) -> NumberedRows:
    for number, row in enumerate(rows, start=1):
        yield number, _as_object(file, number, row)


def _wrapped(value: object) -> list[object] | None:
    """The rows of `{"data": [...]}`; None for any other value."""
    if not isinstance(value, dict):
        return None
    fields = cast("RawRow", value)
    held = [fields[name] for name in WRAPPERS if isinstance(fields.get(name), list)]
    rows = cast("list[object]", held[0]) if len(held) == 1 else []
    return rows if rows and all(isinstance(row, dict) for row in rows) else None


def _lists_of(value: object) -> str:
    """The lists of objects that an object holds, for a message; empty for a row of its own."""
    fields = cast("RawRow", value) if isinstance(value, dict) else {}
    if any(isinstance(one, str) for one in fields.values()):
        return ""
    lists = {
        name: cast("list[object]", one) for name, one in fields.items() if isinstance(one, list)
    }
    return ", ".join(f"{name!r} ({len(one):,} entries)" for name, one in lists.items())


def delimiter_of(file: Path) -> str:
    """The delimiter of a CSV file: a comma if its header has one, else what spreadsheets write."""
    if file.name.removesuffix(".gz").endswith(".tsv"):
        return "\t"
    fields = {one: _fields_of_header(file, one) for one in DELIMITERS}
    return next((one for one, count in fields.items() if count > 1), ",")


def _fields_of_header(file: Path, delimiter: str) -> int:
    with _text(file) as stream:
        try:
            return len(next(csv.reader(stream, delimiter=delimiter, strict=True), []))
        except csv.Error:
            return 0  # "question";"answer" is no header of commas


def _csv_rows(file: Path) -> NumberedRows:
    delimiter = delimiter_of(file)
    with _text(file) as stream:
        reader = csv.reader(stream, delimiter=delimiter, strict=True)
        header: list[str] = []
        number, line = 0, 1
        while True:
            try:
                fields = next(reader)
            except StopIteration:
                return
            except csv.Error as error:
                raise _bad_csv(file, number, line, error) from error
            if not header:
                header = fields
                _refuse_repeated(file, header)
            elif fields:
                if len(fields) != len(header):
                    raise InputError(
                        f"{file.name}: row {number} (line {line}) has {len(fields)} fields; the"
                        f" header names {len(header)} ({', '.join(header)}). Quote a field that"
                        f" holds {DELIMITERS[delimiter]}, and leave none out."
                    )
                yield number, dict(zip(header, fields, strict=True))
            number += 1 if fields else 0
            line = reader.line_num + 1


def _bad_csv(file: Path, number: int, line: int, error: csv.Error) -> InputError:
    where = f"row {number} (from line {line})" if number else "its header"
    if "field limit" in str(error):
        return InputError(
            f"{file.name}: {where} has a field of more than {LONGEST_CSV_FIELD:,} characters, or a"
            " quote that is not closed. Shorten it, close the quote, or leave the row out."
        )
    return InputError(
        f"{file.name}: {where} has a quote that is not closed, or text behind a closing one"
        f' ({error}). Write a quote inside a quoted field twice ("").'
    )


# `.gz` is taken off before
READERS: dict[str, Callable[[Path], NumberedRows]] = {
    ".jsonl": _jsonl_rows,
    ".ndjson": _jsonl_rows,
    ".json": _json_rows,
    ".csv": _csv_rows,
    ".tsv": _csv_rows,
    ".parquet": _parquet_rows,
}


def _refuse_repeated(file: Path, columns: Sequence[str]) -> None:
    repeated = [name for name, count in Counter(columns).items() if count > 1]
    if repeated:
        raise InputError(
            f"{file.name} has more than one column named {', '.join(map(repr, repeated))}; which is"
            " meant is unclear. Rename them."
        )


def _integer(digits: str) -> int:
    if len(digits) > LONGEST_INTEGER:
        raise InputError(
            f"has a number of {len(digits.lstrip('-')):,} digits; at most {LONGEST_INTEGER:,} are"
            " read. Leave the row out."
        )
    return int(digits)


def _object(pairs: list[tuple[str, object]]) -> RawRow:
    fields = dict(pairs)
    if len(fields) < len(pairs):
        repeated = next(
            name for name, count in Counter(name for name, _ in pairs).items() if count > 1
        )
        raise InputError(
            f"names {repeated!r} twice; which value is meant cannot be told. Leave one out."
        )
    return fields


_BLANKS = re.compile(r"\s*")
# integers of bounded length, and no object that names a field twice, of which Python keeps the last
_DECODER = json.JSONDecoder(parse_int=_integer, object_pairs_hook=_object)


def _parsed(text: str, must: str) -> object:
    """One JSON value, and nothing behind it; `must` says where it stands and what it must be."""
    value, end = _parsed_from(text.strip(), 0, must)
    if text.strip()[end:]:
        raise InputError(f"{must}; found more behind it. Write each on a line of its own.")
    return value


def _parsed_from(text: str, place: int, must: str) -> tuple[object, int]:
    try:
        return cast("tuple[object, int]", _DECODER.raw_decode(text, place))
    except json.JSONDecodeError as error:
        raise InputError(f"{must}; {error}.") from error
    except RecursionError as error:
        raise InputError(
            f"{must}; it is nested deeper than can be read. Leave the row out."
        ) from error
    except InputError as error:
        raise InputError(f"{must}; it {error}") from error


def _is_whole(line: str) -> bool:
    """Whether a line is a JSON value by itself, or wrong in a way that its row's message says."""
    try:
        _parsed(line, "")
    except InputError as error:
        return not isinstance(error.__cause__, json.JSONDecodeError)
    return not line.lstrip().startswith("[")


def _is_begun(line: str) -> bool:
    """Whether a first line can begin a value over many lines: `{`, `[`, or `[{...},`."""
    stripped = line.strip()
    return stripped in ("{", "[") or stripped.startswith("[") or stripped.endswith((",", "{", "["))


def _as_object(file: Path, number: int, row: object) -> RawRow:
    if not isinstance(row, dict):
        raise InputError(
            f"{file.name}: row {number} must be a JSON object; found {type(row).__name__}."
        )
    return cast(RawRow, row)


def _binary(file: Path) -> BinaryIO:
    return cast(BinaryIO, gzip.open(file, "rb")) if file.name.endswith(".gz") else file.open("rb")


def _text(file: Path) -> io.TextIOBase:
    # utf-8-sig: spreadsheets put a byte order mark first; newline="" leaves line ends inside quotes
    # to csv
    return io.TextIOWrapper(_binary(file), encoding="utf-8-sig", newline="")
