"""Rows and texts for a terminal, CSV or JSON. What a model wrote can't move the cursor or become a formula."""

import csv
import io
import json
import re
from collections.abc import Mapping, Sequence
from datetime import date, datetime
from uuid import UUID

_CONTROLS = re.compile(r"[\x00-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069\u2028\u2029\ufeff]")
_STEERS_A_TERMINAL = re.compile(
    r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069\u2028\u2029\ufeff\ud800-\udfff]"
)
_CONTROLS_IN_FILES = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")
_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")
_SHORT = {"\n": "\\n", "\r": "\\r", "\t": "\\t"}
MAX_CELL = 72

Row = Mapping[str, object]


def as_table(columns: Sequence[str], rows: Sequence[Row]) -> str:
    """Aligned columns; long cells are cut with an ellipsis, numbers stand to the right."""
    cells = [[_cell(row[name]) for name in columns] for row in rows]
    heads = [_cell(name) for name in columns]
    widths = [max([len(head), *(len(line[index]) for line in cells)]) for index, head in enumerate(heads)]
    right = [
        all(isinstance(row[name], (int, float, type(None))) and not isinstance(row[name], bool) for row in rows)
        for name in columns
    ]
    lines = [heads, ["-" * width for width in widths], *cells]
    return "\n".join(
        "  ".join(
            text.rjust(width) if to_right else text.ljust(width)
            for text, width, to_right in zip(line, widths, right, strict=True)
        ).rstrip()
        for line in lines
    )


def as_csv(columns: Sequence[str], rows: Sequence[Row]) -> str:
    """RFC 4180; text that a spreadsheet would take for a formula gets an apostrophe in front."""
    target = io.StringIO()
    writer = csv.writer(target, lineterminator="\n")
    writer.writerow([_harmless(name) for name in columns])
    writer.writerows([[_harmless(row[name]) for name in columns] for row in rows])
    return target.getvalue()


def as_json(columns: Sequence[str], rows: Sequence[Row]) -> str:
    """A list of objects, one a line."""
    lines = [json.dumps({name: _plain(row[name]) for name in columns}) for row in rows]
    return "[" + ",\n ".join(lines) + "]\n"


def escaped(text: str) -> str:
    """Control characters and direction marks made visible, so a terminal shows them rather than obeys them."""
    return _CONTROLS.sub(_visible, text)


def terminal_text(text: str) -> str:
    """Lines and tabs stay; whatever else would steer a terminal, or could not be encoded, is made visible."""
    return _STEERS_A_TERMINAL.sub(_visible, text)


def json_line(value: object) -> str:
    """One line of JSON in which what would steer a terminal is escaped as JSON escapes it."""
    text = json.dumps(value, default=str, ensure_ascii=False)
    return _STEERS_A_TERMINAL.sub(lambda match: f"\\u{ord(match[0]):04x}", text)


def _cell(value: object) -> str:
    text = escaped(_text(value))
    return text if len(text) <= MAX_CELL else text[: MAX_CELL - 1] + "…"


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
    if value is None or (isinstance(value, (int, float)) and not isinstance(value, bool)):
        return value
    text = _CONTROLS_IN_FILES.sub(_visible, _text(value))
    return "'" + text if text.startswith(_FORMULA_STARTS) else text


def _visible(match: re.Match[str]) -> str:
    code = ord(match[0])
    return _SHORT.get(match[0]) or (f"\\x{code:02x}" if code < 256 else f"\\u{code:04x}")


def _plain(value: object) -> object:
    """A value as JSON takes it."""
    if isinstance(value, (datetime, date)):
        return value.isoformat()
    if isinstance(value, Mapping):
        return {str(key): _plain(one) for key, one in value.items()}  # pyright: ignore[reportUnknownVariableType,reportUnknownArgumentType]
    if isinstance(value, (list, tuple)):
        return [_plain(one) for one in value]  # pyright: ignore[reportUnknownVariableType]
    if value is None or isinstance(value, (str, int, float, bool)):
        return value
    return str(value) if isinstance(value, UUID) else repr(value) if isinstance(value, bytes) else str(value)
