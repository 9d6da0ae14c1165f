"""The command `compare`: run or forecast a comparison, or carry its state along."""

from pathlib import Path
from typing import Annotated, Any

import typer

from flows.cli.common import COMMON, environment, show, with_common_flags
from flows.cli.round_commands import (
    Model,
    Name,
    Preset,
    Seed,
    Sets,
    Settings,
    Train,
    Until,
    run_flow,
    settings_text,
)
from storage.errors import InputError

Methods = Annotated[
    str, typer.Option(help="Methods, comma separated; `list` shows them all", metavar="A,B,...")
]


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(with_common_flags(compare))


def compare(
    methods: Methods = "",
    seeds: Annotated[int, typer.Option(help="How many seeds; 0 as the settings say")] = 0,
    match: Annotated[
        str, typer.Option(help="paths, tokens or questions; empty as the settings say")
    ] = "",
    rounds: Annotated[int, typer.Option(help="Rounds of every method; 0 as each method says")] = 0,
    rates: Annotated[
        str, typer.Option(help="Learning rates to try, comma separated", metavar="R,S,...")
    ] = "",
    name: Name = "",
    question_set: Sets = None,
    train_questions: Train = 0,
    model: Model = "",
    seed: Seed = 0,
    until: Until = "",
    plan: Annotated[
        bool, typer.Option("--plan", help="Say what it would take, and begin nothing")
    ] = False,
    published: Annotated[
        Path | None, typer.Option(help="CSV of published figures", metavar="FILE")
    ] = None,
    from_: Annotated[
        Path | None,
        typer.Option("--from", help="Go on with what another machine did", metavar="FOLDER"),
    ] = None,
    export: Annotated[
        Path | None,
        typer.Option(
            help="Write the comparison's state there; nothing else is done", metavar="FOLDER"
        ),
    ] = None,
    preset: Preset = "default",
    settings: Settings = None,
) -> None:
    """Compare methods at a matched budget; continues the comparison of these settings."""
    if methods == "list":
        _list_methods()
        return
    from flows.runs.parameters import check_parameters
    from tasks.comparison.contest import check_comparison

    toml = _settings_with(settings, rates, question_set or [], train_questions, model, seed)
    chosen: dict[str, Any] = {
        "name": name,
        "methods": [one.strip() for one in methods.split(",") if one.strip()],
        "seeds": seeds,
        "match": match,
        "rounds": rounds,
        "preset": preset,
        "settings_toml": toml,
    }
    # what is wrong is said before anything is started
    checked = check_parameters(environment(), chosen)
    check_comparison(checked)
    if published is not None:
        from tasks.comparison.others_figures import read_published

        read_published(published)  # what is wrong with it is said before anything runs
    if from_ is not None:
        from tasks.comparison.states.state import check_state

        check_state(from_)
    if plan or COMMON.dry_run or export is not None:
        from flows.cli.compare_ahead import export_comparison, forecast_comparison

        found = (
            export_comparison(checked, export, dry_run=COMMON.dry_run)
            if export is not None
            else forecast_comparison(checked, dry_run=COMMON.dry_run)
        )
        show(found.as_json(), found.text)
        return
    run_flow(
        "flows.compare",
        "compare",
        until=until,
        brought=str(from_ or ""),
        published=str(published or ""),
        **chosen,
    )


def _list_methods() -> None:
    from tasks.comparison.methods import builtin_methods
    from tasks.rules.comparison.methods import citations

    table = builtin_methods()
    rows = citations(table, list(table))
    lines = [
        f"{row['method']}: {row['is']} {row['after']}."
        + (f" {row['differs']}" if row["differs"] != "-" else "")
        for row in rows
    ]
    show({"methods": rows}, "\n".join(lines))


def _settings_with(
    file: Path | None, rates: str, sets: list[str], train_questions: int, model: str, seed: int
) -> str:
    """The settings file as TOML, with the options that are no parameters of the flow."""
    from flows.runs.parameters import settings_toml_with

    try:
        grid = [float(one) for one in rates.split(",") if one.strip()]
    except ValueError as error:
        raise InputError(f"--rates takes numbers, such as 1e-4,5e-4; found {rates!r}.") from error
    given: dict[str, object] = {
        "comparison.learning_rates": grid,
        "training.learning_rate": grid[0] if grid else 0,
        "questions.in_domain": sets,
        "questions.train_per_set": train_questions,
        "model.name": model,
        "seed": seed,
    }
    return settings_toml_with(settings_text(file), given)
