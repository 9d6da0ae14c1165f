"""Commands about the machine and its settings: `doctor`, `settings`, `serve`, `forecast`."""

from typing import Annotated

import typer

from flows.cli.common import COMMON, environment, note, show, with_common_flags
from flows.cli.round_commands import Model, Name, Preset, Settings, run_flow, settings_text
from storage.errors import InputError


def register(app: typer.Typer) -> None:
    """Add the commands."""
    for command in (doctor, serve, forecast):
        app.command()(with_common_flags(command))
    app.command("settings")(with_common_flags(show_settings))


def doctor(
    prepare: Annotated[bool, typer.Option(help="Prepare the base model too")] = False,
    model: Model = "",
    preset: Preset = "default",
    settings: Settings = None,
) -> None:
    """Tell what is there, what is missing, and what to type."""
    from flows.runs.parameters import chosen_settings
    from storage.environment import make_home
    from tasks.doctor import diagnose

    places = environment()
    chosen = chosen_settings(places, preset, settings_text(settings), model=model)
    if COMMON.dry_run:  # to look at a model is to prepare or fetch it
        deed = (
            f"Would {'prepare the base model and ' if prepare else ''}look at this machine and at"
        )
        show({"prepare": prepare, "model": chosen.model.name}, f"{deed} {chosen.model.name!r}.")
        return
    if prepare:
        from tasks.engines.models.base_models import prepare_model

        make_home(places)
        note(f"The base model is ready in {prepare_model(chosen.model, places).folder}")
    findings = diagnose(places, chosen)
    show(
        {"findings": [vars(finding) for finding in findings]},
        "\n".join(str(finding) for finding in findings),
    )
    if any(finding.blocks for finding in findings):
        raise InputError(
            "Something that a round needs is missing; the lines above say what to type."
        )


def show_settings(
    name: Name = "",
    model: Model = "",
    preset: Preset = "default",
    settings: Settings = None,
) -> None:
    """Print every setting, its value and its source: built in, preset, file or option."""
    from flows.runs.parameters import given_by_hand
    from tasks.settings import explain_settings

    overrides = given_by_hand({"name": name, "model.name": model})
    rows, notes = explain_settings(preset, settings_text(settings), environment().config, overrides)
    width = max(len(row.name) for row in rows)
    lines = [f"{row.name:{width}}  {row.value!r}  ({row.source})" for row in rows]
    show(
        {"settings": [vars(row) for row in rows], "notes": notes},
        "\n".join([*lines, *(f"Note: {one}" for one in notes)]),
    )


def serve(
    adapter: Annotated[
        str, typer.Option(help="Adapter or model id, or prefix; empty for the champion")
    ] = "",
    port: Annotated[int, typer.Option(help="Port to listen on; 0 for any free one")] = 8000,
    host: Annotated[
        str, typer.Option(help="Address; other machines need REGENESIS_SERVE_KEY")
    ] = "127.0.0.1",
    name: Name = "",
    model: Model = "",
    preset: Preset = "default",
    settings: Settings = None,
) -> None:
    """Serve the champion, or another model, as an OpenAI-compatible endpoint."""
    from flows.cli.serving import serve_model
    from flows.runs.parameters import chosen_settings

    chosen = chosen_settings(environment(), preset, settings_text(settings), name=name, model=model)
    if COMMON.dry_run:
        served = adapter or f"the champion of {chosen.name!r}"
        words = f"Would serve {served} at {host}, port {port}."
        show({"adapter": adapter, "host": host, "port": port}, words)
        return
    serve_model(chosen, adapter, host, port, note)


def forecast(
    name: Name = "",
    model: Model = "",
    preset: Preset = "default",
    settings: Settings = None,
    rate: Annotated[
        float, typer.Option(help="Tokens a second of hardware that is not there; 0 probes this one")
    ] = 0,
) -> None:
    """Predict tokens, time, disk and accepted paths of a round, from a small probe of it."""
    run_flow(
        "flows.stages",
        "forecast",
        name=name,
        model=model,
        rate=rate,
        preset=preset,
        settings_toml=settings_text(settings),
    )
