"""What a person may set for a flow, and the settings that follow from it.

Flat, typed, at most eight parameters; `ingest` has as many as the command line.

Zero, an empty text or an empty list means "as the preset says". All else is set by `settings_toml`.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Annotated, Any, Literal, TypedDict, Unpack, cast

from pydantic import Field

from storage.environment import Environment, time_zone
from storage.errors import InputError, Stopped
from tasks.budget import Limits, Spending
from tasks.rules.nights.window import next_moment
from tasks.settings import Settings, load_settings
from tasks.user_files import parsed_toml

Preset = Literal["default", "embedded", "paper", "official-code"]
SettingsToml = Annotated[str, Field(description="Settings in TOML, over the preset")]
Name = Annotated[str, Field(max_length=100, pattern=r"^[\w.+-]*$")]
Count = Annotated[int, Field(ge=0, le=1_000_000)]
Until = Annotated[str, Field(pattern=r"^(([01]?\d|2[0-3]):[0-5]\d)?$")]
Tokens = Annotated[int, Field(ge=0)]
Money = Annotated[float, Field(ge=0)]
RoundNumber = Annotated[int, Field(ge=0, le=1_000_000)]
KindOrNone = Literal["", "number", "expression", "choice", "boolean", "text"]
PublishedName = Literal[
    "",
    "gsm8k",
    "numglue",
    "strategyqa",
    "strategyqa_facts",
    "reclor",
    "arc_challenge",
    "svamp",
    "asdiv",
    "aqua_rat",
    "openbookqa",
    "bbh",
    "anli",
]
ChoiceKey = Literal["", "letter", "text", "0", "1"]
Match = Literal["", "paths", "tokens", "questions"]
Role = Literal["all", "base", "champion", "challenger"]
Harness = Literal["", "lm-eval"]
Decision = Literal["force", "veto"]
Rate = Annotated[float, Field(ge=0)]
Sets = list[Annotated[str, Field(min_length=1)]]


class Given(TypedDict, total=False):
    """The settings that have a parameter of their own."""

    name: str
    question_sets: list[str]
    model: str
    train_questions: int
    methods: list[str]
    seeds: int
    match: str
    rounds: int


PLACES = {
    "name": "name",
    "model": "model.name",
    "question_sets": "questions.in_domain",
    "train_questions": "questions.train_per_set",
    "methods": "comparison.methods",
    "seeds": "comparison.seeds",
    "match": "comparison.match",
    "rounds": "comparison.rounds",
}
"""Where each parameter stands in the settings."""


def chosen_settings(
    environment: Environment, preset: str, settings_toml: str, **given: Unpack[Given]
) -> Settings:
    """Preset, then the file of REGENESIS_CONFIG, then `settings_toml`, then what a person gave."""
    by_place = {PLACES[name]: value for name, value in given.items()}
    return load_settings(preset, settings_toml, environment.config, given_by_hand(by_place))


def given_by_hand(given: Mapping[str, object]) -> dict[str, Any]:
    """Nested settings of what was given as `section.key`, without what was not."""
    overrides: dict[str, Any] = {}
    set_given(overrides, given)
    return overrides


def set_given(settings: dict[str, Any], given: Mapping[str, object]) -> None:
    """Put what was given (not 0, not empty) at its place, named as `section.key`.

    Raises InputError where the settings have something else in the place of a section.
    """
    for place, value in given.items():
        if value:
            *sections, key = place.split(".")
            section = settings
            for part in sections:
                section = section.setdefault(part, {})
                if not isinstance(section, dict):
                    raise InputError(f"Setting {part!r} must be a table; found {section!r}.")
            section[key] = value


def settings_toml_with(settings_toml: str, given: Mapping[str, object]) -> str:
    """The same settings in TOML, with what was given over them."""
    if not any(given.values()):
        return settings_toml
    import tomli_w

    settings = parsed_toml(settings_toml, "settings_toml")
    set_given(settings, given)
    return tomli_w.dumps(settings)


def limits_of(
    until: str,
    budget_tokens: int,
    budget_money: float,
    planned: datetime | None = None,
    now: datetime | None = None,
) -> Limits:
    """The limits of a run that was planned for this moment, or for now.

    A time of day is the next such moment after that in the zone of the nights: a night that waited
    for others has no longer a window than one that did not. Raises Stopped where its window is over
    before it began.
    """
    if not until:
        return Limits(None, budget_tokens, budget_money)
    now = (now or datetime.now(UTC)).astimezone(time_zone())
    since = planned.astimezone(now.tzinfo) if planned else now
    end = next_moment(until, since)
    if end <= now:
        raise Stopped(
            f"The run was planned for {since:%Y-%m-%d %H:%M %Z} and had until"
            f" {end:%Y-%m-%d %H:%M %Z}; its turn came after that. Nothing was begun, and the next"
            " run goes on."
        )
    return Limits(end, budget_tokens, budget_money)


def check_parameters(environment: Environment, parameters: dict[str, Any]) -> Settings:
    """The settings that a flow's parameters make; raises InputError before anything is started."""
    given = cast(Given, {key: value for key, value in parameters.items() if key in PLACES})
    settings = chosen_settings(
        environment, str(parameters["preset"]), str(parameters["settings_toml"]), **given
    )
    if "until" in parameters:
        budgets = (parameters.get("budget_tokens", 0), parameters.get("budget_money", 0))
        limits = limits_of(parameters["until"], *budgets)
        Spending(limits, settings.synthesis)
    # a round's own budget needs a price as much as a run's
    Spending(Limits(money=settings.synthesis.money_budget), settings.synthesis)
    return settings


def parse_mapping(text: str) -> dict[str, str]:
    """`question=prompt,answer=target` as a mapping."""
    pairs = [pair.partition("=") for pair in text.split(",") if pair.strip()]
    wrong = [
        f"{key}{sign}{value}"
        for key, sign, value in pairs
        if not (key.strip() and sign and value.strip())
    ]
    if wrong:
        raise InputError(
            "--map takes FIELD=COLUMN pairs, such as question=prompt,answer=target; found"
            f" {wrong[0]!r}."
        )
    return {key.strip(): value.strip() for key, _, value in pairs}
