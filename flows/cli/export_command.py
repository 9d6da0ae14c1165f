"""`regenesis export`: rows or weights of the store as a folder for others.

Rows need the light base only.
"""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from flows.cli.common import COMMON, environment, show, with_common_flags
from flows.cli.read_commands import existing_store
from storage.errors import InputError

if TYPE_CHECKING:
    from tasks.export.export_rows import Exported


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(with_common_flags(export))


def export(
    folder: Annotated[
        Path, typer.Argument(help="Folder to write; one that is there and not empty is refused")
    ],
    training_set: Annotated[
        str, typer.Option(help="Training set's id or its beginning; default: the newest")
    ] = "",
    round: Annotated[
        int, typer.Option(help="Number of the round; 0 for the newest, with --paths for all")
    ] = 0,
    paths: Annotated[
        bool, typer.Option("--paths", help="The accepted paths in place of a training set")
    ] = False,
    format: Annotated[
        str, typer.Option(help="parquet, chat, datasets, axolotl, llama-factory, preference, kto")
    ] = "",
    private: Annotated[
        bool, typer.Option("--private", help="Also what a source forbids to hand on")
    ] = False,
    adapter: Annotated[
        str, typer.Option(help="An adapter by its id or its beginning, in place of rows")
    ] = "",
    merged: Annotated[
        bool, typer.Option("--merged", help="The adapter merged into its base")
    ] = False,
    model: Annotated[
        str, typer.Option(help="The adapter's base: folder or hub name; default: as its round says")
    ] = "",
    push: Annotated[
        str, typer.Option(help="Also to the hub, private; token: HF_TOKEN", metavar="OWNER/NAME")
    ] = "",
) -> None:
    """Write a training set, accepted paths or an adapter, with its card, for other tools."""
    for_rows = {
        "--training-set": training_set,
        "--round": round,
        "--paths": paths,
        "--format": format,
        "--private": private,
    }
    for_weights = {"--merged": merged, "--model": model}
    _refuse_together(
        [name for name, given in (for_rows if adapter else for_weights).items() if given],
        bool(adapter),
    )
    if training_set and (paths or round):
        raise InputError(
            "--training-set names its rows already; found --paths or --round as well. Give one of"
            " them."
        )
    if push:
        from tasks.export.push import checked_repository

        checked_repository(push, private=private)
    if adapter:
        done = _weights(folder.absolute(), adapter, merged, model)
    else:
        done = _rows(folder.absolute(), training_set, round, paths, format or "parquet", private)
    if push:
        from tasks.export.push import pushed

        done = pushed(done, push, "model" if adapter else "dataset", dry_run=COMMON.dry_run)
    show(done.figures, done.text)


def _rows(
    folder: Path, training_set: str, round: int, paths: bool, format: str, private: bool
) -> "Exported":
    from tasks.export.export_rows import export_rows
    from tasks.export.wanted_rows import (
        wanted_judged,
        wanted_pairs,
        wanted_paths,
        wanted_training_set,
    )

    store = existing_store()
    judged = {"preference": wanted_pairs, "kto": wanted_judged}.get(format)
    if judged and training_set:
        raise InputError(
            f"--format {format} takes right and wrong paths; found --training-set. Leave it out."
        )
    if judged:
        wanted = judged(store, round)
    else:
        wanted = (
            wanted_paths(store, round) if paths else wanted_training_set(store, training_set, round)
        )
    return export_rows(
        store, wanted, folder, environment(), format=format, private=private, dry_run=COMMON.dry_run
    )


def _weights(folder: Path, adapter: str, merged: bool, model: str) -> "Exported":
    from tasks.export.export_adapter import export_adapter

    return export_adapter(
        existing_store(),
        adapter,
        folder,
        environment(),
        merged=merged,
        base_model=model,
        dry_run=COMMON.dry_run,
    )


def _refuse_together(wrong: list[str], with_adapter: bool) -> None:
    if wrong and with_adapter:
        raise InputError(
            f"--adapter exports weights; found {', '.join(wrong)}, which are about rows. Leave them"
            " out."
        )
    if wrong:
        raise InputError(f"{', '.join(wrong)} are about weights. Name them: --adapter ID")
