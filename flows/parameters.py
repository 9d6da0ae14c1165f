"""What a person may set for a flow: flat, typed, at most eight, and the settings they make.

Zero, an empty text or an empty list means "as the preset says". All else is set by `settings_toml`.
"""

from typing import Annotated, Any, Literal

from pydantic import Field

from storage.environment import Environment
from storage.errors import InputError
from tasks.settings import Settings, load_settings

Preset = Literal["default", "paper", "official-code"]
SettingsToml = Annotated[str, Field(description="Settings in TOML, over the preset")]
Name = Annotated[str, Field(max_length=100, pattern=r"^[\w.+-]*$")]
Count = Annotated[int, Field(ge=0, le=1_000_000)]
Seed = Annotated[int, Field(ge=0, le=2**31 - 1)]
RoundNumber = Annotated[int, Field(ge=0, le=1_000_000)]
KindOrNone = Literal["", "number", "expression", "choice", "boolean", "text"]
KnownName = Literal[
    "", "gsm8k", "numglue", "strategyqa", "strategyqa_facts", "reclor", "arc_challenge", "svamp", "asdiv", "aqua_rat",
    "openbookqa", "bbh", "anli",
]  # fmt: skip
Role = Literal["all", "base", "champion", "challenger"]
Harness = Literal["", "lm-eval"]
Decision = Literal["force", "veto"]
Rate = Annotated[float, Field(ge=0)]
Sets = list[Annotated[str, Field(min_length=1)]]


def chosen_settings(
    environment: Environment,
    preset: str,
    settings_toml: str,
    *,
    name: str = "",
    question_sets: list[str] | None = None,
    model: str = "",
    seed: int = 0,
    train_questions: int = 0,
    gate_questions: int = 0,
    chains: int = 0,
    epochs: float = 0,
) -> Settings:
    """Preset, then the file of REGENESIS_CONFIG, then `settings_toml`, then what was given by hand."""
    overrides: dict[str, Any] = {}
    for (*sections, key), value in {
        ("name",): name,
        ("seed",): seed,
        ("model", "name"): model,
        ("questions", "in_domain"): question_sets,
        ("questions", "train_per_set"): train_questions,
        ("questions", "gate_per_set"): gate_questions,
        ("synthesis", "chains_per_question"): chains,
        ("training", "epochs"): epochs,
    }.items():
        if not value:
            continue
        section = overrides
        for part in sections:
            section = section.setdefault(part, {})
        section[key] = value
    return load_settings(preset, settings_toml, environment.config, overrides)


def check_settings(environment: Environment, parameters: dict[str, Any]) -> Settings:
    """The settings that a flow's parameters make; raises InputError before anything is started."""
    known = ("name", "question_sets", "model", "seed", "train_questions", "gate_questions", "chains", "epochs")
    given = {key: value for key, value in parameters.items() if key in known}
    return chosen_settings(environment, str(parameters["preset"]), str(parameters["settings_toml"]), **given)


def parse_mapping(text: str) -> dict[str, str]:
    """`question=prompt,answer=target` as a mapping."""
    pairs = [pair.partition("=") for pair in text.split(",") if pair.strip()]
    wrong = [f"{key}{sign}{value}" for key, sign, value in pairs if not (key.strip() and sign and value.strip())]
    if wrong:
        raise InputError(f"--map takes FIELD=COLUMN pairs, such as question=prompt,answer=target; found {wrong[0]!r}.")
    return {key.strip(): value.strip() for key, _, value in pairs}
