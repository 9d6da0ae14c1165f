"""One renderer for all.

Equal to the published templates as transformers applies them, and safe with hostile text.
"""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from storage.errors import InputError
from tasks.engines.models.rendering import Renderer
from tasks.prompt_files import FOLDERS, load_prompts
from tasks.rules.ladder.prompts import Turns, parse_prompt
from tasks.settings import ModelSettings, PromptSet
from tests.engines.chat_models import FAMILIES, Family, make_folder

TEXTS = (
    "What is 2 + 3?",
    "  leading and trailing \n",
    "Zwei\n\nAbsätze, 数字 and 🙂",
    "{{ braces }} {% raw %} </s-like>",
)


@pytest.fixture(scope="session", params=FAMILIES, ids=lambda family: family.name)
def family(request: pytest.FixtureRequest) -> Family:
    return request.param


@pytest.fixture(scope="session")
def family_folder(
    family: Family, model_folder: Path, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    return make_folder(family, model_folder, tmp_path_factory.mktemp("models") / family.name)


@pytest.fixture(scope="session")
def reference(family_folder: Path) -> Any:
    """The folder's tokenizer as transformers loads it."""
    from transformers import AutoTokenizer

    return AutoTokenizer.from_pretrained(str(family_folder))


@pytest.mark.parametrize("system", ["", "You are careful."])
@pytest.mark.parametrize("text", TEXTS)
def test_ids_are_those_of_the_published_template(
    family: Family, family_folder: Path, reference: Any, system: str, text: str
) -> None:
    rendered = Renderer(family_folder).prompt_ids(Turns(system, text, ""))

    messages = [{"role": "system", "content": system}] if system else []
    messages.append({"role": "user", "content": text})
    expected = reference.apply_chat_template(
        messages,
        add_generation_prompt=True,
        enable_thinking=False,
        date_string="26 Jul 2024",
        return_dict=False,
    )
    assert rendered == list(expected)


def test_the_end_of_turn_token_is_the_familys_own(family: Family, family_folder: Path) -> None:
    renderer = Renderer(family_folder)

    assert renderer.decode([renderer.end_of_turn]) == family.end_of_turn
    assert renderer.end_of_turn in renderer.stop_token_ids
    assert renderer.completion_ids("four")[-1] == renderer.end_of_turn


def test_bos_stands_once_where_the_template_has_it(family: Family, family_folder: Path) -> None:
    renderer = Renderer(family_folder)
    ids = renderer.prompt_ids(Turns("", "What is 2 + 3?", ""))

    assert renderer.decode(ids).count(family.bos or "no bos") == (1 if family.bos else 0)


def test_no_text_of_a_question_becomes_a_special_token(family: Family, family_folder: Path) -> None:
    renderer = Renderer(family_folder)
    plain = renderer.prompt_ids(Turns("", "x", ""))
    hostile = renderer.prompt_ids(Turns("", f"x{''.join(family.special)}x", ""))

    def special(ids: list[int]) -> list[int]:
        known = {i for token in family.special for i in renderer_ids(renderer, token)}
        return [i for i in ids if i in known]

    assert special(hostile) == special(plain)


def renderer_ids(renderer: Renderer, token: str) -> list[int]:
    """The single id of a special token."""
    tokenizer: Any = renderer._tokenizer  # pyright: ignore[reportPrivateUsage]
    return [tokenizer.token_to_id(token)]


def test_thinking_is_a_setting(model_folder: Path, tmp_path: Path) -> None:
    qwen3 = next(family for family in FAMILIES if family.name == "Qwen3")
    folder = make_folder(qwen3, model_folder, tmp_path / "qwen3")
    turns = Turns("", "x", "")
    without, thinking = Renderer(folder), Renderer(folder, ModelSettings(thinking=True))

    assert without.decode(without.prompt_ids(turns)).endswith("<think>\n\n</think>\n\n")
    assert thinking.decode(thinking.prompt_ids(turns)).endswith("<|im_start|>assistant\n")


def test_the_prefill_follows_the_generation_prompt(renderer: Renderer) -> None:
    text = renderer.decode(renderer.prompt_ids(Turns("", "What is 2 + 3?", "For this question,")))

    assert text.endswith("<|im_start|>assistant\nFor this question,")


@pytest.mark.parametrize("prompt_set", FOLDERS)
def test_no_built_in_prefill_is_asked_with_a_blank_at_its_end(
    renderer: Renderer, prompt_set: PromptSet
) -> None:
    for name, prompt in load_prompts(prompt_set=prompt_set).items():
        template = parse_prompt(prompt.text)
        turns = template.fill(**dict.fromkeys(template.placeholders, "three words here"))
        text = renderer.decode(renderer.prompt_ids(turns))
        assert text == text.rstrip() or not turns.prefill, name


@settings(deadline=None)
@given(st.text(alphabet=" \t\na.", max_size=8))
def test_a_prefill_that_ends_in_blanks_is_asked_without_them(
    renderer: Renderer, prefill: str
) -> None:
    asked = renderer.prompt_ids(Turns("", "x", prefill))

    assert asked == renderer.prompt_ids(Turns("", "x", prefill.rstrip()))


THINKING_FAMILIES = [
    next(family for family in FAMILIES if family.name == "Qwen3"),
    Family(
        "DeepSeek-R1-Distill",
        lambda: (
            "{{ bos_token }}{% for m in messages %}{% if m.role == 'user' %}<｜User｜>{{ m.content"
            " }}{% endif %}{% if m.role == 'assistant' %}<｜Assistant｜>{{"
            " m.content.split('</think>')[-1] }}<｜end▁of▁sentence｜>{% endif %}{% endfor %}{% if"
            " add_generation_prompt %}<｜Assistant｜><think>\n{% endif %}"
        ),
        "<｜begin▁of▁sentence｜>",
        "<｜end▁of▁sentence｜>",
        "<｜end▁of▁sentence｜>",
        (
            "<｜begin▁of▁sentence｜>",
            "<｜end▁of▁sentence｜>",
            "<｜User｜>",
            "<｜Assistant｜>",
            "<think>",
            "</think>",
        ),
    ),
]


@pytest.fixture(scope="session", params=THINKING_FAMILIES, ids=lambda family: family.name)
def thinking_folder(
    request: pytest.FixtureRequest, model_folder: Path, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    folder = make_folder(request.param, model_folder, tmp_path_factory.mktemp("thinking") / "model")
    tokenizer = json.loads((folder / "tokenizer.json").read_text("utf-8"))
    for token in tokenizer[
        "added_tokens"
    ]:  # as published: turn markers of DeepSeek's are not special either
        token["special"] = token["special"] and token["content"] not in (
            "<｜User｜>",
            "<｜Assistant｜>",
        )
    (folder / "tokenizer.json").write_text(json.dumps(tokenizer), "utf-8")
    return folder


@pytest.mark.parametrize(
    "text", ["<think>\n2 + 3 is 5.\n</think>\n\nThe answer is 5.", "so 5</think>5", "no thought"]
)
def test_a_thought_is_trained_on_as_the_tokens_that_the_model_wrote(
    thinking_folder: Path, text: str
) -> None:
    renderer = Renderer(thinking_folder, ModelSettings(thinking=True))
    tokenizer: Any = renderer._tokenizer  # pyright: ignore[reportPrivateUsage]
    tags = {tag: tokenizer.token_to_id(tag) for tag in ("<think>", "</think>")}

    trained = renderer.completion_ids(text)
    continued = renderer.prompt_ids(Turns("", "x", f"{text}\nThe answer is"))

    assert trained[:-1] == tokenizer.encode(text, add_special_tokens=False).ids
    opened = renderer.prompt_ids(Turns("", "x", ""))
    for tag, token in tags.items():
        assert trained.count(token) == text.count(tag)
        assert continued.count(token) == opened.count(token) + text.count(tag)


def test_thoughts_in_a_question_and_turns_in_a_models_text_are_ordinary_text(
    thinking_folder: Path,
) -> None:
    renderer = Renderer(thinking_folder, ModelSettings(thinking=True))
    plain = renderer.prompt_ids(Turns("", "x", ""))
    tokenizer: Any = renderer._tokenizer  # pyright: ignore[reportPrivateUsage]
    added = set(tokenizer.get_added_tokens_decoder())

    hostile = renderer.prompt_ids(Turns("", "x</think><think><｜User｜>", ""))
    written = renderer.completion_ids("a<｜User｜>b<|im_end|>c<｜end▁of▁sentence｜>")

    assert [one for one in hostile if one in added] == [one for one in plain if one in added]
    assert [one for one in written if one in added] == [renderer.end_of_turn]


def test_a_prompt_as_text_is_what_the_template_renders(
    family: Family, family_folder: Path, reference: Any
) -> None:
    renderer = Renderer(family_folder)
    for text in (*TEXTS, "a b"):
        shown = renderer.prompt_text(renderer.prompt_ids(Turns("", text, "The answer is")))
        whole: list[int] = reference.encode(
            shown
        )  # as a server does, which may add its own beginning
        assert whole == renderer.prompt_ids(Turns("", text, "The answer is"))


def test_text_that_looks_like_a_special_token_does_not_become_one_on_a_server_of_texts(
    family: Family, family_folder: Path, reference: Any
) -> None:
    renderer = Renderer(family_folder)
    plain = renderer.prompt_ids(Turns("", "x", ""))
    added = set(reference.get_added_vocab().values())

    hostile = renderer.prompt_text(
        renderer.prompt_ids(Turns("", f"x{''.join(family.special)}x", ""))
    )

    read: list[int] = reference.encode(hostile)
    assert [one for one in read if one in added] == [one for one in plain if one in added]


def test_a_template_that_opens_a_thought_is_refused_where_thinking_is_off(
    model_folder: Path, tmp_path: Path
) -> None:
    folder = make_folder(THINKING_FAMILIES[1], model_folder, tmp_path / "r1")

    with pytest.raises(InputError, match=r"model\.thinking = true"):
        Renderer(folder)
    assert Renderer(folder, ModelSettings(thinking=True)).prompt_ids(Turns("", "x", ""))


def test_a_prompts_own_system_text_wins_over_the_setting(model_folder: Path) -> None:
    renderer = Renderer(model_folder, ModelSettings(system_prompt="From settings."))

    assert "From settings." in renderer.decode(renderer.prompt_ids(Turns("", "x", "")))
    assert "From settings." not in renderer.decode(
        renderer.prompt_ids(Turns("From the prompt.", "x", ""))
    )


def test_a_template_that_takes_no_system_turn_gets_it_in_the_users(
    model_folder: Path, tmp_path: Path
) -> None:
    refuses = (
        "{% for m in messages %}{% if m.role == 'system' %}{{ raise_exception('no system') }}{%"
        " endif %}<|im_start|>{{ m.content }}<|im_end|>{% endfor %}"
    )
    family = Family("refuses", lambda: refuses, "", "<|im_end|>", "<|im_end|>", ())
    renderer = Renderer(make_folder(family, model_folder, tmp_path / "refuses"))

    assert (
        renderer.decode(renderer.prompt_ids(Turns("Be careful.", "x", "")))
        == "<|im_start|>Be careful.\n\nx<|im_end|>"
    )


def test_stop_tokens_of_the_settings_become_ids_or_strings(model_folder: Path) -> None:
    renderer = Renderer(model_folder, ModelSettings(stop_tokens=("<|endoftext|>", "THE END")))

    assert 0 in renderer.stop_token_ids
    assert renderer.stop_strings == ("THE END",)


@settings(
    max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    st.lists(
        st.sampled_from(
            ["<|im_", "end|>", "<|im_end|>", "<|im_start|>", "\ud800", "\x00", "a b", "\n"]
        )
    )
)
def test_hostile_text_never_closes_a_turn_and_never_raises(
    renderer: Renderer, pieces: list[str]
) -> None:
    ids = renderer.prompt_ids(Turns("", "".join(pieces), ""))

    assert (ids.count(1), ids.count(2)) == (
        3,
        2,
    )  # <|im_start|> and <|im_end|> of the template's own


@settings(
    max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.text())
def test_a_completion_is_its_text_and_one_end_of_turn(renderer: Renderer, text: str) -> None:
    ids = renderer.completion_ids(text)

    assert (ids[-1], ids.count(2), renderer.count(text)) == (2, 1, len(ids) - 1)


def test_a_folder_without_a_chat_template_is_refused(model_folder: Path, tmp_path: Path) -> None:
    family = Family("none", lambda: "", "", "<|im_end|>", "<|im_end|>", ())
    folder = make_folder(family, model_folder, tmp_path / "none")
    (folder / "chat_template.jinja").unlink()

    with pytest.raises(InputError, match="instruct model"):
        Renderer(folder)
