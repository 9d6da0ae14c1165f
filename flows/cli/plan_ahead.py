"""`regenesis synthesize --plan`: what a run would reuse and generate, before anything runs.

It needs no engine, no Prefect and no lock, and begins no round; only a base model that was never
prepared is prepared.
"""

from dataclasses import asdict

from flows.runs.parameters import chosen_settings
from flows.runs.results import Result
from flows.steps.edges import edges_at_work
from storage.environment import make_home, read_environment
from storage.open_store import open_store
from storage.records import Round
from tasks.guidelines import chosen_guidelines
from tasks.ingestion.ingest_questions import check_question_sets, train_questions_ahead
from tasks.promotion.promote import current_champion
from tasks.prompt_files import prompts_of
from tasks.rounds import round_row as rounds
from tasks.rules.ladder.ladder import build_ladder
from tasks.synthesis.synthesis_plan import plan_synthesis


def plan_paths(
    name: str,
    question_sets: list[str],
    train_questions: int,
    model: str,
    change: bool,
    preset: str,
    settings_toml: str,
) -> Result:
    """The plan of the unfinished round (`change`: with these settings), or of the next one."""
    environment = read_environment()
    settings = chosen_settings(
        environment,
        preset,
        settings_toml,
        name=name,
        question_sets=question_sets,
        model=model,
        train_questions=train_questions,
    )
    make_home(environment)
    store = open_store(environment.store_url)
    base = edges_at_work().machinery.prepare(settings.model, environment).record
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
