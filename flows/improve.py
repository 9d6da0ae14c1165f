"""One self-improvement round: questions, paths, verdicts, training, evaluation, gate, report."""

from prefect import flow

from flows.runs.nights import as_a_night, planned_start
from flows.runs.parameters import (
    Count,
    Money,
    Name,
    Preset,
    Sets,
    SettingsToml,
    Tokens,
    Until,
    chosen_settings,
    limits_of,
)
from flows.runs.results import Result, ends_cleanly
from flows.steps import facts
from flows.steps import round_steps as steps
from flows.steps.workplace import open_workplace
from storage.environment import read_environment


@flow(name="improve", flow_run_name="improve {name}", validate_parameters=True)
@as_a_night
@ends_cleanly
def improve(
    name: Name = "",
    question_sets: Sets = [],  # noqa: B006 (Prefect's form shows the default; nobody changes it)
    train_questions: Count = 0,
    model: str = "",
    new: bool = False,
    until: Until = "",
    budget_tokens: Tokens = 0,
    budget_money: Money = 0,
    preset: Preset = "default",
    settings_toml: SettingsToml = "",
) -> Result:
    """One round; goes on with the unfinished one of this name, where there is one.

    Args:
        name: Name of the task set, or empty for the settings' own; one model and one name make a
        line of rounds
        question_sets: In-domain question sets to train on; empty for the preset's
        train_questions: Train questions per set; 0 for the preset's
        model: Base model (embedded, a folder, a GGUF file or a hub name), or empty for the
        settings' own
        new: Abandon the unfinished round and begin another
        until: Time of day, such as 06:00, in the time zone of the nights, at which this run ends;
        the next run goes on
        budget_tokens: Most tokens that this run generates; 0 for no limit
        budget_money: Most that this run costs at the settings' prices; 0 for no limit
        preset: default (fits the model), embedded, paper or official-code
        settings_toml: Any other setting, as TOML: seed, synthesis.chains_per_question,
        questions.gate_per_set, ...
    """
    settings = chosen_settings(
        read_environment(),
        preset,
        settings_toml,
        name=name,
        question_sets=question_sets,
        model=model,
        train_questions=train_questions,
    )
    with open_workplace(
        settings, limits_of(until, budget_tokens, budget_money, planned_start())
    ) as work:
        steps.begin_round(work, new)
        steps.ingest_questions(work)
        steps.synthesize_paths(work)
        steps.audit_verdicts(work)
        steps.watch_collapse(work)
        steps.evaluate(work, "base")
        steps.select_examples(work)
        steps.train_adapter(work)
        for role in facts.roles_of(work)[1:]:
            steps.evaluate(work, role)
        steps.promote(work)
        return steps.report(work)
