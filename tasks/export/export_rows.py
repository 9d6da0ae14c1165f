"""The step from the store to a folder for others: conversations in a tool's form, with a card.

Needs the light base only, except for the format `datasets`. The folder is whole or absent; the
store is only read.
"""

import itertools
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast, get_args

import pyarrow as pa
import pyarrow.parquet as pq

from storage.environment import Environment
from storage.errors import InputError
from storage.sql.presenting import json_line
from storage.store.arrow import of_batch
from tasks.export.formats import SHAPES, Format, Shape, conversations, line_of
from tasks.export.wanted_rows import Wanted, bases_of, sources_of
from tasks.export.whole_folder import files_of, refuse_used_target, whole_folder
from tasks.rules.cards.data_card import DataCard, Source, forbidding

if TYPE_CHECKING:
    from storage.open_store import Store
    from storage.store.arrow import ArrowTable

CARD = "README.md"
# rows in memory at a time
ROWS_AT_ONCE = 1_000
# in the half-made folder alone: the rows as they were read, and made into conversations
_KEPT, _ROWS, _SAID = ".kept", "rows.arrow", "said.arrow"


@dataclass(frozen=True)
class Exported:
    """What was written, or with `dry_run` would be."""

    folder: Path
    text: str
    figures: dict[str, object]


def export_rows(
    store: "Store",
    wanted: Wanted,
    target: Path,
    environment: Environment,
    *,
    format: str = "parquet",
    private: bool = False,
    dry_run: bool = False,
) -> Exported:
    """Write the rows with their card.

    Raises InputError, with nothing written, for what can't or mustn't leave.
    """
    chosen = checked_format(format)
    refuse_used_target(target)
    shape = SHAPES[chosen]
    files = [CARD, *shape.beside, shape.file or "data-*.arrow"]
    if dry_run:
        with store.reading():
            card = _card(store, wanted, chosen, environment, private=private)
        return _exported(card, target, files, dry_run)
    with whole_folder(target) as folder:
        # counted and read at one moment; texts are made of rows after it, for writers wait here
        with store.reading():
            card = _card(store, wanted, chosen, environment, private=private)
            (folder / _KEPT).mkdir(parents=True)
            _keep(store.query_in_parts(wanted.sql, ROWS_AT_ONCE), folder / _KEPT / _ROWS)
        _write_rows(_kept(folder / _KEPT / _ROWS), wanted, folder, shape)
        shutil.rmtree(folder / _KEPT)
        (folder / CARD).write_text(card.text(), "utf-8")
        files = files_of(folder)
    return _exported(card, target, files, dry_run)


def checked_format(format: str) -> Format:
    """The format, or an InputError that says which there are."""
    if format not in get_args(Format):
        raise InputError(f"--format takes {', '.join(get_args(Format))}; found {format!r}.")
    if format == "datasets":
        _datasets()
    return cast(Format, format)


def refuse_forbidden(sources: Sequence[Source]) -> None:
    """Raise InputError where a source forbids that its questions are handed on."""
    named = forbidding(sources)
    if named:
        listed = ", ".join(f"{one.name!r} (licence {one.licence or 'unknown'!r})" for one in named)
        raise InputError(
            f"Every source of an export must allow redistribution; found {listed}, which do not."
            " Add --private for a folder that stays with you; its card will say so."
        )


def _card(
    store: "Store", wanted: Wanted, format: Format, environment: Environment, *, private: bool
) -> DataCard:
    """Counts in SQL; raises InputError where there are no rows, or none that may leave."""
    counted = store.query(
        "SELECT count(*) AS rows, count(*) FILTER (hinted) AS hinted, count(DISTINCT question_id)"
        f" AS questions FROM ({wanted.sql})"
    ).to_pylist()[0]
    if not counted["rows"]:
        raise InputError(
            f"{wanted.title} should have rows to export; found none. Run: regenesis round"
        )
    sources = sources_of(store, wanted)
    # a source that forbids redistribution keeps its rows at home, unless a person says that they
    # stay
    if not private:
        refuse_forbidden(sources)
    return DataCard(
        title=wanted.title,
        format=format,
        rows=counted["rows"],
        hinted=counted["hinted"],
        questions=counted["questions"],
        facts=wanted.facts,
        filters=wanted.filters,
        left_out=wanted.left_out,
        sources=sources,
        bases=bases_of(store, wanted, environment),
        sql=wanted.sql,
    )


def _exported(card: DataCard, target: Path, files: list[str], dry_run: bool) -> Exported:
    figures: dict[str, object] = {
        "folder": str(target),
        "files": files,
        "format": card.format,
        "rows": card.rows,
        "hinted_rows": card.hinted,
        "questions": card.questions,
        "question_sets": {one.question_set.name: one.rows for one in card.sources},
        "private": bool(forbidding(card.sources)),
        "written": not dry_run,
    }
    named = f"{card.title}: {card.rows} rows ({card.hinted} hinted) as {card.format}"
    return Exported(target, said(named, target, files, dry_run), figures)


def said(named: str, target: Path, files: Sequence[str], dry_run: bool) -> str:
    """One line for people."""
    return f"{'Would write ' if dry_run else ''}{named}, in {target}: {', '.join(files)}"


def _keep(parts: Iterator["ArrowTable"], file: Path) -> None:
    first = next(parts)
    with pa.ipc.new_stream(str(file), first.schema) as writer:
        for part in itertools.chain([first], parts):
            writer.write_table(part)


def _kept(file: Path) -> Iterator["ArrowTable"]:
    with pa.ipc.open_stream(str(file)) as batches:
        for batch in batches:
            yield of_batch(batch)


def _write_rows(rows: Iterator["ArrowTable"], wanted: Wanted, folder: Path, shape: Shape) -> None:
    """Few rows at a time, because they become Python objects."""
    parts = (conversations(part, wanted, shape) for part in rows)
    if shape.is_lines:
        # the same bytes on every system
        with (folder / shape.file).open("w", encoding="utf-8", newline="\n") as file:
            for part in parts:
                file.writelines(
                    json_line(line_of(row, part.schema)) + "\n" for row in part.to_pylist()
                )
    elif shape.file:
        first = next(parts)
        with pq.ParquetWriter(str(folder / shape.file), first.schema, compression="zstd") as writer:
            for part in itertools.chain([first], parts):
                writer.write_table(part)
    else:
        whole = folder / _KEPT / _SAID
        _keep(parts, whole)
        _datasets().Dataset.from_file(str(whole)).save_to_disk(str(folder))
    for name, text in shape.beside.items():
        (folder / name).write_text(text, "utf-8")


def _datasets() -> Any:
    """The package `datasets`, which comes with what runs a round."""
    try:
        import datasets
    except ImportError as error:
        raise InputError(
            "--format datasets needs the package datasets, which is not installed here. Run: pip"
            " install datasets, or take --format parquet: load_dataset opens that folder as well."
        ) from error
    datasets.disable_progress_bars()
    return datasets
