"""One self-improvement round: questions, paths, verdicts, training, evaluation, the gate, a report."""

from prefect import flow

from flows import facts, steps
from flows.parameters import Count, Name, Preset, Seed, Sets, SettingsToml, chosen_settings
from flows.results import Result
from flows.workplace import open_workplace
from storage.environment import read_environment


@flow(name="improve", flow_run_name="improve {name}", validate_parameters=True)
def improve(
    name: Name = "",
    question_sets: Sets = [],  # noqa: B006 (Prefect's form shows the default; nobody changes it)
    train_questions: Count = 0,
    gate_questions: Count = 0,
    chains: Count = 0,
    model: str = "",
    seed: Seed = 0,
    new: bool = False,
    preset: Preset = "default",
    settings_toml: SettingsToml = "",
) -> Result:
    """One round; goes on with the unfinished one of this name, where there is one.

    Args:
        name: Name of the task set, or empty for the settings' own; one model and one name make a line of rounds
        question_sets: In-domain question sets to train on; empty for the preset's
        train_questions: Train questions a set; 0 for the preset's
        gate_questions: Gate questions a set; 0 for the preset's
        chains: Most chains (guidelines) a question; 0 for the preset's
        model: Base model (embedded, a local folder or a hub name), or empty for the settings' own
        seed: Root of every random choice; 0 for the preset's
        new: Abandon the unfinished round and begin another
        preset: default, paper or official-code
        settings_toml: Any other setting, as TOML
    """
    settings = chosen_settings(
        read_environment(), preset, settings_toml, name=name, question_sets=question_sets, model=model, seed=seed,
        train_questions=train_questions, gate_questions=gate_questions, chains=chains,
    )  # fmt: skip
    with open_workplace(settings) as work:
        steps.begin_round(work, new)
        steps.ingest_questions(work)
        steps.synthesize_paths(work)
        steps.audit_verdicts(work)
        steps.evaluate(work, "base")
        steps.select_examples(work)
        steps.train_adapter(work)
        for role in facts.roles_of(work)[1:]:
            steps.evaluate(work, role)
        steps.promote(work)
        return steps.report(work)
