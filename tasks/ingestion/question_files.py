"""Question files to checked rows, by the user's mapping of columns or by usual names.

Every problem is an InputError with the file, the row and what to do. Columns that the mapping does
not name are kept as they are.
"""

import json
import math
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import cast

from storage.errors import InputError
from storage.records import ANSWER_KINDS, AnswerKind
from tasks.ingestion.raw_rows import (
    DELIMITERS,
    UNREADABLE,
    NumberedRows,
    RawRow,
    delimiter_of,
    raw_rows,
    sha256_of,
)
from tasks.rules.questions.cells import (
    UnreadReference,
    described,
    is_empty,
    question_text,
    scalar_text,
)
from tasks.rules.questions.choices import KEY_KINDS, options_of
from tasks.rules.questions.parts import split_named
from tasks.rules.questions.references import kind_shown_by, reference_of

# a column with such a name needs no --map
FIELDS = ("id", "question", "answer", "answer_kind", "choices", "split")
# The names under which published sets hold a field, taken where the field's own name is absent.
ALIASES: Mapping[str, tuple[str, ...]] = {
    "id": ("qid", "unique_id"),
    "question": ("problem", "prompt"),
    "answer": ("answerKey", "answer_key", "answers", "target", "solution", "ground_truth"),
    "answer_kind": ("answer_type",),
    "choices": ("options",),
}
# rows between two signs of life
PROGRESS_ROWS = 1000
MOST_NAMED = 10
"""Rows named in one message."""


@dataclass(frozen=True)
class SourceRow:
    """One checked row: what a question needs, whatever the file looked like."""

    source_row_id: str
    text: str
    choices: tuple[str, ...]
    answer: str
    answer_kind: str
    split: str
    extra: str
    other_answers: tuple[str, ...] = ()

    @property
    def kind(self) -> AnswerKind:
        return cast(AnswerKind, self.answer_kind)


@dataclass(frozen=True)
class FileMapping:
    """Which column gives which field; `constant_kind` where a file has one kind of answer."""

    columns: dict[str, str]
    constant_kind: str
    choice_key: str = ""
    """How a choice's key is meant where that is not plain: letter, text, or a place counted from 0
    or 1.
    """

    @classmethod
    def of(
        cls, mapping: Mapping[str, str], constant_kind: str, choice_key: str = ""
    ) -> "FileMapping":
        """The checked mapping; raises InputError for an unknown field or kind of answer."""
        for field in mapping:
            if field not in FIELDS:
                raise InputError(
                    f"--map takes {', '.join(FIELDS)}; found {field!r}. Example: --map"
                    " question=Body"
                )
        if constant_kind and constant_kind not in ANSWER_KINDS:
            raise InputError(
                f"An answer kind is one of {', '.join(ANSWER_KINDS)}; found {constant_kind!r}."
            )
        if choice_key not in KEY_KINDS:
            raise InputError(
                f"--choice-key takes {', '.join(KEY_KINDS[1:])}; found {choice_key!r}."
            )
        return cls(dict(mapping), constant_kind, choice_key)

    def as_json(self) -> dict[str, object]:
        return asdict(self)


@dataclass(frozen=True)
class QuestionFile:
    """The rows of a file, and how they were read."""

    rows: list[SourceRow]
    taken: Mapping[str, int]
    """How what does not stand there plainly was taken -> rows."""
    left_out: tuple[str, ...]
    """Rows without a readable reference that were left out, each with the reason."""


@dataclass(frozen=True)
class _Read:
    row: SourceRow
    notes: tuple[str, ...]


@dataclass(frozen=True)
class RowSource:
    """Rows to read once: their name in messages, their origin, and a digest of them all."""

    name: str
    origin: str
    digest: str
    rows: NumberedRows
    note: str = ""
    """How the file as a whole was read, where that is not plain."""


def file_source(file: Path) -> RowSource:
    """The rows of a file."""
    if file.is_dir():
        raise InputError(
            f"A question file must be a file; {str(file)!r} is a folder. Name a file in it, or"
            " --hub FOLDER"
        )
    if not file.is_file():
        raise InputError(
            f"A question file must exist; {str(file)!r} was not found. Check the path."
        )
    return RowSource(file.name, file.name, sha256_of(file), raw_rows(file), _divided_by(file))


def _divided_by(file: Path) -> str:
    if not file.name.removesuffix(".gz").endswith((".csv", ".tsv")):
        return ""
    try:
        delimiter = delimiter_of(file)
    except UNREADABLE:
        return ""  # the rows say it, with the file's name
    return "" if delimiter == "," else f"columns: divided by {DELIMITERS[delimiter]}"


def read_questions(
    source: RowSource,
    mapping: FileMapping,
    *,
    keep_first: bool = False,
    skip_unreadable: bool = False,
    on_progress: Callable[[int], None] | None = None,
) -> QuestionFile:
    """All rows, checked, in file order; row numbers in messages count from 1.

    `keep_first` leaves out later rows that ask the same; `skip_unreadable` those whose reference
    cannot be read.
    """
    reader = _Reader(source.name, mapping)
    rows: list[SourceRow] = []
    unread: list[str] = []
    first_seen: dict[tuple[str, tuple[str, ...]], int] = {}
    for number, raw in source.rows:
        if on_progress and number % PROGRESS_ROWS == 0:
            on_progress(number)
        try:
            read = reader.read(number, raw)
        except UnreadReference as error:
            unread.append(f"row {number} {error}")
            continue
        row = read.row
        # blanks and capitals do not make another question, other choices do
        key = (" ".join(row.text.split()).casefold(), row.choices)
        if first_seen.setdefault(key, number) != number:
            if keep_first:
                continue
            raise InputError(
                f"{source.name}: row {number} asks the same question as row {first_seen[key]}"
                f" ({row.text[:60]!r}). Remove one, or pass --keep-first."
            )
        rows.append(row)
        reader.taken.update(read.notes)
    if unread and not skip_unreadable:
        raise _unreadable(source.name, unread, len(rows) + len(unread))
    if source.note:
        reader.taken[source.note] = len(rows)
    if not rows:
        raise InputError(f"{source.name} has no rows; expected at least one question.")
    return QuestionFile(rows, dict(reader.taken), tuple(unread))


def _unreadable(name: str, unread: list[str], rows: int) -> InputError:
    if len(unread) == 1:
        return InputError(f"{name}: {unread[0]} Or leave the row out: --skip-unreadable")
    more = f" (and {len(unread) - MOST_NAMED} more)" if len(unread) > MOST_NAMED else ""
    return InputError(
        f"{name}: {len(unread)} of {rows} references cannot be read:"
        f" {' | '.join(unread[:MOST_NAMED])}{more} Correct them, or leave their rows out:"
        " --skip-unreadable"
    )


class _Reader:
    """Reads rows, each by the columns that it has; says in `taken` how."""

    def __init__(self, name: str, mapping: FileMapping) -> None:
        self._name, self._mapping = name, mapping
        self._columns: dict[tuple[str, ...], dict[str, str]] = {}
        self.taken: Counter[str] = Counter()

    def read(self, number: int, raw: RawRow) -> _Read:
        """The checked row. Raises InputError with its place, or UnreadReference to be listed."""
        names = tuple(raw)
        if names not in self._columns:
            self._columns[names] = _columns_of(self._name, raw, self._mapping)
        try:
            return _checked(number, raw, self._columns[names], self._mapping)
        except UnreadReference:
            raise
        except _NoKind:
            raise InputError(
                f"{self._name} has no column 'answer_kind', and row {number} does not show its own;"
                f" its columns are {', '.join(map(repr, raw))}. Pass --answer-kind with one of"
                f" {', '.join(ANSWER_KINDS)}, or --map answer_kind=COLUMN"
            ) from None
        except InputError as error:
            raise InputError(f"{self._name}: row {number} {error}") from error


class _NoKind(Exception):
    """Neither a column, nor the command, nor the row says of what kind its answer is."""


def _columns_of(source: str, raw: RawRow, mapping: FileMapping) -> dict[str, str]:
    """Field -> column for this file; fields that it lacks are left out where they may be."""
    columns: dict[str, str] = {}
    for field in FIELDS:
        if field in mapping.columns:
            names = [mapping.columns[field]]
        else:
            names = _columns_named(raw, field)
        present = [name for name in names if _has(raw, name)]
        # a guess would be wrong silently for the whole file
        if len(present) > 1:
            raise InputError(
                f"{source} has {' and '.join(map(repr, present))}, either of which may be the"
                f" {field}. Name it with --map {field}=COLUMN"
            )
        if present:
            columns[field] = present[0]
        elif field in ("question", "answer") or field in mapping.columns:
            raise InputError(
                f"{source} has no column {(names or [field])[0]!r} for {field!r}; its columns are "
                f"{', '.join(map(repr, raw))}. Name it with --map {field}=COLUMN"
            )
    return columns


def _columns_named(raw: RawRow, field: str) -> list[str]:
    """Columns with the field's name or a usual one; other capitals only if none fits as it is."""
    known = (field, *ALIASES.get(field, ()))
    as_they_stand = [field] if field in raw else [name for name in known if name in raw]
    folded = {name.casefold() for name in known}
    return as_they_stand or [name for name in raw if name.strip().casefold() in folded]


def _has(raw: RawRow, column: str) -> bool:
    return column in raw or ("." in column and column.partition(".")[0] in raw)


def _cell(raw: RawRow, columns: Mapping[str, str], field: str) -> object:
    """The field's cell; of a column `reward.ground_truth` that part of the object in `reward`."""
    column = columns.get(field)
    if column is None or column in raw:
        return raw.get(column) if column else None
    value: object = raw
    for name in column.split("."):
        fields = value if isinstance(value, dict) else {}
        if name not in fields:
            raise InputError(
                f"has no {column!r} for its {field} ({name!r} is not there). Correct --map."
            )
        value = fields[name]
    return value


def _checked(number: int, raw: RawRow, columns: Mapping[str, str], mapping: FileMapping) -> _Read:
    question, asked = question_text(_cell(raw, columns, "question"))
    if not question:
        raise InputError("has an empty question. Fill it or remove the row.")
    options = options_of(_cell(raw, columns, "choices"))
    answer = _cell(raw, columns, "answer")
    kind = mapping.constant_kind or scalar_text(
        _cell(raw, columns, "answer_kind"), "its answer_kind"
    )
    shown = "" if kind or "answer_kind" in columns else kind_shown_by(answer, options)
    if shown is None:
        raise _NoKind
    kind = kind or shown
    kind = _known_kind(kind, len(options.texts))
    reference = reference_of(answer, kind, options, question, mapping.choice_key)
    split, split_note = _split_of(_cell(raw, columns, "split"))
    # what was a part of its cell is kept whole
    taken_from = {"question": asked, "answer": "".join(reference.notes)}
    row = SourceRow(
        # the row's own id, or its number, by which a person finds it again
        source_row_id=scalar_text(_cell(raw, columns, "id"), "its id") or str(number),
        text=question,
        choices=options.texts,
        answer=reference.answer,
        answer_kind=kind,
        split=split,
        extra=_extra(
            raw, {column for field, column in columns.items() if not taken_from.get(field)}
        ),
        other_answers=reference.answers[1:],
    )
    kind_note = f"kind {shown}: shown by the row itself" if shown else ""
    others = [field for field, column in columns.items() if _is_alias(field, column, mapping)]
    renamed = [f"{field}: from the column {columns[field]!r}" for field in others]
    notes = (asked, options.note, *reference.notes, split_note, kind_note, *renamed)
    return _Read(row, tuple(note for note in notes if note))


def _known_kind(kind: str, options: int) -> AnswerKind:
    if kind not in ANSWER_KINDS:
        raise InputError(
            f"has an answer of unknown kind {kind!r}; expected one of {', '.join(ANSWER_KINDS)}."
        )
    if kind == "choice" and options < 2:
        raise InputError(f"is a choice and needs at least two choices; found {options}.")
    return kind


def _is_alias(field: str, column: str, mapping: FileMapping) -> bool:
    return column != field and field not in mapping.columns and field != "answer_kind"


def _split_of(cell: object) -> tuple[str, str]:
    if is_empty(cell):
        return "", ""
    if not isinstance(cell, str):
        raise InputError(f"has {described(cell)} as its split; expected a name.")
    split = split_named(cell)
    meant = "held out, divided between gate and final" if split == "test" else split
    return split, "" if cell.strip() == split else f"split {cell.strip()!r}: {meant}"


def _extra(raw: RawRow, used: set[str]) -> str:
    """The other columns as JSON, without what JSON cannot hold."""
    kept = {column: _plain(value) for column, value in raw.items() if column not in used}
    return json.dumps(kept, default=str, ensure_ascii=False).encode("utf-8", "replace").decode()


def _plain(value: object) -> object:
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, bytes):
        return f"({len(value)} bytes)"
    if isinstance(value, dict):
        return {str(name): _plain(one) for name, one in cast("RawRow", value).items()}
    if isinstance(value, (list, tuple)):
        return [_plain(one) for one in cast("list[object]", value)]
    return value
