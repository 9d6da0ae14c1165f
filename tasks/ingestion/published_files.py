"""Files of a published question set to checked rows: local files, or the hub's.

Nothing is written to the store, and no code that comes with a data set is ever run. A row that
cannot be used, or asks what an earlier one asked, is left out and counted; a file that is not the
published one is an InputError.
"""

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from storage.errors import InputError, first_line
from storage.ids import canonical
from tasks.ingestion.question_files import SourceRow
from tasks.ingestion.raw_rows import RawRow, raw_rows, sha256_of
from tasks.rules.questions.published_rows import is_usable
from tasks.rules.questions.published_sets import HUB, PublishedSet, check_counts


@dataclass(frozen=True)
class RowAsPublished:
    """A row as published; `place` is its split, or its task's folder where a split has many."""

    split: str
    file: str
    place: str
    number: int
    raw: RawRow


@dataclass(frozen=True)
class ReadSet:
    """The usable rows of a set in published order, without repeats, and what was left out."""

    source: PublishedSet
    rows: tuple[SourceRow, ...]
    digest: str
    unusable: int
    duplicates: int
    not_taken: tuple[str, ...]


def read_published_set(source: PublishedSet, folder: Path) -> ReadSet:
    """The set from `folder` with its published number of rows; raises InputError otherwise."""
    files = files_of(source, folder)
    published = [
        row
        for split, found in files.items()
        for file in found
        for row in _rows_of(source, split, file)
    ]
    counts = Counter(row.split for row in published)
    check_counts(source, {split: counts[split] for split in files})
    usable = [row for row in (_source_row(source, one) for one in published) if row]
    rows = _without_repeats(usable)
    if not rows:
        raise InputError(
            f"{source.name}: none of {len(published)} rows is usable; expected the layout of"
            f" {source.url}."
        )
    return ReadSet(
        source,
        rows,
        _digest_of(folder, files),
        unusable=len(published) - len(usable),
        duplicates=len(usable) - len(rows),
        not_taken=tuple(split for split in source.files if split not in files),
    )


def files_of(source: PublishedSet, folder: Path) -> dict[str, list[Path]]:
    """Files of each split that is taken, `.gz` allowed; raises InputError for a missing one."""
    if not folder.is_dir():
        raise InputError(
            f"{source.name} is read from a folder; {str(folder)!r} is none. Name one laid out as"
            f" {source.url}."
        )
    found: dict[str, list[Path]] = {}
    for split in source.splits_taken:
        pattern = source.files[split]
        # sorted, so that the digest and the order of rows do not depend on the file system
        found[split] = sorted(folder.glob(pattern)) or sorted(folder.glob(f"{pattern}.gz"))
        if not found[split]:
            present = (
                ", ".join(repr(path.name) for path in sorted(folder.iterdir())[:5]) or "nothing"
            )
            raise InputError(
                f"{source.name} {split} is {pattern!r} below the folder (.gz allowed); found"
                f" {present} in {str(folder)!r}. Lay the files out as {source.url} has them."
            )
    return found


def fetch_published_set(source: PublishedSet) -> Path:
    """The folder of the hub's files, only those that are read, in the hub's own cache."""
    elsewhere = f"Download {source.url} elsewhere, and name its folder with --folder."
    if source.host != HUB:
        raise InputError(f"{source.name} is not on the hub. {elsewhere}")
    try:
        from huggingface_hub import snapshot_download
        from huggingface_hub.errors import HTTPError  # pyright: ignore[reportPrivateImportUsage]
    except ImportError as error:
        raise InputError(
            f"Fetching {source.name} needs huggingface_hub, which is not installed. {elsewhere}"
        ) from error
    patterns = [source.files[split] for split in source.splits_taken]
    try:
        return Path(snapshot_download(source.hub, repo_type="dataset", allow_patterns=patterns))
    # HTTPError: time-outs and proxies
    except (OSError, ValueError, HTTPError) as error:
        first = first_line(error)
        raise InputError(
            f"{source.name} could not be fetched from the hub: {first.rstrip('.')}. {elsewhere}"
        ) from error


def _rows_of(source: PublishedSet, split: str, file: Path) -> list[RowAsPublished]:
    place = file.parent.name if "*" in source.files[split] else split
    name = f"{file.parent.name}/{file.name}"
    return [RowAsPublished(split, name, place, number, raw) for number, raw in raw_rows(file)]


def _source_row(source: PublishedSet, one: RowAsPublished) -> SourceRow | None:
    """What the question needs; None for a row that is not usable.

    Raises InputError for another layout.
    """
    if one.split not in source.splits:
        return None
    try:
        row = source.row(one.raw)
    except (KeyError, TypeError, AttributeError) as error:
        missing = (
            f"has no column {error}"
            if isinstance(error, KeyError)
            else f"holds something else ({error})"
        )
        raise InputError(
            f"{one.file}: row {one.number} {missing}; its columns are"
            f" {', '.join(map(repr, one.raw))}. Expected {source.name} as {source.url} has it."
        ) from error
    except (
        ValueError,
        IndexError,
    ):  # a label that is no label: the row's own flaw, not the layout's
        return None
    if row is None or not is_usable(row):
        return None
    return SourceRow(
        source_row_id=row.source_row_id or f"{one.place}/{one.number}",
        text=row.text,
        choices=row.choices,
        answer=row.answer,
        answer_kind=row.answer_kind,
        split=source.splits[one.split],
        extra=json.dumps(
            {"published_split": one.split, **one.raw}, default=str, ensure_ascii=False
        ),
    )


def _without_repeats(rows: Sequence[SourceRow]) -> tuple[SourceRow, ...]:
    first: dict[tuple[str, tuple[str, ...]], SourceRow] = {}
    for row in rows:
        first.setdefault((" ".join(row.text.split()).casefold(), row.choices), row)
    return tuple(first.values())


def _digest_of(folder: Path, files: dict[str, list[Path]]) -> str:
    digests = {
        str(file.relative_to(folder)): sha256_of(file) for found in files.values() for file in found
    }
    return sha256(canonical(digests).encode()).hexdigest()
