"""Each stage of a round as a flow of its own.

Stage after stage gives what `improve` gives in one run.

A stage works on the unfinished round of its line, or on the round it is given; `ingest` and
`synthesize` begin one where there is none.
"""

from collections.abc import Generator
from contextlib import contextmanager
from getpass import getuser
from pathlib import Path
from typing import Unpack

from prefect import flow

from flows.runs.nights import planned_start
from flows.runs.parameters import (
    ChoiceKey,
    Count,
    Decision,
    Given,
    Harness,
    KindOrNone,
    Money,
    Name,
    Preset,
    PublishedName,
    Rate,
    Role,
    RoundNumber,
    Sets,
    SettingsToml,
    Tokens,
    Until,
    chosen_settings,
    limits_of,
)
from flows.runs.results import Result, ends_cleanly, named_after_outcome
from flows.steps import facts
from flows.steps import round_steps as steps
from flows.steps.ingest_file import AskedFile
from flows.steps.ingest_published import AskedSet
from flows.steps.workplace import Workplace, open_workplace
from storage.environment import read_environment
from storage.records import Domain


@contextmanager
def round_at_work(
    round_number: int, preset: str, settings_toml: str, **given: Unpack[Given]
) -> Generator[Workplace]:
    """The workplace of a stage, at the round of this number, or for 0 at the newest of its line."""
    with open_workplace(
        chosen_settings(read_environment(), preset, settings_toml, **given)
    ) as work:
        steps.find_round(work, round_number)
        yield work


@flow(name="ingest")
@named_after_outcome
def ingest(
    file: str = "",
    hub: str = "",
    config: str = "",
    published: PublishedName = "",
    name: Name = "",
    domain: Domain = "in_domain",
    mapping: str = "",
    answer_kind: KindOrNone = "",
    choice_key: ChoiceKey = "",
    keep_first: bool = False,
    skip_unreadable: bool = False,
    licence: str = "",
    citation: str = "",
    redistributable: bool = False,
    preset: Preset = "default",
    settings_toml: SettingsToml = "",
) -> Result:
    """Questions in: a file, a set of the hub, a published set, or the embedded sets' draw.

    Args:
        file: JSONL, JSON, CSV or Parquet file, gzip too; with published, the folder of its files
        hub: A data set of the hub (OWNER/NAME), or a folder like one; without file, hub and
        published: embedded sets
        config: With hub, the name of its configuration
        published: Published question set; fetched where file names no folder
        name: Name of the question set; for embedded sets the task set's name
        domain: in_domain (trained on) or out_of_domain (never trained on); a published set has its
        own
        mapping: Columns of the file, such as question=prompt,answer=target
        answer_kind: number, expression, choice, boolean or text, where no column says it
        choice_key: How keys of choices are meant: letter, text, or a place counted from 0 or 1
        keep_first: Keep the first of equal questions instead of refusing the file
        skip_unreadable: Leave out rows whose reference cannot be read instead of refusing the file
        licence: Licence of the source
        citation: How to cite the source
        redistributable: Copies of the source may be given on
        preset: default (fits the model), embedded, paper or official-code
        settings_toml: Any other setting, as TOML
    """
    given = file or hub or published
    settings = chosen_settings(
        read_environment(), preset, settings_toml, name="" if given else name
    )
    if published:
        folder = Path(file) if file else None
        return steps.ingest_published_questions(
            AskedSet(published, folder, name, domain, mapping, answer_kind, licence)
        )
    if file or hub or config:
        return steps.ingest_file(
            AskedFile(
                file=Path(file) if file else None,
                name=name,
                domain=domain,
                mapping=mapping,
                answer_kind=answer_kind,
                choice_key=choice_key,
                keep_first=keep_first,
                skip_unreadable=skip_unreadable,
                licence=licence,
                citation=citation,
                redistributable=redistributable,
                hub=hub,
                config=config,
            )
        )
    with open_workplace(settings) as work:
        steps.begin_round(work)
        steps.ingest_questions(work)
        return facts.count_questions(work)


@flow(name="synthesize")
@named_after_outcome
@ends_cleanly
def synthesize(
    name: Name = "",
    question_sets: Sets = [],  # noqa: B006 (Prefect's form shows the default; nobody changes it)
    train_questions: Count = 0,
    model: str = "",
    until: Until = "",
    budget_tokens: Tokens = 0,
    budget_money: Money = 0,
    change: bool = False,
    preset: Preset = "default",
    settings_toml: SettingsToml = "",
) -> Result:
    """Reasoning paths with their verdicts, for the unfinished round or a new one.

    Args:
        name: Name of the task set, or empty for the settings' own
        question_sets: In-domain question sets to train on; empty for the preset's
        train_questions: Train questions per set; 0 for the preset's
        model: Base model (embedded, a folder, a GGUF file or a hub name), or empty for the
        settings' own
        until: Time of day, such as 06:00, in the time zone of the nights, at which this run ends;
        the next run goes on
        budget_tokens: Most tokens that this run generates; 0 for no limit
        budget_money: Most that this run costs at the settings' prices; 0 for no limit
        change: Go on with the unfinished round under these synthesis settings; what they leave as
        it was is reused
        preset: default (fits the model), embedded, paper or official-code
        settings_toml: Any other setting, as TOML
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
        steps.begin_round(work, change=change)
        steps.ingest_questions(work)
        steps.synthesize_paths(work)
        steps.audit_verdicts(work)
        steps.watch_collapse(work)
        return facts.count_paths(work)


@flow(name="verify")
@named_after_outcome
def verify(
    round_number: RoundNumber = 0, preset: Preset = "default", settings_toml: SettingsToml = ""
) -> Result:
    """Judge stored paths that lack a verdict of this version of the rules; generates nothing.

    Args:
        round_number: Only paths of this round; 0 for all
        preset: default (fits the model), embedded, paper or official-code
        settings_toml: Any other setting, as TOML
    """
    return steps.verify_paths(
        chosen_settings(read_environment(), preset, settings_toml), round_number
    )


@flow(name="train")
@named_after_outcome
def train(
    name: Name = "",
    model: str = "",
    round_number: RoundNumber = 0,
    preset: Preset = "default",
    settings_toml: SettingsToml = "",
) -> Result:
    """Select the training examples of a round and train its challenger.

    Args:
        name: Name of the task set, or empty for the settings' own
        model: Base model (embedded, a folder, a GGUF file or a hub name), or empty for the
        settings' own
        round_number: Number of the round; 0 for the newest of the line
        preset: default (fits the model), embedded, paper or official-code
        settings_toml: Any other setting, as TOML
    """
    with round_at_work(round_number, preset, settings_toml, name=name, model=model) as work:
        steps.select_examples(work)
        steps.train_adapter(work)
        return facts.describe_challenger(work)


@flow(name="evaluate")
@named_after_outcome
def evaluate(
    name: Name = "",
    model: str = "",
    round_number: RoundNumber = 0,
    role: Role = "all",
    again: bool = False,
    harness: Harness = "",
    preset: Preset = "default",
    settings_toml: SettingsToml = "",
) -> Result:
    """Let the models of a round answer its gate and final questions.

    Args:
        name: Name of the task set, or empty for the settings' own
        model: Base model (embedded, a folder, a GGUF file or a hub name), or empty for the
        settings' own
        round_number: Number of the round; 0 for the newest of the line
        role: Which model answers: base, champion, challenger, or all three
        again: Ask for every answer once more, though it is known; the first ones stand, and what
        changed is said
        harness: Another harness that asks and judges the gate questions too; its figures stand
        beside ours
        preset: default (fits the model), embedded, paper or official-code
        settings_toml: Any other setting, as TOML
    """
    with round_at_work(round_number, preset, settings_toml, name=name, model=model) as work:
        roles = facts.roles_of(work) if role == "all" else [role]
        for one in roles:
            steps.evaluate(work, one)
        changed = [steps.ask_again(work, one) for one in roles] if again else []
        for one in roles if harness else []:
            steps.cross_check(work, one)
        return facts.describe_evaluations(work, changed)


@flow(name="promote")
@named_after_outcome
def promote(
    name: Name = "",
    model: str = "",
    round_number: RoundNumber = 0,
    preset: Preset = "default",
    settings_toml: SettingsToml = "",
) -> Result:
    """Let the gate decide on a round's challenger, carry it out, and write the report.

    Args:
        name: Name of the task set, or empty for the settings' own
        model: Base model (embedded, a folder, a GGUF file or a hub name), or empty for the
        settings' own
        round_number: Number of the round; 0 for the newest of the line
        preset: default (fits the model), embedded, paper or official-code
        settings_toml: Any other setting, as TOML
    """
    with round_at_work(round_number, preset, settings_toml, name=name, model=model) as work:
        steps.promote(work)
        return steps.report(work)


@flow(name="overrule")
@named_after_outcome
def overrule(
    decision: Decision,
    reason: str,
    person: str = "",
    round_number: RoundNumber = 0,
    name: Name = "",
    model: str = "",
    preset: Preset = "default",
    settings_toml: SettingsToml = "",
) -> Result:
    """A person's decision on a round's challenger, over the gate's; it is carried out and reported.

    Args:
        decision: force makes the challenger champion; veto refuses it, and brings back the champion
        before it
        reason: Why; it is kept and shown
        person: Who decides; empty for the user this runs as
        round_number: Number of the round; 0 for the newest of the line
        name: Name of the task set, or empty for the settings' own
        model: Base model (embedded, a folder, a GGUF file or a hub name), or empty for the
        settings' own
        preset: default (fits the model), embedded, paper or official-code
        settings_toml: Any other setting, as TOML
    """
    with round_at_work(round_number, preset, settings_toml, name=name, model=model) as work:
        steps.overrule(
            work, "promoted" if decision == "force" else "refused", person or getuser(), reason
        )
        return steps.report(work)


@flow(name="rollback")
@named_after_outcome
def rollback(
    to: str = "",
    reason: str = "",
    name: Name = "",
    model: str = "",
    preset: Preset = "default",
    settings_toml: SettingsToml = "",
) -> Result:
    """Make an earlier champion the champion again.

    Args:
        to: Id of that model or its beginning; empty for the champion before the present one
        reason: Why; it is kept
        name: Name of the task set, or empty for the settings' own
        model: Base model (embedded, a folder, a GGUF file or a hub name), or empty for the
        settings' own
        preset: default (fits the model), embedded, paper or official-code
        settings_toml: Any other setting, as TOML
    """
    settings = chosen_settings(read_environment(), preset, settings_toml, name=name, model=model)
    with open_workplace(settings) as work:
        return steps.roll_back(work, to, reason)


@flow(name="forecast")
@named_after_outcome
def forecast(
    name: Name = "",
    model: str = "",
    rate: Rate = 0,
    preset: Preset = "default",
    settings_toml: SettingsToml = "",
) -> Result:
    """Predict a round's tokens, time, disk and accepted paths from a probe, which is reused.

    Args:
        name: Name of the task set, or empty for the settings' own
        model: Base model (embedded, a folder, a GGUF file or a hub name), or empty for the
        settings' own
        rate: Tokens a second of hardware that is not there; 0 takes the probe's
        preset: default (fits the model), embedded, paper or official-code
        settings_toml: Any other setting, as TOML
    """
    settings = chosen_settings(read_environment(), preset, settings_toml, name=name, model=model)
    with open_workplace(settings) as work:
        steps.begin_round(work)
        steps.ingest_questions(work)
        return steps.forecast(work, rate)
