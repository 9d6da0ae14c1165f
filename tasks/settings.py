"""Settings: one frozen model per step, with units and sources; presets and TOML over them.

Order of precedence: defaults, preset, TOML file (`REGENESIS_CONFIG` or `settings_toml`), explicit
overrides. Locations and secrets are not settings; they come from the environment
(`storage.environment`).
"""

import copy
import tomllib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Annotated, Any, Literal, cast

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from storage.errors import InputError
from storage.records import LadderStrategy
from tasks.user_files import parsed_toml, read_user_text

# files in tasks/presets/
PRESETS = ("default", "embedded", "paper", "official-code")
EMBEDDED_MODEL = "embedded"
PromptSet = Literal["embedded", "default", "paper", "official_code"]
PrecisionChoice = Literal["auto", "float32", "bfloat16"]
Schedule = Literal["cosine", "linear", "constant", "constant_with_warmup", "inverse_sqrt"]


class Frozen(BaseModel):
    """A settings model: immutable, and an unknown key is an error."""

    # a key that is spelled wrongly would else leave its default in force without a word
    model_config = ConfigDict(frozen=True, extra="forbid")


class Sampling(Frozen):
    """How a text is drawn."""

    temperature: float = Field(default=0.8, ge=0, description="0 is greedy")
    top_p: float = Field(
        default=1.0, gt=0, le=1, description="1 is off; on a CPU costs 2.5 times the time"
    )
    top_k: int = Field(default=0, ge=0, description="0 is off")
    min_p: float = Field(default=0.0, ge=0, le=1, description="0 is off")
    max_tokens: int = Field(default=128, gt=0, description="Most new tokens")
    stop: tuple[str, ...] = Field(
        default=(), description="Strings that end the text; they are left out of it"
    )


class OneOf(Sampling):
    """How a text is drawn that can only be one of a few: a letter of a choice, yes or no."""

    only: tuple[str, ...] = Field(description="The texts; a server that can is held to them")


class ModelSettings(Frozen):
    """Which model, and how its chat template is used."""

    name: str = Field(
        default=EMBEDDED_MODEL, description="`embedded`, a local folder, a GGUF file or a hub name"
    )
    revision: str = Field(default="", description="Hub revision; empty for the newest")
    system_prompt: str = Field(
        default="", description="System message; empty leaves the template's own"
    )
    thinking: bool = Field(
        default=False, description="Passed to templates that know `enable_thinking`"
    )
    stop_tokens: tuple[str, ...] = Field(
        default=(), description="More end-of-turn tokens than the model names"
    )
    max_model_tokens: int = Field(
        default=2048, gt=0, description="Longest prompt plus completion that the server takes"
    )
    sequences: int = Field(
        default=0,
        ge=0,
        description=(
            "Requests that our server takes at once; 0: 128 on a CPU, 256 or 1,024 on a GPU"
        ),
    )
    cache_gib: int = Field(
        default=0,
        ge=0,
        description=(
            "Memory for what requests have read, on a CPU, in GiB; 0: by sequences and room"
        ),
    )
    precision: PrecisionChoice = Field(
        default="auto",
        description=(
            "auto: bfloat16 on a GPU, a probe of a second on a CPU; float32: equal settings give"
            " equal texts"
        ),
    )
    # in the settings, so that it is stored with each round; there is no way to switch it on
    trust_remote_code: Literal[False] = Field(default=False, description="Never")


class QuestionSettings(Frozen):
    """The embedded task sets: sizes and difficulty. Other sets are ingested from files."""

    in_domain: tuple[str, ...] = Field(
        default=("chain_sum", "products", "gcd", "letter_counting"), description="Trained on"
    )
    out_of_domain: tuple[str, ...] = Field(
        default=("number_sequence", "lcm", "aiw"), description="Never trained on"
    )
    train_per_set: int = Field(
        default=24, ge=0, description="Train questions drawn per round from each in-domain set"
    )
    gate_per_set: int = Field(
        default=64,
        ge=1,
        description="Gate questions per set; a procedural set draws fresh ones each round",
    )
    final_per_set: int = Field(
        default=32, ge=0, description="Final questions per set; read by no decision"
    )
    difficulty: dict[str, dict[str, Any]] = Field(
        default_factory=dict, description="reasoning-gym settings by set"
    )


class SynthesisSettings(Frozen):
    """The ladder: chains, stages, budget."""

    strategy: LadderStrategy = Field(
        default="regenesis",
        description="regenesis, no_adaptation, no_structure, no_adaptation_no_structure or direct",
    )
    chains_per_question: int = Field(
        default=8, ge=1, description="Most chains per question, one guideline each"
    )
    guideline_selections: int = Field(
        default=0, ge=0, description="Sampled selections of 2-3 guidelines (official-code: 20)"
    )
    enough_accepted: int = Field(
        default=5, ge=1, description="Sampling a question stops at so many accepted paths"
    )
    adaptive: bool = Field(
        default=True, description="Stop a question early; off in presets that reproduce the paper"
    )
    window_chains: int = Field(
        default=0,
        ge=0,
        description=(
            "Chains in flight at most; 0: 1.5 times what all servers take at once. Memory is flat"
            " per chain"
        ),
    )
    commit_seconds: float = Field(
        default=4.0, gt=0, description="Longest time before a micro-batch is committed"
    )
    commit_rows: int = Field(default=512, ge=1, description="Most rows of a micro-batch")
    writer: Literal["base", "champion"] = Field(
        default="base",
        description=(
            "Who writes a round's paths: the base, or the best model so far (the base in a first"
            " round)"
        ),
    )
    prompt_set: PromptSet = Field(
        default="embedded",
        description=(
            "Built-in prompts, a folder of tasks/prompts/: for the embedded model, for instruct"
            " models (default), with the paper's stages, with the released code's list and box"
        ),
    )
    prompts: str = Field(
        default="", description="Folder of prompt files over the built-in ones; empty for none"
    )
    guidelines: str = Field(
        default="", description="TOML file of your own guidelines; empty for the method's 25"
    )
    adapt: Sampling = Field(
        default=Sampling(max_tokens=32, stop=("\n",)), description="Guideline -> adapted guideline"
    )
    structure: Sampling = Field(
        default=Sampling(max_tokens=56), description="Adapted guideline -> structure"
    )
    path: Sampling = Field(
        default=Sampling(max_tokens=128), description="Structure -> reasoning path"
    )
    close: Sampling = Field(
        default=Sampling(temperature=0, max_tokens=16, stop=("\n",)),
        description="Answer extraction",
    )
    close_paths: bool = Field(
        default=True, description="Close a path that states no answer with 'The answer is'"
    )
    summary: bool = Field(
        default=False, description="official-code: a one-line summary call, never used"
    )
    self_check: bool = Field(
        default=False, description="official-code: keep only paths whose yes/no self-check said yes"
    )
    restate: bool = Field(
        default=False,
        description=(
            "Choice, yes/no and text: the model must state a right path's answer again from its"
            " work alone, without hint; else `answer_not_reached`"
        ),
    )
    hinted_retry: bool = Field(
        default=True, description="Try unsolved questions again with the answer shown"
    )
    hinted_chains: int = Field(default=4, ge=0, description="Chains of a hinted retry")
    hinted_temperature: float | None = Field(
        default=None, description="Other temperature for the hinted retry"
    )
    refuse_telling_structures: bool = Field(
        default=False,
        description="End a chain whose structure states the number or expression that is asked for",
    )
    hinted_only: bool = Field(
        default=False, description="Show the answer to every chain (method hints_only)"
    )
    token_budget: int = Field(
        default=0,
        ge=0,
        description="Most tokens that the synthesis of a round generates; 0 for no limit",
    )
    target_accepted: int = Field(
        default=0, ge=0, description="Accepted paths wanted for the whole set; 0 for no target"
    )
    max_candidates: int = Field(
        default=0, ge=0, description="Finished paths of a run at most; 0 for no limit"
    )
    min_pass_rate: float = Field(
        default=0.0, ge=0, le=1, description="A question below it gets no more free chains"
    )
    max_pass_rate: float = Field(
        default=1.0, ge=0, le=1, description="A question above it is too easy: no more chains"
    )
    pass_rate_after_chains: int = Field(
        default=4, ge=1, description="Judged chains before a pass rate counts"
    )
    price_per_hour: float = Field(
        default=0.0, ge=0, description="Price of the engine per hour; 0 where free"
    )
    price_per_million_tokens: float = Field(
        default=0.0, ge=0, description="Price per million generated tokens"
    )
    money_budget: float = Field(
        default=0.0, ge=0, description="Money a run of synthesis may cost; 0 for no limit"
    )
    max_retries: int = Field(default=4, ge=0, description="Tries of a request after the first")
    request_timeout_seconds: float = Field(
        default=300.0,
        gt=0,
        description="One request, connection to last byte, besides what its tokens take",
    )
    request_seconds_per_token: float = Field(
        default=2.0,
        ge=0,
        description=(
            "Seconds more for each token that a request asks for, until the server's own pace is"
            " known"
        ),
    )

    @property
    def has_price(self) -> bool:
        """Whether anything costs money."""
        return bool(self.price_per_hour or self.price_per_million_tokens)

    def cost(self, seconds: float, tokens: int) -> float:
        """Money at these prices."""
        return seconds / 3600 * self.price_per_hour + tokens / 1e6 * self.price_per_million_tokens


class VerificationSettings(Frozen):
    """How paths are judged."""

    workers: int = Field(
        default=1, ge=1, description="Processes for what the fast path cannot decide"
    )
    deadline_seconds: float = Field(
        default=2.0, gt=0, description="A case that takes longer is unjudged `timed_out`"
    )
    majority_min_share: float = Field(
        default=0.5, ge=0, le=1, description="Least share of the winning class"
    )
    majority_min_paths: int = Field(default=4, ge=1, description="Fewest paths that may vote")


# What a preset leaves out keeps these values; no preset is all of them. A description names the
# paper's value, or that of the authors' released code (`official-code`), where it is another one.
class SelectionSettings(Frozen):
    """From accepted paths to a training set."""

    keep_per_question: int = Field(
        default=5, ge=1, description="Accepted paths per question at most (paper: 5)"
    )
    max_hinted_share: float = Field(
        default=0.3, ge=0, le=1, description="Most of a training set from hinted paths"
    )
    max_path_tokens: int = Field(
        default=0, ge=0, description="Longer paths are refused `over_length` (official-code: 800)"
    )
    require_boxed: bool = Field(
        default=False, description="official-code: the answer must be boxed"
    )
    require_numbered_list: bool = Field(
        default=False, description="official-code: the path must have a numbered list"
    )
    accept_cut: bool = Field(
        default=False, description="Take paths that ended at their length limit"
    )
    min_work_words: int = Field(
        default=0,
        ge=0,
        description="Fewest words before the answer is stated; fewer are refused `no_work`",
    )
    answer_in_work: bool = Field(
        default=False,
        description=(
            "A number or expression must stand in the work before it is stated; else"
            " `answer_not_reached`"
        ),
    )
    max_answer_ratio: float = Field(
        default=0.0,
        ge=0,
        description=(
            "Choice and yes/no: most examples of one answer for each of a set's rarest; 0: any"
        ),
    )
    accept: Literal["correct", "any", "majority"] = Field(
        default="correct", description="any: the unverified control"
    )
    contamination_template_questions: int = Field(
        default=3,
        ge=1,
        description="8-grams in more different questions of one set are template and do not count",
    )
    contamination_share: float = Field(
        default=0.5, ge=0, le=1, description="8-gram overlap above which an example goes"
    )
    contamination_block_share: float = Field(
        default=0.05, ge=0, le=1, description="Above it the round is blocked"
    )


class TrainingSettings(Frozen):
    """One supervised fine-tune."""

    kind: Literal["lora", "full"] = Field(
        default="lora", description="LoRA adapter or full weights"
    )
    start: Literal["base", "champion"] = Field(
        default="base", description="From the base over all, or on from the champion"
    )
    learning_rate: float = Field(default=5e-4, gt=0, description="Peak (paper: 1e-6, full weights)")
    epochs: float = Field(default=3.0, gt=0, description="Passes (paper: 3)")
    batch_size: int = Field(
        default=8, ge=1, description="Examples a step over all devices (paper: 16, code: 64)"
    )
    device_batch_size: int = Field(default=8, ge=1, description="Examples on one device at a time")
    schedule: Schedule = Field(
        default="cosine", description="transformers' scheduler name (paper: cosine)"
    )
    warmup_share: float = Field(
        default=0.03, ge=0, le=1, description="Share of steps (paper: 0.03)"
    )
    lora_rank: int = Field(default=16, ge=1, description="LoRA r")
    lora_alpha: int = Field(default=32, ge=1, description="LoRA alpha")
    lora_dropout: float = Field(default=0.0, ge=0, lt=1, description="LoRA dropout")
    lora_targets: str = Field(
        default="all-linear", description="PEFT target modules, comma separated, or all-linear"
    )
    max_tokens: int = Field(
        default=512, ge=8, description="Longest example; a longer one is refused `over_length`"
    )
    mixing: dict[str, Annotated[float, Field(gt=0)]] = Field(
        default={},
        description=(
            "Question set -> its weight in what is trained on; a set not named weighs 1; empty: by"
            " size"
        ),
    )
    packing: bool = Field(
        default=False, description="TRL's bfd packing; as many tokens per step as without"
    )
    gradient_checkpointing: bool = Field(default=False, description="Less memory, more time")
    precision: PrecisionChoice = Field(default="auto", description="auto: a probe of a second")
    accelerate_config: str = Field(
        default="",
        description=(
            "accelerate configuration for many GPUs; empty: LoRA on all GPUs, full weights on one"
        ),
    )
    checkpoint_steps: int = Field(default=10, ge=1, description="Steps between checkpoints")
    min_examples: int = Field(
        default=8, ge=1, description="Fewer are an error: nothing could be learnt"
    )


class EvaluationSettings(Frozen):
    """How models answer held-out questions."""

    sampling: Sampling = Field(
        default=Sampling(temperature=0, max_tokens=96), description="Greedy by default"
    )
    samples: int = Field(
        default=1, ge=1, description="k > 1: k sampled answers besides the greedy one (maj@k)"
    )
    sampled: Sampling = Field(
        default=Sampling(temperature=0.8, max_tokens=96), description="How those k are drawn"
    )
    noise_questions: int = Field(
        default=64,
        ge=0,
        description="Gate questions that the champion is asked twice a round (A/A); 0 for none",
    )
    adapter: Literal["auto", "lora", "merged"] = Field(
        default="auto",
        description="LoRA served on the base, or merged into it; auto: merged (docs/engine.md)",
    )


class GateSettings(Frozen):
    """The promotion rule."""

    alpha: float = Field(
        default=0.05, gt=0, lt=1, description="One-sided error of `spending_rounds` decisions"
    )
    spending_rounds: int = Field(
        default=30, ge=1, description="Decisions that spend alpha once; a month of nights"
    )
    margin: float = Field(
        default=0.10, ge=0, le=1, description="Out-of-domain non-inferiority margin in accuracy"
    )
    max_loss_one_set: float = Field(
        default=0.15, ge=0, le=1, description="A set significantly worse than this blocks"
    )
    pause_after_refused: int = Field(
        default=3, ge=1, description="Refused rounds in a row before a deployment pauses"
    )


class ComparisonSettings(Frozen):
    """Methods side by side at a matched budget (tasks/comparison/methods.toml)."""

    methods: tuple[str, ...] = Field(
        default=("base", "random", "rft", "star_one_round", "lmsi", "regenesis"),
        description="Names of methods",
    )
    seeds: int = Field(
        default=3, ge=1, le=1000, description="So many seeds from `seed` on, each with its own pool"
    )
    match: Literal["paths", "tokens", "questions"] = Field(
        default="paths",
        description=(
            "paths: training sets of equal size; tokens: equal generated tokens; questions: the"
            " same questions with equally many paths of each"
        ),
    )
    learning_rates: tuple[float, ...] = Field(
        default=(5e-4,),
        min_length=1,
        description=(
            "Grid; every method tries each with the first seed, and in-domain gate questions choose"
        ),
    )
    rounds: int = Field(
        default=0, ge=0, le=20, description="Rounds of every method; 0 as each method says"
    )
    most_examples: int = Field(
        default=0, ge=0, description="Examples of a training set at most; 0 for no limit"
    )
    rate: float = Field(
        default=500.0, gt=0, description="Generated tokens per second that a forecast reckons with"
    )
    training_rate: float = Field(
        default=0.0, ge=0, description="Trained tokens per second there; 0 for 0.8 of rate"
    )
    tokens_a_text: int = Field(
        default=0, ge=0, description="Mean tokens of a text there; 0 for 0.6 of the longest"
    )
    primary: str = Field(
        default="",
        description=(
            "The one primary test: regenesis against this method, out of domain, strict, mean of"
            " the sets; empty for none"
        ),
    )
    groups: dict[str, tuple[str, ...]] = Field(
        default_factory=dict,
        description="Groups of sets, such as near and far, whose means are shown apart",
    )
    chance: dict[str, float] = Field(
        default_factory=dict,
        description=(
            "Share that guessing gets right, by set; else 1/2 of yes/no, 1/k of k choices, 0 of"
            " any other answer"
        ),
    )


class RoomSettings(Frozen):
    """What must stay free before and during a step; below it the round stops, to be resumed."""

    min_free_disk_gib: float = Field(
        default=1.0, ge=0, description="Free disk below the home in GiB; 0 asks for none"
    )
    min_free_memory_gib: float = Field(
        default=0.25, ge=0, description="Available memory in GiB; 0 asks for none"
    )
    store_wait_seconds: float = Field(
        default=600,
        ge=0,
        description="Seconds for which a run waits while another program holds the store's file",
    )


class Settings(Frozen):
    """The whole of it: logged to MLflow and stored with the round."""

    preset: str = Field(default="default", description="Preset it began from")
    name: str = Field(
        default="embedded", description="Readable name of the task set; a line of rounds"
    )
    seed: int = Field(
        default=1, ge=0, description="Root of every random choice, with the round's number"
    )
    model: ModelSettings = ModelSettings()
    questions: QuestionSettings = QuestionSettings()
    synthesis: SynthesisSettings = SynthesisSettings()
    verification: VerificationSettings = VerificationSettings()
    selection: SelectionSettings = SelectionSettings()
    training: TrainingSettings = TrainingSettings()
    evaluation: EvaluationSettings = EvaluationSettings()
    gate: GateSettings = GateSettings()
    comparison: ComparisonSettings = ComparisonSettings()
    room: RoomSettings = RoomSettings()


def load_settings(
    preset: str = "default",
    toml_text: str = "",
    toml_file: Path | None = None,
    overrides: Mapping[str, Any] | None = None,
) -> Settings:
    """Settings from preset, TOML and overrides (nested mapping).

    Raises InputError naming the wrong key.

    Preset `default` with the embedded model is the preset `embedded`: texts that fit one are of no
    use to the other.
    """
    return _validated(
        _merged(values for _, values in _layers(preset, toml_text, toml_file, overrides))
    )


@dataclass(frozen=True)
class Sourced:
    """One setting, its value and where that comes from."""

    name: str
    value: Any
    source: str


def explain_settings(
    preset: str = "default",
    toml_text: str = "",
    toml_file: Path | None = None,
    overrides: Mapping[str, Any] | None = None,
) -> tuple[list[Sourced], list[str]]:
    """Every setting of `load_settings` with its source, and notes on surprises."""
    layers = _layers(preset, toml_text, toml_file, overrides)
    settings = _validated(_merged(values for _, values in layers))
    rows = [Sourced(name, value, _source_of(name, layers)) for name, value in _leaves(settings)]
    return rows, _inherited_stops(rows)


def _leaves(model: BaseModel, prefix: str = "") -> Iterator[tuple[str, Any]]:
    for name in type(model).model_fields:
        value = getattr(model, name)
        if isinstance(value, BaseModel):
            yield from _leaves(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value


def _source_of(name: str, layers: Sequence[tuple[str, Mapping[str, Any]]]) -> str:
    return next(
        (source for source, values in reversed(layers) if _names(values, name.split("."))),
        "built in",
    )


def _names(values: object, path: Sequence[str]) -> bool:
    """Whether a layer says something at this place."""
    for key in path:
        if not isinstance(values, Mapping) or key not in values:
            return False
        values = cast("Mapping[str, object]", values)[key]
    return True


def _inherited_stops(rows: Sequence[Sourced]) -> list[str]:
    """Notes where a table that sets a stage's length keeps the preset's stop strings."""
    stops = {
        row.name.removesuffix(".stop"): row
        for row in rows
        if row.name.endswith(".stop") and row.value
    }
    given = {
        row.name.rpartition(".")[0]: row.source
        for row in rows
        if row.source != "built in" and not row.source.startswith("preset ")
    }
    return [
        f"{table} in {given[table]} keeps stop = {list(row.value)!r} of {row.source}; for none set"
        " stop = []."
        for table, row in stops.items()
        if table in given and (row.source == "built in" or row.source.startswith("preset "))
    ]


def _layers(
    preset: str, toml_text: str, toml_file: Path | None, overrides: Mapping[str, Any] | None
) -> list[tuple[str, Mapping[str, Any]]]:
    """What is laid over the built-in defaults, with its name, the last word last."""
    layers: list[tuple[str, Mapping[str, Any]]] = []
    for source, text in _toml_sources(toml_text, toml_file):
        layers.append((source, parsed_toml(text, source)))
    layers.append(("options", overrides or {}))
    # lengths and prompts for a model of 0.1 billion parameters are another table altogether
    if preset == "default" and _names_embedded_model(_merged(values for _, values in layers)):
        preset = "embedded"
    return [(f"preset {preset}", _preset_values(preset)), *layers]


def _merged(layers: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    merged: dict[str, Any] = {}
    for values in layers:
        _merge(merged, values)
    return merged


def preset_settings(preset: str) -> Settings:
    """A preset as its file has it, whatever the model. Raises InputError for an unknown one."""
    return _validated(_preset_values(preset))


def _preset_values(preset: str) -> dict[str, Any]:
    if preset not in PRESETS:
        raise InputError(f"A preset is one of {', '.join(PRESETS)}; found {preset!r}.")
    file = resources.files("tasks").joinpath(f"presets/{preset}.toml")
    return {"preset": preset, **tomllib.loads(file.read_text("utf-8"))}


def _validated(merged: Mapping[str, Any]) -> Settings:
    try:
        return Settings.model_validate(merged)
    except ValidationError as error:
        # one thing at a time: later errors are often consequences of the first
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise InputError(f"Setting {where!r}: {first['msg']}; found {first['input']!r}.") from error


def _names_embedded_model(given: Mapping[str, Any]) -> bool:
    model = given.get("model")
    name = model.get("name", EMBEDDED_MODEL) if isinstance(model, Mapping) else EMBEDDED_MODEL
    return name == EMBEDDED_MODEL


def _toml_sources(toml_text: str, toml_file: Path | None) -> list[tuple[str, str]]:
    sources: list[tuple[str, str]] = []
    if toml_file is not None:
        sources.append((str(toml_file), read_user_text(toml_file, "Settings")))
    if toml_text.strip():
        sources.append(("settings_toml", toml_text))
    return sources


def _merge(into: dict[str, Any], more: Mapping[str, Any]) -> None:
    for key, value in more.items():
        present = into.get(key)
        if isinstance(present, dict) and isinstance(value, Mapping):
            _merge(present, value)
        else:
            # a copy, because later layers are merged into it and presets are shared
            into[key] = copy.deepcopy(dict(value)) if isinstance(value, Mapping) else value
