"""Commands that read: `sql`, `lineage`, `report`, `judge`, `audit`; the light base is enough."""

import sys
from collections.abc import Iterator
from contextlib import nullcontext
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from flows.cli.common import COMMON, environment, note, show, show_exactly, with_common_flags
from storage.errors import InputError
from storage.store.store_url import shown

if TYPE_CHECKING:
    from storage.open_store import Store
    from storage.records import Round


def register(app: typer.Typer) -> None:
    """Add the commands."""
    for command in (sql, lineage, report, judge, audit):
        app.command()(with_common_flags(command))


def sql(
    statement: Annotated[
        str, typer.Argument(help="One SELECT, or - to read it from standard input")
    ] = "",
    format: Annotated[str, typer.Option(help="table, csv, json or parquet")] = "",
    file: Annotated[Path | None, typer.Option(help="Read the statement from this file")] = None,
    out: Annotated[Path | None, typer.Option(help="Write to this file")] = None,
    timeout: Annotated[float, typer.Option(help="Seconds the statement may take")] = 60,
    memory: Annotated[str, typer.Option(help="Memory it may take")] = "1GB",
    disk: Annotated[
        str, typer.Option(help="Temporary disk it may take for what does not fit into memory")
    ] = "4GB",
    schema: Annotated[
        bool, typer.Option("--schema", help="Print every table and view with its columns")
    ] = False,
    client: Annotated[
        bool,
        typer.Option(
            "--client", help="Print the line that opens the reader copy in DuckDB's own client"
        ),
    ] = False,
    as_of: Annotated[
        str, typer.Option(help="A lake as it was when this adapter or training set was chosen")
    ] = "",
) -> None:
    """Ask the store, read-only, also while a round runs."""
    from storage.sql.sandbox import Limits, print_user_sql, run_user_sql, schema_text

    if client:
        _show_client_line()
        return
    if schema:
        print(schema_text())
        return
    if file is not None:
        from tasks.user_files import read_user_text

        statement = read_user_text(file, "A statement")
    elif statement in ("", "-"):
        if sys.stdin.isatty():
            raise InputError(
                'A statement is needed, such as: regenesis sql "SELECT * FROM round_summary"'
            )
        statement = sys.stdin.read()
    output = format or ("json" if COMMON.json else "table")
    snapshot = None
    if as_of:
        from storage.lineage.time_travel import snapshot_of

        snapshot = snapshot_of(existing_store(), as_of)
    limits = Limits(timeout, memory, disk)
    url = environment().store_url
    if COMMON.dry_run:  # to ask may make the reader copy
        rows = f" and write the rows to {out}" if out else ""
        show({"store": shown(url), "statement": statement}, f"Would ask {shown(url)}{rows}.")
    elif out is not None:
        show_exactly(run_user_sql(url, statement, output, limits, out, snapshot), end="")
    else:
        print_user_sql(url, statement, partial(show_exactly, end=""), output, limits, snapshot)


def _show_client_line() -> None:
    store = existing_store()
    if COMMON.dry_run:
        words = "and make its reader copy where there is none"
        url = shown(store.url)
        show({"store": url}, f"Would print the line that opens {url}, {words}.")
        return
    line = store.client_command()
    show({"command": line}, line)


def lineage(
    id: Annotated[str, typer.Argument(help="Id of any record, or an unambiguous beginning of one")],
    prompt: Annotated[bool, typer.Option(help="Print the exact text that was sent for it")] = False,
) -> None:
    """Walk a record up to its question and down to every model it touched."""
    store = existing_store()
    if prompt:
        from flows.runs.dry_runs import places_of_run
        from tasks.synthesis.prompts_sent import prompt_sent, rendered

        sent = prompt_sent(store, id)
        prepared = places_of_run(dry_run=True) if COMMON.dry_run else nullcontext(environment())
        with prepared as places:
            show_exactly(rendered(sent, places))
        if sent.closed:
            note("This path was closed: the text then went back with 'The answer is' begun for it.")
        return
    from flows.cli.lineage_text import lineage_text
    from storage.lineage.lineage_tree import lineage_tree
    from storage.lineage.taught_models import taught_models

    tree = lineage_tree(store, id)
    taught = taught_models(store, tree.table, tree.id)
    show(tree.as_json() | {"models": [vars(model) for model in taught]}, lineage_text(tree, taught))


def report(
    round: Annotated[int, typer.Option(help="Number of the round; 0 for the newest")] = 0,
) -> None:
    """Write a round's report again, and say where it lies."""
    from tasks.reports.round_report import draw_report, report_file, round_table, write_report
    from tasks.rounds.round_row import promotion_of

    store = existing_store()
    found = _round_of(store, round)
    if COMMON.dry_run:
        file = report_file(found, environment().reports)
        show({"report": str(file)}, f"Would write the report to {file}.")
        return
    path = write_report(draw_report(store, found), found, environment().reports)
    decided = promotion_of(store, found)
    reasons = decided.reasons if decided else "The gate has not decided yet."
    show(
        {"report": str(path), "reasons": reasons},
        f"{reasons}\n{round_table(store, found)}\nReport: {path}",
    )


def judge(
    file: Annotated[
        Path,
        typer.Argument(help="JSONL rows with text, answer, answer_kind, choices, finish_reason"),
    ],
    lenient: Annotated[bool, typer.Option(help="By the lenient reading")] = False,
) -> None:
    """Judge answers in a file: the same rows come out with verdict, reason and extracted answer."""
    from tasks.verification.judge_file import judge_file

    for line in judge_file(_lines_of(file), lenient, complain=note):
        show_exactly(line.rstrip("\n"))


def audit(
    round: Annotated[int, typer.Option(help="Number of the round; 0 for the newest")] = 0,
    path: Annotated[
        str, typer.Option(help="Give a verdict of your own on this path: its id, or a beginning")
    ] = "",
    verdict: Annotated[str, typer.Option(help="correct, wrong or unjudged")] = "",
    rater: Annotated[str, typer.Option(help="Who says so; it is kept")] = "",
    because: Annotated[str, typer.Option(help="Why; it is kept")] = "",
) -> None:
    """Print what a second, independent judge reads otherwise; or give a verdict of your own."""
    from tasks.verification.audit import audit_text, audit_verdicts, give_verdict

    store = existing_store()
    if path or verdict or rater:
        given = give_verdict(store, path, verdict, rater, because, dry_run=COMMON.dry_run)
        said = f"path {given.path_id} is {given.verdict}, says {given.rater}."
        words = (
            f"Would store: {said}" if COMMON.dry_run else f"P{said[1:]} Later selections follow it."
        )
        show(vars(given), words)
        return
    found = _round_of(store, round)
    read = audit_verdicts(store, draw=found.number, seed=found.seed, dry_run=COMMON.dry_run)
    show({"table": [vars(row) for row in read.table], "cases": len(read.cases)}, audit_text(read))


def existing_store() -> "Store":
    """The store of this command's home, where there is one; a dry run takes it as it is."""
    from storage.open_store import existing_store as store_at

    return store_at(environment().store_url, as_it_is=COMMON.dry_run)


def _round_of(store: "Store", number: int) -> "Round":
    """The round of this number, or for 0 the newest of the store."""
    from storage.records import Round

    found = (
        store.select(Round, number=number)
        if number
        else store.select(Round, order_by="number desc")
    )
    if not found:
        raise InputError("The store has no such round. Run: regenesis round")
    return found[0]


def _lines_of(file: Path) -> Iterator[str]:
    # a generator: an error of the one who takes the lines, such as a closed pipe, is none of theirs
    try:
        with sys.stdin if str(file) == "-" else file.open(encoding="utf-8") as lines:
            yield from lines
    except (OSError, UnicodeDecodeError) as error:
        from tasks.user_files import unreadable

        raise unreadable(file, "Answers", error) from error
