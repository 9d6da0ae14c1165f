"""Question files to checked rows, by a mapping of columns that the user gives.

Every problem is an InputError with the file, the row and what to do. Columns that the mapping does not name are
kept as they are.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import cast

from storage.errors import InputError
from storage.records import ANSWER_KINDS, AnswerKind
from tasks.ingestion.raw_rows import raw_rows

FIELDS = ("id", "question", "answer", "answer_kind", "choices", "split")
BOOLEANS = {"yes": "yes", "true": "yes", "1": "yes", "no": "no", "false": "no", "0": "no"}
PROGRESS_ROWS = 1000


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

    @property
    def kind(self) -> AnswerKind:
        return cast(AnswerKind, self.answer_kind)


@dataclass(frozen=True)
class FileMapping:
    """Which column gives which field; `constant_kind` where the whole file has one kind of answer."""

    columns: dict[str, str]
    constant_kind: str

    @classmethod
    def of(cls, mapping: Mapping[str, str], constant_kind: str) -> "FileMapping":
        """Checked: raises InputError for a field that does not exist or a kind that is not known."""
        for field in mapping:
            if field not in FIELDS:
                raise InputError(f"--map takes {', '.join(FIELDS)}; found {field!r}. Example: --map question=Body")
        if constant_kind and constant_kind not in ANSWER_KINDS:
            raise InputError(f"An answer kind is one of {', '.join(ANSWER_KINDS)}; found {constant_kind!r}.")
        return cls(dict(mapping), constant_kind)

    def as_json(self) -> dict[str, object]:
        return asdict(self)


def read_rows(
    file: Path,
    mapping: FileMapping,
    keep_first_of_duplicates: bool = False,
    on_progress: Callable[[int], None] | None = None,
) -> list[SourceRow]:
    """All rows, checked, in file order; row numbers in messages count from 1."""
    rows: list[SourceRow] = []
    first_seen: dict[tuple[str, tuple[str, ...]], int] = {}
    columns: dict[str, str] | None = None
    for number, raw in raw_rows(file):
        if columns is None:
            columns = _columns_of(file, raw, mapping)
        row = _checked(file, number, raw, columns, mapping)
        key = (" ".join(row.text.split()).casefold(), row.choices)
        if key in first_seen:
            if keep_first_of_duplicates:
                continue
            raise InputError(
                f"{file.name}: row {number} asks the same question as row {first_seen[key]} ({row.text[:60]!r}). "
                "Remove one, or pass --keep-first."
            )
        first_seen[key] = number
        rows.append(row)
        if on_progress and number % PROGRESS_ROWS == 0:
            on_progress(number)
    if not rows:
        raise InputError(f"{file.name} has no rows; expected at least one question.")
    return rows


def _columns_of(file: Path, raw: Mapping[str, object], mapping: FileMapping) -> dict[str, str]:
    """Field -> column for this file; fields that it lacks are left out where they may be."""
    columns: dict[str, str] = {}
    for field in FIELDS:
        names = [mapping.columns[field]] if field in mapping.columns else [field]
        if field == "answer_kind" and field not in mapping.columns:
            names.append("answer_type")
        present = next((name for name in names if name in raw), None)
        required = field in ("question", "answer") or field in mapping.columns
        if present is not None:
            columns[field] = present
        elif required:
            raise InputError(
                f"{file.name} has no column {names[0]!r} for {field!r}; its columns are {', '.join(map(repr, raw))}. "
                f"Name it with --map {field}=COLUMN"
            )
    if "answer_kind" not in columns and not mapping.constant_kind:
        raise InputError(
            f"{file.name} has no column 'answer_kind'; its columns are {', '.join(map(repr, raw))}. "
            f"Pass --answer-kind with one of {', '.join(ANSWER_KINDS)}, or --map answer_kind=COLUMN"
        )
    return columns


def _checked(
    file: Path, number: int, raw: Mapping[str, object], columns: Mapping[str, str], mapping: FileMapping
) -> SourceRow:
    def text_of(field: str) -> str:
        value = raw.get(columns[field]) if field in columns else None
        return "" if value is None else str(value).strip()

    question = text_of("question")
    if not question:
        raise InputError(f"{file.name}: row {number} has an empty question. Fill it or remove the row.")
    kind = mapping.constant_kind or text_of("answer_kind")
    if kind not in ANSWER_KINDS:
        raise InputError(
            f"{file.name}: row {number} has an answer of unknown kind {kind!r}; "
            f"expected one of {', '.join(ANSWER_KINDS)}."
        )
    choices = _choices_of(file, number, raw.get(columns["choices"]) if "choices" in columns else None)
    answer = _answer_of(file, number, text_of("answer"), kind, choices)
    extra = {column: value for column, value in raw.items() if column not in columns.values()}
    return SourceRow(
        source_row_id=text_of("id") or str(number),
        text=question,
        choices=choices,
        answer=answer,
        answer_kind=kind,
        split=text_of("split"),
        extra=json.dumps(extra, default=str, ensure_ascii=False),
    )


def _choices_of(file: Path, number: int, value: object) -> tuple[str, ...]:
    if isinstance(value, str) and value.strip().startswith("["):
        try:
            value = json.loads(value)
        except json.JSONDecodeError as error:
            raise InputError(f"{file.name}: row {number} has choices that are not a JSON list: {error}.") from error
    if value is None or value == "":
        return ()
    if not isinstance(value, list):
        raise InputError(f"{file.name}: row {number} must give choices as a list of texts; found {value!r}.")
    return tuple(str(choice).strip() for choice in cast(list[object], value))


def _answer_of(file: Path, number: int, answer: str, kind: str, choices: tuple[str, ...]) -> str:
    """The answer in the form that its kind has; empty stays empty (majority vote decides)."""
    if kind == "boolean" and answer:
        if answer.casefold() not in BOOLEANS:
            raise InputError(f"{file.name}: row {number} must answer yes or no; found {answer!r}.")
        return BOOLEANS[answer.casefold()]
    if kind != "choice":
        return answer
    if len(choices) < 2:
        raise InputError(f"{file.name}: row {number} is a choice and needs at least two choices; found {len(choices)}.")
    letters = [chr(ord("A") + index) for index in range(len(choices))]
    letter = answer.strip("().").upper()
    if answer and letter not in letters:
        raise InputError(
            f"{file.name}: row {number} must answer with a letter {letters[0]}-{letters[-1]}; found {answer!r}."
        )
    return letter
