"""The step from the store to a folder for others: rows as Parquet, chat JSONL or a `datasets` folder, with their card.

Needs the light base only, but for the format `datasets`. The folder is whole or absent; the store is only read.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, cast, get_args

import pyarrow.parquet as pq

from storage.environment import Environment
from storage.errors import InputError
from storage.sql.presenting import json_line
from tasks.export.wanted_rows import Wanted, bases_of, chat_row, sources_of
from tasks.export.whole_folder import files_of, refuse_used_target, whole_folder
from tasks.rules.cards.data_card import FILES, DataCard, Source, forbidding

if TYPE_CHECKING:
    from storage.open_store import Store
    from storage.store.arrow import ArrowTable

Format = Literal["parquet", "chat", "datasets"]
CARD = "README.md"
ROWS_AT_ONCE = 1_000


@dataclass(frozen=True)
class Exported:
    """What was written, or with `dry_run` would be."""

    folder: Path
    text: str
    figures: dict[str, object]


def export_rows(
    store: "Store", wanted: Wanted, target: Path, environment: Environment, *, format: str = "parquet",
    private: bool = False, dry_run: bool = False,
) -> Exported:  # fmt: skip
    """Write the rows with their card. Raises InputError, with nothing written, for what can't or mustn't leave."""
    chosen = checked_format(format)
    refuse_used_target(target)
    rows = store.query(wanted.sql)
    if not rows.num_rows:
        raise InputError(f"{wanted.title} should have rows to export; found none. Run: regenesis round")
    sources = sources_of(store, rows)
    if not private:
        refuse_forbidden(sources)
    card = _card(store, wanted, rows, sources, chosen, environment)
    files = [CARD, FILES.get(chosen, "data-*.arrow")]
    if not dry_run:
        with whole_folder(target) as folder:
            folder.mkdir()
            _write_rows(rows, wanted, folder, chosen)
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
            f"Every source of an export must allow redistribution; found {listed}, which do not. Add --private for a "
            "folder that stays with you; its card will say so."
        )


def _card(
    store: "Store", wanted: Wanted, rows: "ArrowTable", sources: list[Source], format: Format, environment: Environment
) -> DataCard:
    return DataCard(
        title=wanted.title,
        format=format,
        rows=rows.num_rows,
        hinted=sum(1 for hinted in rows["hinted"].to_pylist() if hinted),
        questions=len(set(rows["question_id"].to_pylist())),
        facts=wanted.facts,
        filters=wanted.filters,
        left_out=wanted.left_out,
        sources=sources,
        bases=bases_of(store, rows, environment),
        sql=wanted.sql,
    )


def _exported(card: DataCard, target: Path, files: list[str], dry_run: bool) -> Exported:
    figures: dict[str, object] = {
        "folder": str(target), "files": files, "format": card.format, "rows": card.rows, "hinted_rows": card.hinted,
        "questions": card.questions, "question_sets": {one.question_set.name: one.rows for one in card.sources},
        "private": bool(forbidding(card.sources)), "written": not dry_run,
    }  # fmt: skip
    named = f"{card.title}: {card.rows} rows ({card.hinted} hinted) as {card.format}"
    return Exported(target, said(named, target, files, dry_run), figures)


def said(named: str, target: Path, files: Sequence[str], dry_run: bool) -> str:
    """One line for people."""
    return f"{'Would write ' if dry_run else ''}{named}, in {target}: {', '.join(files)}"


def _write_rows(rows: "ArrowTable", wanted: Wanted, folder: Path, format: Format) -> None:
    if format == "parquet":
        pq.write_table(rows, str(folder / FILES[format]), compression="zstd")
    elif format == "datasets":
        _datasets().Dataset(rows).save_to_disk(str(folder))
    else:
        with (folder / FILES[format]).open("w", encoding="utf-8", newline="\n") as file:
            for row in _each(rows):
                file.write(json_line(chat_row(row, wanted)) + "\n")


def _each(rows: "ArrowTable") -> Iterator[dict[str, Any]]:
    """Row by row, few of them as Python objects at a time."""
    for start in range(0, rows.num_rows, ROWS_AT_ONCE):
        yield from rows.slice(start, ROWS_AT_ONCE).to_pylist()


def _datasets() -> Any:
    """The package `datasets`, which comes with what runs a round."""
    try:
        import datasets
    except ImportError as error:
        raise InputError(
            "--format datasets needs the package datasets, which is not installed here. Run: pip install datasets, or "
            "take --format parquet: load_dataset opens that folder as well."
        ) from error
    datasets.disable_progress_bars()
    return datasets
