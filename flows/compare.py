"""A comparison: methods at a matched budget over shared pools of paths, and one table."""

from prefect import flow

from flows.runs.nights import planned_start
from flows.runs.parameters import (
    Count,
    Match,
    Name,
    Preset,
    Sets,
    SettingsToml,
    Until,
    chosen_settings,
    limits_of,
)
from flows.runs.results import Result, ends_cleanly, named_after_outcome
from flows.steps import compare_steps as steps
from flows.steps.workplace import open_workplace
from storage.environment import read_environment


@flow(name="compare", flow_run_name="compare {name}")
@named_after_outcome
@ends_cleanly
def compare(
    name: Name = "",
    methods: Sets = [],  # noqa: B006 (Prefect's form shows the default; nobody changes it)
    seeds: Count = 0,
    match: Match = "",
    rounds: Count = 0,
    until: Until = "",
    brought: str = "",
    published: str = "",
    preset: Preset = "default",
    settings_toml: SettingsToml = "",
) -> Result:
    """Compare methods at a matched budget; continues the comparison of these settings.

    Args:
        name: Name of the task set, or empty for the settings' own
        methods: Names of methods (tasks/comparison/methods.toml); empty for the settings' own
        seeds: How many seeds, each with a pool of its own; 0 for the settings' own
        match: paths, tokens or questions; empty for the settings' own
        rounds: Rounds of every method; 0 as each method says
        until: Local time of day, such as 06:00, at whose next moment this run ends; the next run
        goes on
        brought: Folder with what another machine did of it (compare --export); empty for none
        published: CSV of published figures that are printed beside ours; empty for none
        preset: default (fits the model), embedded, paper or official-code
        settings_toml: Any other setting, as TOML: questions, learning rates, chains, ...
    """
    settings = chosen_settings(
        read_environment(),
        preset,
        settings_toml,
        name=name,
        methods=methods,
        seeds=seeds,
        match=match,
        rounds=rounds,
    )
    with open_workplace(settings, limits_of(until, 0, 0, planned_start())) as work:
        contest = steps.begin_comparison(work, brought)
        if brought and steps.is_whole(contest):
            return steps.report(work, contest, published)
        steps.draw_questions(work, contest)
        steps.forecast(work, contest)
        first, *others = contest.seeds
        for seed in contest.seeds:
            steps.write_pools(work, contest, seed)
        steps.train_methods(work, contest, first)
        steps.choose_rates(work, contest)
        steps.answer_final(work, contest, first)
        for (
            seed
        ) in others:  # a seed whole before the next one: its answers travel, its weights do not
            steps.train_methods(work, contest, seed)
            steps.answer_final(work, contest, seed)
        return steps.report(work, contest, published)
