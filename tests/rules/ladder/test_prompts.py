"""Prompt templates and the built-in prompt files."""

from dataclasses import replace
from pathlib import Path as File

import pytest
from hypothesis import given
from hypothesis import strategies as st

from storage.errors import InputError
from tasks.prompt_files import PROMPT_NAMES, load_prompts
from tasks.rules.ladder.prompts import asked, parse_prompt, shown_answer, wanted_form
from tasks.rules.ladder.requests import closing_words, ended, whole_sentences, whole_text
from tests.fakes.ladder_examples import question


@given(st.text(), st.text())
def test_a_value_is_never_read_as_a_template(question_text: str, guideline: str) -> None:
    template = parse_prompt("[user]\nQ {question} G {guideline} {unknown} }{")
    turns = template.fill(question=question_text, guideline=guideline)
    assert turns.user == f"Q {question_text} G {guideline} {{unknown}} }}{{"


def test_sections_become_turns_and_a_prefill_keeps_its_last_blank() -> None:
    template = parse_prompt(
        "[system]\nBe brief.\n\n[user]\n{question}\n[assistant]\nThe answer is \n"
    )
    turns = template.fill(question="2+2?")
    assert (turns.system, turns.user, turns.prefill) == ("Be brief.", "2+2?", "The answer is ")


def test_a_placeholder_that_the_stage_cannot_fill_is_refused() -> None:
    with pytest.raises(InputError, match="structure"):
        parse_prompt("[user]\n{structure}").fill(question="x")


@pytest.mark.parametrize("text", ["", "[user]\n\n", "[user]\na\n[user]\nb"])
def test_an_empty_or_doubled_section_is_refused(text: str) -> None:
    with pytest.raises(InputError):
        parse_prompt(text)


def test_choices_are_lettered_below_the_question() -> None:
    one = replace(question(1), choices=["red", "blue"], answer="B", answer_kind="choice")
    assert asked(one) == "What is question 1?\nA. red\nB. blue\n"
    assert shown_answer(one) == "B. blue"
    assert wanted_form(one) == "the letter of the choice"


def test_every_built_in_prompt_parses_and_only_hinted_ones_show_the_answer() -> None:
    prompts = load_prompts()
    assert set(prompts) == set(PROMPT_NAMES)
    for name, prompt in prompts.items():
        shows = "answer" in parse_prompt(prompt.text).placeholders
        assert shows == name.endswith("_hinted"), name


def test_a_folder_replaces_prompts_by_name(tmp_path: File) -> None:
    (tmp_path / "adapt.txt").write_text("[user]\n{question} {guideline}")
    assert load_prompts(str(tmp_path))["adapt"].id != load_prompts()["adapt"].id
    assert load_prompts(str(tmp_path))["path"].id == load_prompts()["path"].id


def test_a_prompt_file_of_no_known_name_is_refused(tmp_path: File) -> None:
    (tmp_path / "adopt.txt").write_text("[user]\n{question}")
    with pytest.raises(InputError, match=r"adopt\.txt"):
        load_prompts(str(tmp_path))


def test_stored_text_has_what_a_column_can_hold() -> None:
    assert whole_text("For this, ", " look\x00 \ud800 here ") == "For this, look\ufffd \ufffd here"


def test_a_cut_path_is_taken_back_to_its_last_whole_sentence() -> None:
    assert whole_sentences("Add 2. Then 21.4 more. And aft") == "Add 2. Then 21.4 more."
    assert whole_sentences("no end at all") == "no end at all"


@pytest.mark.parametrize(
    ("text", "whole"), [("is 12", "is 12."), ("is 12.", "is 12."), ("is yes!", "is yes!")]
)
def test_a_closing_ends_in_a_full_stop(text: str, whole: str) -> None:
    assert ended(text) == whole


@pytest.mark.parametrize(
    ("completion", "finish", "words", "ends"),
    [
        ("12 because it is so", "length", "12", "stop"),
        (" 1,234.5. And then", "length", " 1,234.5", "stop"),
        ("12 / 5", "stop", "12 / 5", "stop"),
        ("3/100 of", "length", "3/100 of", "length"),
        ("12", "length", "12", "length"),
        ("-5%, that", "length", "-5%", "stop"),
        ("twelve of them", "stop", "twelve of them", "stop"),
    ],
)
def test_a_closing_keeps_its_number_whole_and_drops_what_follows(
    completion: str, finish: str, words: str, ends: str
) -> None:
    assert closing_words(completion, finish, "number") == (words, ends)


def test_a_closing_of_another_kind_keeps_its_letter_or_word() -> None:
    assert closing_words("B. red, as", "length", "choice") == ("B", "stop")
    assert closing_words("Yes, since", "length", "boolean") == ("Yes", "stop")
    assert closing_words("New York", "stop", "text") == ("New York", "stop")


@pytest.mark.parametrize("name", PROMPT_NAMES)
def test_no_words_are_begun_for_a_model_that_thinks_first_but_for_its_own_text(name: str) -> None:
    template = parse_prompt(load_prompts()[name].text)

    begun = template.for_thinking(True).assistant

    assert begun == (template.assistant if name == "close" else "")
    assert template.for_thinking(False) == template
