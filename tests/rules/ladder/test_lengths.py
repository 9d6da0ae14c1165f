"""Lengths of stages, answers, examples and the server fit together, in every preset and every TOML
that is shipped.
"""

import re
import tomllib
from pathlib import Path

import pytest

from tasks.prompt_files import FOLDERS, load_prompts, prompts_of
from tasks.rules.ladder.lengths import ill_fitting_lengths, longest_request
from tasks.rules.ladder.prompts import parse_prompt
from tasks.settings import PRESETS, Settings, load_settings, preset_settings

ROOT = Path(__file__).parents[3]
NO_SETTINGS = {"pyproject.toml", "guidelines.toml", "methods.toml"}
_FENCED = re.compile(r"^```toml\n(.*?)^```", re.MULTILINE | re.DOTALL)
_SECTION = re.compile(r"^\[(?:" + "|".join(Settings.model_fields) + r")[.\]]", re.MULTILINE)


def shipped_settings() -> dict[str, tuple[str, str]]:
    """Place -> preset, TOML.

    A file names its preset in a comment, a fragment of a page may go over any.
    """
    found: dict[str, tuple[str, str]] = {}
    for folder in ("docs", "deploy", "benchmarks"):
        for file in sorted((ROOT / folder).rglob("*.toml")):
            if file.name not in NO_SETTINGS:
                text = file.read_text("utf-8")
                named = re.search(r"--preset (\S+)", text)
                found[str(file.relative_to(ROOT))] = (named.group(1) if named else "default", text)
        for file in sorted((ROOT / folder).rglob("*.md")):
            for place, text in enumerate(_FENCED.findall(file.read_text("utf-8"))):
                if _SECTION.search(text):
                    found |= {
                        f"{file.relative_to(ROOT)} {place} {preset}": (preset, text)
                        for preset in PRESETS
                    }
    return found


SHIPPED = shipped_settings()


def without_files(text: str) -> str:
    """The TOML without its own prompts and guidelines, which a reader has and the test lacks."""
    return re.sub(r"^(prompts|guidelines) = .*$", "", text, flags=re.MULTILINE)


@pytest.mark.parametrize("preset", PRESETS)
def test_every_preset_examines_as_long_as_it_writes_and_fits_its_server(preset: str) -> None:
    settings = preset_settings(preset)
    assert settings.evaluation.sampling.max_tokens >= settings.synthesis.path.max_tokens
    assert settings.evaluation.sampled.max_tokens >= settings.synthesis.path.max_tokens
    assert settings.model.max_model_tokens >= longest_request(settings, prompts_of(settings))
    assert ill_fitting_lengths(settings, prompts_of(settings)) == []


@pytest.mark.parametrize("place", SHIPPED)
def test_every_shipped_toml_examines_as_long_as_it_writes_and_fits_its_server(place: str) -> None:
    preset, text = SHIPPED[place]
    settings = load_settings(preset, without_files(text))
    assert ill_fitting_lengths(settings, prompts_of(settings)) == []


def test_there_are_shipped_files_and_fragments_to_look_at() -> None:
    assert {
        "docs/paper.toml",
        "deploy/gpus/7b-full.toml",
        "deploy/gpus/7b-lora.toml",
    } <= SHIPPED.keys()
    assert any(place.startswith("docs/how-to/own-model.md") for place in SHIPPED)


@pytest.mark.parametrize("prompt_set", FOLDERS)
def test_no_built_in_prefill_ends_in_white_space(prompt_set: str) -> None:
    for name, prompt in load_prompts(prompt_set=prompt_set).items():  # type: ignore[arg-type]
        begun = parse_prompt(prompt.text).assistant
        assert begun == begun.rstrip(), name


@pytest.mark.parametrize("preset", ["default", "paper", "official-code"])
def test_presets_for_real_models_begin_no_turn_but_the_closing(preset: str) -> None:
    prompts = prompts_of(preset_settings(preset))
    begun = [name for name, prompt in prompts.items() if parse_prompt(prompt.text).assistant]
    assert begun == ["close"]


def test_the_default_hint_is_shown_to_the_path_alone_and_asks_not_to_be_mentioned() -> None:
    prompts = load_prompts(prompt_set="default")
    shown = {
        name
        for name, prompt in prompts.items()
        if "answer" in parse_prompt(prompt.text).placeholders
    }
    assert shown == {"path_hinted", "direct_hinted", "no_structure_path_hinted"}
    assert all("Do not mention" in prompts[name].text for name in shown)


def test_training_and_evaluation_ask_as_direct_paths_are_asked() -> None:
    prompts = load_prompts(prompt_set="default")
    assert prompts["answer"].text == prompts["direct"].text


@pytest.mark.parametrize(
    ("toml", "words"),
    [
        ("[evaluation]\nsampling = { max_tokens = 64 }", "evaluation.sampling.max_tokens to 1024"),
        ("[model]\nmax_model_tokens = 1024", "model.max_model_tokens"),
        ("[training]\nmax_tokens = 512", "training.max_tokens"),
    ],
)
def test_lengths_that_do_not_fit_are_named_with_what_to_set(toml: str, words: str) -> None:
    settings = load_settings("default", toml, overrides={"model": {"name": "a/model"}})
    (found,) = ill_fitting_lengths(settings, prompts_of(settings))
    assert words in found


def test_a_model_that_reads_less_than_a_preset_writes_is_named() -> None:
    settings = preset_settings("paper")
    (found,) = ill_fitting_lengths(settings, prompts_of(settings), model_longest=2048)
    assert "this model reads 2048" in found


def test_default_means_embedded_for_the_embedded_model_and_for_no_other() -> None:
    assert load_settings().preset == "embedded"
    assert (
        load_settings("default", '[model]\nname = "embedded"').synthesis
        == preset_settings("embedded").synthesis
    )
    other = load_settings("default", '[model]\nname = "a/model"')
    assert (other.preset, other.synthesis.prompt_set) == ("default", "default")
    assert load_settings("default", overrides={"model": {"name": "a/model"}}).preset == "default"
    assert load_settings("embedded", overrides={"model": {"name": "a/model"}}).preset == "embedded"


def test_settings_stored_before_there_were_prompt_sets_keep_their_prompts() -> None:
    stored = tomllib.loads('preset = "default"\n[synthesis]\nprompts = "official_code"')
    assert "boxed" in prompts_of(Settings.model_validate(stored))["path"].text
    assert prompts_of(Settings.model_validate({"preset": "default"})) == load_prompts(
        prompt_set="embedded"
    )
