"""Care of the store at night: a backup first, then what nothing refers to goes, then room is given back."""

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
from storage.care.backups import records_of
from storage.care.check_and_gc import compact, find_garbage, remove_garbage
from storage.environment import read_environment
from storage.lake.lake_care import Compacted
from storage.open_store import Store, open_store

Kept = Annotated[int, Field(ge=0, le=1000)]
Days = Annotated[float, Field(ge=0)]


@flow(name="maintain", flow_run_name="maintain the store")
@named_after_outcome
def maintain(keep_backups: Kept = 7, collect_garbage: bool = True, rewrite: bool = True, keep_days: Days = 7) -> Result:
    """Back the store up, remove what nothing refers to, and give back the room of replaced rows.

    Args:
        keep_backups: Newest backups that stay in the home's folder backups; 0 makes none
        collect_garbage: Remove files that no row names and nobody touched for a day
        rewrite: Rewrite a file without the room of replaced rows; in a lake merge small files and remove doubled rows
        keep_days: Days for which a lake's past states can be read; those of training sets stay for ever
    """
    places = read_environment()
    store = open_store(places.store_url)
    figures: dict[str, object] = {}
    with no_run(places):
        if keep_backups:
            figures["backup"] = str(back_up(store, places.home / "backups", keep_backups))
        if collect_garbage:
            figures["garbage_bytes"] = remove_garbage(find_garbage(store, places.home))
        if rewrite:
            figures |= asdict(give_back_room(store, keep_days))
    return Result("maintained", ", ".join(f"{name} {value}" for name, value in figures.items()), figures)


@task(name="back up", **STEP)
def back_up(store: Store, folder: Path, keep: int) -> Path:
    """A new whole copy; of the old ones only the newest stay."""
    made = store_and_records(store, folder.parent, folder / f"regenesis-{datetime.now(UTC):%Y%m%d-%H%M%S}.duckdb")
    for old in sorted(folder.glob("regenesis-*.duckdb"))[:-keep]:
        old.unlink()
        records_of(old).unlink(missing_ok=True)
    return made


@task(name="rewrite", **STEP)
def give_back_room(store: Store, keep_days: float) -> Compacted:
    """What was found and done; tried again while a reader has the file."""
    return compact(store, keep_days)
