"""Commands that run flows: `round` and each stage, under a temporary Prefect server."""

import os
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from flows.cli.common import COMMON, confirm, environment, note, show, with_common_flags
from flows.runs.outcomes import ENDED_EARLY
from storage.environment import Environment, make_home
from storage.errors import InputError, Stopped
from storage.records import Domain

if TYPE_CHECKING:
    from flows.steps.ingest_published import AskedSet
    from tasks.settings import Settings as RoundSettings

Preset = Annotated[
    str, typer.Option(help="default (fits the model), embedded, paper or official-code")
]
Settings = Annotated[
    Path | None, typer.Option(help="Settings in a TOML file, over the preset", metavar="FILE")
]
Name = Annotated[str, typer.Option(help="Name of the task set: its line of rounds")]
Sets = Annotated[
    list[str] | None, typer.Option("--question-set", help="In-domain set to train on; repeatable")
]
Train = Annotated[int, typer.Option(help="Train questions per set; 0 as the preset says")]
Gate = Annotated[int, typer.Option(help="Gate questions per set; 0 as the preset says")]
Chains = Annotated[int, typer.Option(help="Most chains a question; 0 as the preset says")]
Model = Annotated[
    str, typer.Option(help="Base model: embedded, a folder, a GGUF file or a hub name")
]
Seed = Annotated[int, typer.Option(help="Root of every random choice; 0 as the preset says")]
Until = Annotated[
    str,
    typer.Option(help="End at this time of day, e.g. 06:00; the next run goes on", metavar="HH:MM"),
]
BudgetTokens = Annotated[
    int, typer.Option(help="End before this run generates more tokens; 0 for no limit")
]
BudgetMoney = Annotated[
    float, typer.Option(help="End when this run has cost so much at the settings' prices")
]
Number = Annotated[int, typer.Option("--round", help="Number of the round; 0 for the newest")]


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command("round")(with_common_flags(run_round))
    app.command("ingest")(with_common_flags(ingest))
    for stage in (synthesize, verify, train, evaluate, promote):
        app.command()(with_common_flags(stage))
    app.command()(with_common_flags(rollback))


def run_round(
    name: Name = "",
    question_set: Sets = None,
    train_questions: Train = 0,
    gate_questions: Gate = 0,
    chains: Chains = 0,
    model: Model = "",
    seed: Seed = 0,
    new: Annotated[
        bool, typer.Option(help="Abandon the unfinished round and begin another")
    ] = False,
    until: Until = "",
    budget_tokens: BudgetTokens = 0,
    budget_money: BudgetMoney = 0,
    preset: Preset = "default",
    settings: Settings = None,
) -> None:
    """One self-improvement round; goes on with the unfinished one, if there is one."""
    run_flow(
        "flows.improve",
        "improve",
        name=name,
        question_sets=question_set or [],
        train_questions=train_questions,
        model=model,
        new=new,
        until=until,
        budget_tokens=budget_tokens,
        budget_money=budget_money,
        preset=preset,
        settings_toml=_settings_with(settings, chains, seed, gate_questions),
    )


def ingest(
    file: Annotated[
        Path | None, typer.Argument(help="JSONL, JSON, CSV or Parquet, .gz too; none: embedded")
    ] = None,
    name: Annotated[
        str, typer.Option(help="Name of the question set; the file's stem by default")
    ] = "",
    domain: Annotated[str, typer.Option(help="in_domain or out_of_domain")] = "in_domain",
    map: Annotated[
        str, typer.Option(help="Columns: question=...,answer=...,answer_kind=...,choices=...")
    ] = "",
    answer_kind: Annotated[
        str, typer.Option(help="Kind of every answer, where no column says it")
    ] = "",
    licence: Annotated[str, typer.Option(help="Licence of the source")] = "",
    citation: Annotated[str, typer.Option(help="How to cite the source")] = "",
    redistributable: Annotated[
        bool, typer.Option("--redistributable", help="Copies may be given on")
    ] = False,
    keep_first: Annotated[bool, typer.Option(help="Keep the first of equal questions")] = False,
    skip_unreadable: Annotated[
        bool, typer.Option(help="Leave out rows whose reference cannot be read")
    ] = False,
    choice_key: Annotated[
        str, typer.Option(help="How keys of choices are meant: letter, text, 0 or 1")
    ] = "",
    published: Annotated[
        str, typer.Option(help="A published set; `list` shows them all", metavar="NAME")
    ] = "",
    known: Annotated[str, typer.Option(hidden=True)] = "",  # what --published was called at first
    folder: Annotated[
        Path | None, typer.Option(help="With --published: its files; none fetches them")
    ] = None,
    hub: Annotated[
        str, typer.Option(help="A data set of the hub, or a folder like one", metavar="OWNER/NAME")
    ] = "",
    config: Annotated[str, typer.Option(help="With --hub: the name of its configuration")] = "",
    preset: Preset = "default",
    settings: Settings = None,
) -> None:
    """Questions in: a file, a published question set, or a draw of the embedded sets."""
    published = published or known
    if published or folder is not None:
        from flows.steps.ingest_published import AskedSet

        _refuse_file_with_published(published, file)
        _ingest_published(
            AskedSet(published, folder, name, _domain(domain), map, answer_kind, licence)
        )
        return
    if file is None and not hub and not config:
        run_flow(
            "flows.stages",
            "ingest",
            name=name,
            preset=preset,
            settings_toml=settings_text(settings),
        )
        return
    from flows.steps.ingest_file import AskedFile, check_source, ingest_question_file

    wanted = AskedFile(
        file,
        name,
        _domain(domain),
        map,
        answer_kind,
        choice_key,
        keep_first,
        skip_unreadable,
        licence,
        citation,
        redistributable,
        hub,
        config,
    )
    check_source(wanted)
    prompt = _answer_prompt(preset, settings) if COMMON.dry_run else ""
    result = ingest_question_file(wanted, dry_run=COMMON.dry_run, answer_prompt=prompt)
    show(result.as_json(), result.text)


def _answer_prompt(preset: str, settings: Path | None) -> str:
    """The prompt by which evaluation asks, of the settings that a round would have."""
    from flows.runs.parameters import chosen_settings
    from tasks.prompt_files import prompts_of

    return prompts_of(chosen_settings(environment(), preset, settings_text(settings)))[
        "answer"
    ].text


def _refuse_file_with_published(published: str, file: Path | None) -> None:
    if not published or file is not None:
        raise InputError(
            "A published set is --published NAME with --folder FOLDER; found"
            f" {'--folder alone' if file is None else f'the file {str(file)!r}'}. Run: regenesis"
            " ingest --published list"
        )


def _ingest_published(wanted: "AskedSet") -> None:
    from flows.steps.ingest_published import ingest_published, list_published_sets

    is_list = wanted.published == "list"
    result = list_published_sets() if is_list else ingest_published(wanted, dry_run=COMMON.dry_run)
    show(result.as_json(), result.text)


def _domain(text: str) -> Domain:
    if text not in ("in_domain", "out_of_domain"):
        raise InputError(
            f"A domain is in_domain or out_of_domain; found {text!r}. Correct --domain."
        )
    return text


def synthesize(
    name: Name = "",
    question_set: Sets = None,
    train_questions: Train = 0,
    chains: Chains = 0,
    model: Model = "",
    seed: Seed = 0,
    until: Until = "",
    budget_tokens: BudgetTokens = 0,
    budget_money: BudgetMoney = 0,
    plan: Annotated[
        bool, typer.Option("--plan", help="Say what is there and what would be generated")
    ] = False,
    change: Annotated[
        bool, typer.Option("--change", help="Go on under these synthesis settings, reuse rows")
    ] = False,
    preset: Preset = "default",
    settings: Settings = None,
) -> None:
    """Reasoning paths for the unfinished round, or for a new one."""
    chosen: dict[str, Any] = {
        "name": name,
        "question_sets": question_set or [],
        "train_questions": train_questions,
        "model": model,
        "change": change,
        "preset": preset,
        "settings_toml": _settings_with(settings, chains, seed),
    }
    if plan or COMMON.dry_run:
        from flows.cli.plan_ahead import plan_paths
        from flows.runs.parameters import chosen_settings

        asked = {key: value for key, value in chosen.items() if key != "change"}
        wanted = chosen_settings(environment(), **asked)
        planned = plan_paths(wanted, change=change, dry_run=COMMON.dry_run)
        show(planned.as_json(), planned.text)
        return
    run_flow(
        "flows.stages",
        "synthesize",
        until=until,
        budget_tokens=budget_tokens,
        budget_money=budget_money,
        **chosen,
    )


def verify(
    round: Annotated[int, typer.Option(help="Only paths of this round; 0 for all")] = 0,
    preset: Preset = "default",
    settings: Settings = None,
) -> None:
    """Judge stored paths that lack a verdict of this version of the rules."""
    run_flow(
        "flows.stages",
        "verify",
        round_number=round,
        preset=preset,
        settings_toml=settings_text(settings),
    )


def train(
    name: Name = "",
    model: Model = "",
    round: Number = 0,
    preset: Preset = "default",
    settings: Settings = None,
) -> None:
    """Select examples and train the challenger of a round."""
    _run_stage("train", name, model, round, preset, settings)


def evaluate(
    name: Name = "",
    model: Model = "",
    round: Number = 0,
    role: Annotated[str, typer.Option(help="base, champion, challenger or all")] = "all",
    again: Annotated[
        bool, typer.Option("--again", help="Ask for known answers once more; say what changed")
    ] = False,
    harness: Annotated[
        str, typer.Option("--with", help="Another harness besides ours: lm-eval", metavar="NAME")
    ] = "",
    preset: Preset = "default",
    settings: Settings = None,
) -> None:
    """Let base, champion and challenger of a round answer its held-out questions."""
    if harness not in ("", "lm-eval"):
        raise InputError(f"Another harness is lm-eval; found {harness!r}. Correct --with.")
    _run_stage(
        "evaluate", name, model, round, preset, settings, role=role, again=again, harness=harness
    )


def promote(
    name: Name = "",
    model: Model = "",
    round: Number = 0,
    force: Annotated[
        bool, typer.Option("--force", help="Make the challenger champion after all")
    ] = False,
    veto: Annotated[bool, typer.Option("--veto", help="Refuse the challenger after all")] = False,
    reason: Annotated[str, typer.Option(help="Why, with --force or --veto; it is kept")] = "",
    by: Annotated[
        str, typer.Option(help="Who decides; the user this runs as by default", metavar="PERSON")
    ] = "",
    preset: Preset = "default",
    settings: Settings = None,
) -> None:
    """Let the gate decide on a round's challenger and carry it out; or overrule it, saying why."""
    if not (force or veto):
        if reason or by:
            raise InputError(
                "--reason and --by go with --force or --veto; the gate gives reasons of its own."
            )
        _run_stage("promote", name, model, round, preset, settings)
        return
    if (force and veto) or not reason.strip():
        raise InputError(
            f"A person's decision is --force or --veto, with a --reason; found force={force},"
            f" veto={veto}, reason={reason!r}."
        )
    confirm(f"The gate's decision on round {round or '(the newest)'} will be overruled.")
    decision = "force" if force else "veto"
    _run_stage(
        "overrule",
        name,
        model,
        round,
        preset,
        settings,
        decision=decision,
        reason=reason,
        person=by,
    )


def rollback(
    to: Annotated[
        str, typer.Argument(help="Model id or prefix, or empty for the champion before")
    ] = "",
    reason: Annotated[str, typer.Option(help="Why; it is kept")] = "",
    name: Name = "",
    model: Model = "",
    preset: Preset = "default",
    settings: Settings = None,
) -> None:
    """Make an earlier champion the champion again."""
    confirm("The champion will be another model.")
    run_flow(
        "flows.stages",
        "rollback",
        to=to,
        reason=reason,
        name=name,
        model=model,
        preset=preset,
        settings_toml=settings_text(settings),
    )


def _run_stage(
    stage: str,
    name: str,
    model: str,
    round: int,
    preset: str,
    settings: Path | None,
    **more: object,
) -> None:
    run_flow(
        "flows.stages",
        stage,
        name=name,
        model=model,
        round_number=round,
        preset=preset,
        settings_toml=settings_text(settings),
        **more,
    )


def run_flow(module: str, flow_name: str, **parameters: Any) -> None:
    """Run a flow here, under a temporary Prefect server, and show what it gave."""
    from flows.runs.parameters import check_parameters

    places = environment()
    settings = check_parameters(places, parameters)
    if COMMON.dry_run:
        show(
            {"flow": flow_name, "parameters": parameters, "home": str(places.home)},
            _described(flow_name, parameters),
        )
        return
    _check_ready(places, settings)
    for name in ("TQDM_DISABLE", "HF_HUB_DISABLE_PROGRESS_BARS", "HF_HUB_DISABLE_TELEMETRY"):
        os.environ.setdefault(name, "1")  # other people's bars would drown the progress
    from flows.runs.temporary_server import prefect_server

    with prefect_server(places.home) as server:
        import importlib

        from flows.steps import progress
        from flows.steps.edges import use_edges

        flow: Callable[..., Any] = getattr(importlib.import_module(module), flow_name)
        watcher = progress.choose_watcher(quiet=COMMON.json)
        with closing(watcher), use_edges(watcher=watcher):
            watcher.step("Starting")
            server.await_answer()
            result = flow(**parameters)
    show(result.as_json(), result.text)
    if result.outcome in ENDED_EARLY:
        raise typer.Exit(Stopped.exit_code)


def _check_ready(places: Environment, settings: "RoundSettings") -> None:
    """What is wrong with the home or the store is said before anything is started."""
    from flows.steps.workplace import only_one
    from storage.open_store import open_store

    make_home(places)
    with only_one(places, settings, say=note):
        open_store(places.store_url)


def _described(flow_name: str, parameters: dict[str, Any]) -> str:
    given = ", ".join(f"{key}={value!r}" for key, value in parameters.items() if value)
    return f"Would run the flow {flow_name} with {given or 'the settings of the preset'}."


def _settings_with(file: Path | None, chains: int, seed: int, gate_questions: int = 0) -> str:
    """The settings file as TOML, with the options that are no parameters of the flow."""
    from flows.runs.parameters import settings_toml_with

    given = {
        "synthesis.chains_per_question": chains,
        "seed": seed,
        "questions.gate_per_set": gate_questions,
    }
    return settings_toml_with(settings_text(file), given)


def settings_text(file: Path | None) -> str:
    """The file's text; empty for none."""
    if file is None:
        return ""
    from tasks.user_files import read_user_text

    return read_user_text(file, "Settings")
