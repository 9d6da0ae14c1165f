"""Rows and texts for a terminal, CSV or JSON.

What a model wrote can't move the cursor or become a formula.
"""

import csv
import io
import json
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime
from decimal import Decimal
from uuid import UUID

# What steers a terminal or hides: controls, separators of lines, halves of characters, and
# invisible format characters (direction marks such as U+202E and U+061C, tags, the soft hyphen).
# Left alone: the joiners U+200C and
# U+200D, without which Persian and many emoji are spelled wrongly, and Arabic and Kaithi signs that
# are seen.
_INVISIBLE = (
    r"\x7f-\x9f\xad\u061c\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u2064\u2066-\u206f\ufeff\ufff9-\ufffb"
    r"\U00013430-\U0001343f\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0001\U000e0020-\U000e007f\ud800-\udfff"
)
# for a cell: line breaks too, or a row would be two
_CONTROLS = re.compile(rf"[\x00-\x1f{_INVISIBLE}]")
# for running text: tab and line feed stay
_STEERS_A_TERMINAL = re.compile(rf"[\x00-\x08\x0b-\x1f{_INVISIBLE}]")
# a CSV keeps its line breaks, which quotes protect, and its direction marks, which are the user's
_CONTROLS_IN_FILES = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")
# Excel, LibreOffice and Google Sheets run such a cell (OWASP: CSV injection)
_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")
_SHORT = {"\n": "\\n", "\r": "\\r", "\t": "\\t"}
# two columns of text fit on a wide screen
MAX_CELL = 72

Row = Sequence[object]
"""The values of a row, by position: two columns may have one name."""


def as_table(columns: Sequence[str], rows: Sequence[Row]) -> str:
    """Aligned columns; long cells are cut with an ellipsis, numbers stand to the right."""
    cells = [[_cell(value) for value in row] for row in rows]
    heads = [_cell(name) for name in columns]
    widths = [
        max([len(head), *(len(line[index]) for line in cells)]) for index, head in enumerate(heads)
    ]
    right = [all(_is_number(row[index]) for row in rows) for index in range(len(columns))]
    lines = [heads, ["-" * width for width in widths], *cells]
    return "\n".join(
        "  ".join(
            text.rjust(width) if to_right else text.ljust(width)
            for text, width, to_right in zip(line, widths, right, strict=True)
        ).rstrip()
        for line in lines
    )


def in_columns(lines: Sequence[Sequence[str]]) -> list[str]:
    """Short texts in aligned columns, two spaces apart, one line per row; nothing is cut."""
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return [
        "  ".join(text.ljust(width) for text, width in zip(line, widths, strict=True)).rstrip()
        for line in lines
    ]


def cut(value: object) -> object:
    """As much of a value as a table's cell shows, so that a table of huge cells is small."""
    if _is_number(value):
        return value
    text = _text(value)
    return text if len(text) <= MAX_CELL else text[: MAX_CELL + 1]


def as_csv(rows: Iterable[Row]) -> str:
    """RFC 4180; text that a spreadsheet would take for a formula gets an apostrophe in front."""
    target = io.StringIO()
    csv.writer(target, lineterminator="\n").writerows(
        [_harmless(value) for value in row] for row in rows
    )
    return target.getvalue()


def as_json(names: Sequence[str], row: Row) -> str:
    """One object on one line; the names are told apart already."""
    return json.dumps(
        {name: _plain(value) for name, value in zip(names, row, strict=True)}, allow_nan=False
    )


def told_apart(names: Sequence[str]) -> list[str]:
    """The names with a number behind those that came before, in whatever case: `text`, `text_1`."""
    taken: set[str] = set()
    apart: list[str] = []
    for name in names:
        free = name
        number = 0
        while free.lower() in taken:
            number += 1
            free = f"{name}_{number}"
        taken.add(free.lower())
        apart.append(free)
    return apart


def escaped(text: str) -> str:
    """The text with control characters and direction marks made visible, safe on a terminal."""
    return _CONTROLS.sub(_visible, text)


def terminal_text(text: str) -> str:
    """The text with whatever would steer a terminal made visible; lines and tabs stay."""
    return _STEERS_A_TERMINAL.sub(_visible, text)


def json_line(value: object) -> str:
    """One line of JSON in which what would steer a terminal is escaped as JSON escapes it."""
    text = json.dumps(value, default=str, ensure_ascii=False)
    return _STEERS_A_TERMINAL.sub(lambda match: json.dumps(match[0])[1:-1], text)


def _cell(value: object) -> str:
    text = escaped(_text(value))
    return text if len(text) <= MAX_CELL else text[: MAX_CELL - 1] + "…"


def _is_number(value: object) -> bool:
    return value is None or (
        isinstance(value, (int, float, Decimal)) and not isinstance(value, bool)
    )


def _text(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, float):
        return f"{value:.6g}"
    if isinstance(value, bool):
        return str(value).lower()
    return value if isinstance(value, str) else _scalar(_plain(value))


def _scalar(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _harmless(value: object) -> object:
    if _is_number(value):
        return value
    text = _CONTROLS_IN_FILES.sub(_visible, _text(value))
    return "'" + text if text.startswith(_FORMULA_STARTS) else text


def _visible(match: re.Match[str]) -> str:
    code = ord(match[0])
    long = f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
    return _SHORT.get(match[0]) or (f"\\x{code:02x}" if code < 256 else long)


def _plain(value: object) -> object:
    """A value as JSON takes it."""
    if isinstance(value, (datetime, date)):
        return value.isoformat()
    if isinstance(value, Mapping):
        return {str(key): _plain(one) for key, one in value.items()}  # pyright: ignore[reportUnknownVariableType,reportUnknownArgumentType]
    if isinstance(value, (list, tuple)):
        return [_plain(one) for one in value]  # pyright: ignore[reportUnknownVariableType]
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)  # JSON has no word for it
    if value is None or isinstance(value, (str, int, float, bool)):
        return value
    return (
        str(value)
        if isinstance(value, UUID)
        else repr(value)
        if isinstance(value, bytes)
        else str(value)
    )
