"""Maintenance at night: a backup, then garbage, then compaction."""

import re
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

from prefect import flow, task
from pydantic import Field

from flows.runs.results import Result, named_after_outcome
from flows.steps.step_task import STEP
from flows.steps.workplace import no_run
from storage.care.backups import back_up as store_and_records
from storage.care.backups import holds_more, records_of
from storage.care.check_and_gc import compact
from storage.care.garbage import TRASH_DAYS, find_garbage, remove_garbage
from storage.environment import read_environment
from storage.errors import PermanentError
from storage.lake.lake_care import Compacted
from storage.open_store import Store, existing_store

Kept = Annotated[int, Field(ge=0, le=1000)]
# such as regenesis-20261130-010000.duckdb: only what was named below is ever removed
_BACKUP = re.compile(r"regenesis-\d{8}-\d{6}\.duckdb")
Days = Annotated[float, Field(ge=0)]


@flow(name="maintain", flow_run_name="maintain the store")
@named_after_outcome
def maintain(
    keep_backups: Kept = 7,
    collect_garbage: bool = True,
    rewrite: bool = True,
    keep_days: Days = 7,
    trash_days: Days = TRASH_DAYS,
) -> Result:
    """Back the store up, put away what nothing refers to, and give back the room of replaced rows.

    Args:
        keep_backups: Newest backups that stay in the home's folder backups; 0 makes none
        collect_garbage: Move adapters that no row names and nobody touched for a day into the
        home's folder trash
        rewrite: Rewrite a file without the room of replaced rows; in a lake merge small files and
        remove doubled rows
        keep_days: Days for which a lake's past states can be read; those of training sets stay for
        ever
        trash_days: Days for which what was moved to the trash stays there
    """
    places = read_environment()
    store = existing_store(places.store_url)
    figures: dict[str, object] = {}
    with no_run(places):
        if keep_backups:
            figures["backup"] = str(back_up(store, places.home / "backups", keep_backups))
        if collect_garbage:
            figures |= put_away(store, places.home, trash_days)
        if rewrite:
            figures |= asdict(give_back_room(store, keep_days))
    return Result(
        "maintained", ", ".join(f"{name} {value}" for name, value in figures.items()), figures
    )


@task(name="back up", **STEP)
def back_up(store: Store, folder: Path, keep: int) -> Path:
    """A new whole copy; of the old ones the newest stay, and those with more rows than the new one.

    Rows are never taken out of a store: one that has fewer is another, or was put back.
    """
    made = store_and_records(
        store, folder.parent, folder / f"regenesis-{datetime.now(UTC):%Y%m%d-%H%M%S}.duckdb"
    )
    ours = [
        one
        for one in folder.glob("regenesis-*.duckdb")
        if _BACKUP.fullmatch(one.name) and one != made
    ]
    # the one just made is the newest, whatever the clock said when the others were made
    for old in sorted(ours, key=lambda one: one.stat().st_mtime, reverse=True)[keep - 1 :]:
        if not holds_more(old, made):
            old.unlink()
            records_of(old).unlink(missing_ok=True)
    return made


@task(name="collect garbage", **STEP)
def put_away(store: Store, home: Path, trash_days: float) -> dict[str, object]:
    """What was freed; or why nothing was collected: the rest of the care goes on."""
    try:
        return {"garbage_bytes": remove_garbage(find_garbage(store, home, trash_days))}
    except PermanentError as error:
        return {"garbage": str(error)}


@task(name="rewrite", **STEP)
def give_back_room(store: Store, keep_days: float) -> Compacted:
    """What was found and done; tried again while a reader has the file."""
    return compact(store, keep_days)
