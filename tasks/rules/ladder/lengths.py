"""Do the lengths of the settings fit together?

Settings and prompts in, tokens and plain sentences out.

Tokens of a text are estimated from its letters; no tokenizer is asked, so the answer is there
before any model.
"""

from collections.abc import Mapping

from storage.records import Prompt
from tasks.rules.ladder.ladder import ADAPTING, PLANNING, prompt_name
from tasks.rules.ladder.requests import Stage
from tasks.settings import Settings

QUESTION_TOKENS = 512  # a long question of the sets known here: a ReClor passage with its options
GUIDELINE_TOKENS = 64  # the longest of the 25 has 24 words; an own list may have longer ones
# the paper's list, which the presets use
GUIDELINES = 25
LETTERS_A_TOKEN = 3  # English has about four; three is on the safe side
# parameters: between the embedded model's 135M and the smallest Qwen's 494M
SMALLEST_INSTRUCT = 300_000_000
TEMPLATE_TOKENS = 64  # roles, turn marks and a default system message of a chat template


def longest_request(settings: Settings, prompts: Mapping[str, Prompt]) -> int:
    """Tokens of the longest request, prompt and completion, with every text at its limit."""
    synthesis, answer = settings.synthesis, settings.evaluation
    advice = _advice_tokens(settings)
    plan = synthesis.structure.max_tokens if synthesis.strategy in PLANNING else advice
    path = plan + _prompt_tokens(prompts, "path", settings) + synthesis.path.max_tokens
    about_a_path = synthesis.path.max_tokens + 64
    needs = [path, _written(prompts["answer"].text) + answer.sampling.max_tokens]
    if synthesis.strategy in ADAPTING:
        asked = _prompt_tokens(prompts, "adapted_guideline", settings)
        needs.append(GUIDELINE_TOKENS + asked + synthesis.adapt.max_tokens)
    if synthesis.strategy in PLANNING:
        needs.append(
            advice + _prompt_tokens(prompts, "structure", settings) + synthesis.structure.max_tokens
        )
    if synthesis.guideline_selections:
        asked = _prompt_tokens(prompts, "selection", settings)
        needs.append(GUIDELINES * GUIDELINE_TOKENS + asked + synthesis.adapt.max_tokens)
    needs += [path + synthesis.close.max_tokens] * synthesis.close_paths
    needs += [about_a_path + _prompt_tokens(prompts, "summary", settings)] * synthesis.summary
    needs += [about_a_path + _prompt_tokens(prompts, "self_check", settings)] * synthesis.self_check
    return QUESTION_TOKENS + max(needs)


def longest_example(settings: Settings, prompts: Mapping[str, Prompt]) -> int:
    """Tokens of the longest training example whose question is half as long as the longest."""
    path = settings.synthesis.path.max_tokens
    kept = min(path, settings.selection.max_path_tokens or path)
    return QUESTION_TOKENS // 2 + _written(prompts["answer"].text) + kept


def ill_fitting_lengths(
    settings: Settings, prompts: Mapping[str, Prompt], model_longest: int = 0
) -> list[str]:
    """What does not fit, one sentence each with what to set.

    `model_longest` 0: the model's own limit is not known.
    """
    path, answer = settings.synthesis.path.max_tokens, settings.evaluation.sampling.max_tokens
    found: list[str] = []
    if answer < path:
        found.append(
            f"Held-out answers may take {answer} tokens, paths {path}: a model that has learnt to"
            " write such paths is cut off where it is evaluated. Set"
            f" evaluation.sampling.max_tokens to {path} or more."
        )
    needed, allowed = longest_request(settings, prompts), settings.model.max_model_tokens
    if needed > allowed:
        found.append(
            f"The longest request takes about {needed} tokens, the server {allowed}. Set"
            f" model.max_model_tokens to {needed} or more, or shorter stages."
        )
    if 0 < model_longest < needed:
        found.append(
            f"The longest request takes about {needed} tokens; this model reads {model_longest}."
            " Texts that are too long are cut off or fail as prompt_too_long. Set shorter stages"
            " (synthesis.*.max_tokens)."
        )
    example = longest_example(settings, prompts)
    if example > settings.training.max_tokens:
        found.append(
            f"An example may take about {example} tokens, training takes"
            f" {settings.training.max_tokens} and refuses longer ones as over_length. Set"
            f" training.max_tokens to {example} or more."
        )
    return found


def ill_fitting_preset(preset: str, parameters: int) -> str:
    """A sentence where a preset was made for models of another size; empty where it fits.

    `parameters` 0: unknown.
    """
    billions = f"{parameters / 1e9:.2g} billion parameters"
    if preset == "embedded" and parameters > SMALLEST_INSTRUCT:
        return (
            "Preset `embedded` is for the embedded model of 0.13 billion parameters; this model"
            f" has {billions}, and its texts would be cut off after a line or two. Use: --preset"
            " default"
        )
    if preset != "embedded" and 0 < parameters < SMALLEST_INSTRUCT:
        return (
            f"Preset `{preset}` is for models of 0.5 billion parameters or more; this model has"
            f" {billions}, and would wander at these lengths and prompts. Use: --preset embedded"
        )
    return ""


def _advice_tokens(settings: Settings) -> int:
    return (
        settings.synthesis.adapt.max_tokens
        if settings.synthesis.strategy in ADAPTING
        else GUIDELINE_TOKENS
    )


def _prompt_tokens(prompts: Mapping[str, Prompt], stage: Stage, settings: Settings) -> int:
    """Of the longer of the stage's two prompts, the hinted one as a rule."""
    names = {prompt_name(stage, settings.synthesis.strategy, hinted) for hinted in (False, True)}
    return max(_written(prompts[name].text) for name in names)


def _written(text: str) -> int:
    return TEMPLATE_TOKENS + len(text) // LETTERS_A_TOKEN
