"""`regenesis synthesize --plan`: what a run would reuse and generate, before anything runs.

It needs no engine, no Prefect and no lock, and begins no round; only a base model that was never
prepared is prepared (`--dry-run`: for the moment, or by its name alone).
"""

from dataclasses import asdict

from flows.cli.compare_ahead import base_ahead
from flows.runs.dry_runs import places_of_run, store_of_run
from flows.runs.results import Result
from flows.steps.edges import edges_at_work
from storage.environment import Environment
from storage.records import Round
from tasks.guidelines import chosen_guidelines
from tasks.ingestion.ingest_questions import check_question_sets, train_questions_ahead
from tasks.promotion.promote import current_champion
from tasks.prompt_files import prompts_of
from tasks.rounds import round_row as rounds
from tasks.rules.ladder.ladder import build_ladder
from tasks.settings import Settings
from tasks.synthesis.synthesis_plan import plan_synthesis


def plan_paths(settings: Settings, *, change: bool, dry_run: bool) -> Result:
    """The plan of the unfinished round (`change`: with these settings), or of the next one."""
    with places_of_run(dry_run=dry_run) as places:
        return _planned(settings, change, places, dry_run)


def _planned(settings: Settings, change: bool, places: Environment, dry_run: bool) -> Result:
    store = store_of_run(places, dry_run=dry_run)
    if dry_run:  # a model of the hub is not fetched for it
        base = base_ahead(store, settings, places)
    else:
        base = edges_at_work().machinery.prepare(settings.model, places).record
    unfinished = rounds.unfinished_round(store, rounds.line_of(base, settings))
    if unfinished:
        begun = rounds.settings_of(unfinished)
        settings = rounds.with_synthesis(unfinished, settings.synthesis) if change else begun
    check_question_sets(store, settings)
    number = unfinished.number if unfinished else rounds.next_number(store)
    by_champion = settings.synthesis.writer == "champion"
    writer = current_champion(store, base, rounds.line_of(base, settings)) if by_champion else base
    guidelines, seed = (
        chosen_guidelines(settings.synthesis.guidelines),
        unfinished.seed if unfinished else None,
    )
    ladder = build_ladder(settings, writer.id, prompts_of(settings), guidelines, number, seed)
    questions = train_questions_ahead(store, settings, number)
    planned = plan_synthesis(store, ladder, questions, settings.selection)
    return Result(
        "planned",
        "\n".join([_heading(number, unfinished, change), *planned.lines()]),
        asdict(planned),
    )


def _heading(number: int, unfinished: Round | None, change: bool) -> str:
    if unfinished is None:
        return f"Round {number} would begin."
    words = "these synthesis settings" if change else "its own settings"
    return (
        f"Round {number}, begun {unfinished.started_at:%Y-%m-%d %H:%M} UTC, would go on with"
        f" {words}."
    )
