"""`regenesis storage ...`: care of the store."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from flows.cli.common import COMMON, confirm, environment, note, show, with_common_flags
from flows.cli.read_commands import existing_store
from storage.errors import PermanentError
from storage.store.store_url import shown

app = typer.Typer(
    help="Care of the store: check, compact, gc, backup, restore, move, migrate.",
    rich_markup_mode=None,
)


@app.command()
@with_common_flags
def check() -> None:
    """Look for dangling parents, ids there twice, and files that are missing."""
    from storage.care.check_and_gc import check_store

    problems = check_store(existing_store(), environment().home)
    lines = [f"{one.code}: {one.count} in {one.where}, such as {one.example}" for one in problems]
    show({"problems": [vars(one) for one in problems]}, "\n".join(lines) or "The store is sound.")
    if problems:
        raise PermanentError(
            "The store has problems; they are named above. A backup: regenesis storage backup FILE"
        )


@app.command()
@with_common_flags
def compact(
    keep_days: Annotated[
        float, typer.Option(min=0, help="Days for which a lake's past states can be read")
    ] = 7,
) -> None:
    """Give back the room of replaced rows; in a lake also of small files, doubles, old states."""
    from storage.care import check_and_gc as maintenance

    store = existing_store()
    if COMMON.dry_run:
        show({"store": store.url}, f"Would compact {store.url}.")
        return
    done = maintenance.compact(store, keep_days)
    text = f"{done.bytes_before / 1e6:.1f} MB before, {done.bytes_after / 1e6:.1f} MB after."
    if done.files_before > 1:
        text += (
            f" {done.files_before} files before, {done.files_after} after; {done.doubled_rows} rows"
            f" that were there twice and {done.snapshots_expired} old states removed."
        )
    if done.unknown_files_left:
        text += (
            f" {done.unknown_files_left} Parquet files in the lake's folder that it does not know"
            " were left: move them away if they are nobody's."
        )
    show(vars(done), text)


@app.command()
@with_common_flags
def gc(
    trash_days: Annotated[
        float, typer.Option(min=0, help="Days for which what went to the trash stays there")
    ] = 30,
) -> None:
    """Move adapters that no store names into the trash, and remove half-written and old files."""
    from storage.care.garbage import find_garbage, remove_garbage

    store, home = existing_store(), environment().home
    found = find_garbage(store, home, trash_days)
    for one in found:
        deed = f"would move to {one.kept}:" if one.kept else "would remove"
        note(f"{deed} {one.path} ({one.bytes / 1e6:.1f} MB): {one.why}")
    freed = 0
    if found and not COMMON.dry_run:
        confirm(f"Move or remove {len(found)} files or folders?")
        # a run or a restore may have come to need one of them while nobody answered
        again = find_garbage(store, home, trash_days)
        shown = {one.path for one in found}
        freed = remove_garbage([one for one in again if one.path in shown])
    figures = {"found": [str(one.path) for one in found], "bytes_freed": freed}
    show(figures, f"{len(found)} found, {freed / 1e6:.1f} MB freed.")


@app.command()
@with_common_flags
def backup(
    to: Annotated[
        Path, typer.Argument(help="File to write; one that is there is never overwritten")
    ],
) -> None:
    """Copy the store and MLflow's records, whole, also while a round runs."""
    from storage.care.backups import back_up, refuse_backup_name

    store, target = existing_store(), to.absolute()
    if COMMON.dry_run:
        refuse_backup_name(target)
        url = shown(store.url)
        show({"store": url, "backup": str(target)}, f"Would copy {url} to {target}.")
        return
    path = back_up(store, environment().home, target)
    show({"backup": str(path)}, f"Backup: {path}")


@app.command()
@with_common_flags
def move(
    url: Annotated[
        str, typer.Argument(help="An empty place: duckdb:///FILE or ducklake:...?data=URL")
    ],
) -> None:
    """Copy everything to another store, prove the copy equal, and say what to set.

    The old store stays.
    """
    from storage.care.moving import move_store

    store = existing_store()
    if COMMON.dry_run:
        show({"from": store.url, "to": url}, f"Would copy {store.url} to {url}.")
        return
    moved = move_store(store, url)
    rows = sum(one.rows for one in moved)
    lines = [
        f"{one.table}: {one.rows} rows, hash {one.digest}, equal on both sides"
        for one in moved
        if one.rows
    ]
    lines.append(
        f"{rows} rows copied. From now on set REGENESIS_STORE to it:\nexport"
        f" REGENESIS_STORE='{url}'"
    )
    show({"store": url, "rows": rows, "tables": [vars(one) for one in moved]}, "\n".join(lines))


@app.command()
@with_common_flags
def restore(
    backup: Annotated[Path, typer.Argument(help="A file that `storage backup` or a night wrote")],
) -> None:
    """Put a backup in the store's place and repair MLflow's champions; the old store is kept."""
    from flows.stack.up import refuse_beside_a_stack
    from storage.care.backups import restore as put_back
    from storage.care.check_and_gc import check_store
    from storage.environment import make_home
    from storage.mlflow_tracking import Tracking
    from storage.open_store import open_store
    from tasks.promotion.promote import repair_all

    places = environment()
    refuse_beside_a_stack(places)
    if COMMON.dry_run:
        show(
            {"store": places.store_url, "from": str(backup)},
            f"Would put {backup} in the place of {places.store_url}.",
        )
        return
    confirm(f"Put {backup} in the place of {places.store_url}?")
    make_home(places)
    aside = put_back(places, backup.absolute(), datetime.now(UTC), note)
    store = open_store(places.store_url)
    repaired = repair_all(store, Tracking(places.home))
    problems = [
        f"{one.code}: {one.count}, such as {one.example}" for one in check_store(store, places.home)
    ]
    kept = [f"What was there is kept: {path}" for path in aside]
    figures = {
        "store": store.url,
        "kept": [str(path) for path in aside],
        "repaired": repaired,
        "problems": problems,
    }
    show(figures, "\n".join([f"{store.url} is that of {backup}.", *kept, *repaired, *problems]))


@app.command()
@with_common_flags
def migrate() -> None:
    """Bring the store to this version after a backup, or make it; refused while a run uses it."""
    from storage.environment import make_home
    from storage.open_store import is_current, open_store

    places = environment()
    if COMMON.dry_run:
        done = is_current(places.store_url)
        deed = "is at this version already" if done else "would be brought to this version, or made"
        url = shown(places.store_url)
        show({"store": url, "due": not done}, f"{url} {deed}.")
        return
    make_home(places)
    store = open_store(places.store_url)
    show({"store": store.url}, "The store is at this version.")
