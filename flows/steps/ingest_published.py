"""A published question set into the store, or the table of them; needs no Prefect, as for a file.

The set brings its own columns, kinds, licence and domain: giving them too is refused, not passed
over.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from flows.runs.dry_runs import places_of_run, store_of_run
from flows.runs.results import Result
from flows.steps.ingest_file import ingested
from storage.errors import InputError
from storage.records import Domain
from storage.sql.presenting import in_columns
from tasks.ingestion.ingest_published import ingest_published_set
from tasks.ingestion.published_files import ReadSet, fetch_published_set, read_published_set
from tasks.rules.questions.published_sets import PUBLISHED_SETS, PublishedSet, published_set


@dataclass(frozen=True)
class AskedSet:
    """A published set to ingest, and what its user says of it; the set brings most of it itself."""

    published: str
    folder: Path | None = None
    """Of its files; None fetches them."""
    name: str = ""
    domain: Domain = "in_domain"
    mapping: str = ""
    answer_kind: str = ""
    licence: str = ""


def ingest_published(wanted: AskedSet, *, dry_run: bool = False) -> Result:
    """All of the set's questions, or, where its files are not the published ones, none."""
    name, folder = wanted.published, wanted.folder
    source = published_set(name)
    other_domain = (
        wanted.domain if wanted.domain == "out_of_domain" and source.domain == "in_domain" else ""
    )
    given = {"map": wanted.mapping, "answer-kind": wanted.answer_kind, "licence": wanted.licence}
    _refuse_given(source, given | {"domain": other_domain})
    if folder is None and dry_run:
        return Result(
            "fetches",
            f"Would fetch {source.url} and ingest {name}",
            {"question_set": name, "from": source.url},
        )
    published = read_published_set(source, folder or fetch_published_set(source))
    with places_of_run(dry_run=dry_run) as places:
        store = store_of_run(places, dry_run=dry_run)
        stored = ingested(*ingest_published_set(store, published, wanted.name, dry_run))
    text = "; ".join(
        [
            f"{'Would ingest ' if dry_run else ''}{stored.text}",
            *_left_out(published),
            *_licence(source),
        ]
    )
    figures = {
        "unusable": published.unusable,
        "duplicates": published.duplicates,
        "not_taken": published.not_taken,
    }
    return Result("ingested", text, {**stored.figures, **figures, "licence": source.licence})


def list_published_sets() -> Result:
    """Name, domain, licence, whether it may be redistributed, citation, rows by published split."""
    rows = [_row(one) for one in PUBLISHED_SETS]
    header = ("name", "domain", "licence", "redistributable", "citation", "rows as published")
    sets = [dict(zip(header, row, strict=True)) for row in rows]
    return Result("listed", "\n".join(in_columns([header, *rows])), {"published_sets": sets})


def _row(source: PublishedSet) -> tuple[str, ...]:
    counts = ", ".join(f"{split} {rows:,}" for split, rows in source.counts.items())
    return (
        source.name,
        source.domain,
        source.licence,
        "yes" if source.redistributable else "no",
        source.citation,
        counts,
    )


def _refuse_given(source: PublishedSet, given: Mapping[str, str]) -> None:
    for option, value in given.items():
        if value:
            raise InputError(
                f"{source.name} is {source.domain} and brings its own columns, kinds and licence"
                f" ({source.licence}); found --{option} {value!r} too. Leave it out, or ingest the"
                " file without --published."
            )


def _left_out(published: ReadSet) -> list[str]:
    lines = [
        f"{count:,} {what}"
        for count, what in (
            (published.unusable, "rows without a usable reference left out"),
            (published.duplicates, "repeated questions left out, the first kept"),
        )
        if count
    ]
    if published.not_taken:
        splits = ", ".join(published.not_taken)
        lines.append(f"published {splits} not taken: an out-of-domain set never trains")
    return lines


def _licence(source: PublishedSet) -> list[str]:
    return [] if source.redistributable else [f"may not be redistributed ({source.licence})"]
