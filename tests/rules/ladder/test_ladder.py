"""The ladder as a state machine."""

from dataclasses import replace
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from storage.errors import InputError
from storage.records import AnswerKind, Prompt
from tasks.prompt_files import prompt_record
from tasks.rules.ladder.adaptive import (
    Tally,
    chains_to_start,
    reason_to_stop,
    target_allows_another,
)
from tasks.rules.ladder.ladder import Ladder, build_ladder, selected_guidelines
from tasks.settings import OneOf
from tests.fakes.ladder_examples import guidelines, question, settings
from tests.fakes.scripted_engine import marked_prompts


def ladder(
    preset: str = "default", draw: int = 1, prompts: dict[str, Prompt] | None = None, **more: object
) -> Ladder:
    return build_ladder(
        settings(preset, **more), UUID(int=7), prompts or marked_prompts(), guidelines(), draw
    )


def test_a_chain_asks_for_its_stages_in_order_until_its_path_is_there() -> None:
    one = ladder()
    chain = one.chains(question(1))[0]
    texts: dict[UUID, str] = {}
    stages: list[str] = []
    while request := one.next_request(chain, texts):
        stages.append(request.stage)
        assert request.id in chain.ids
        texts[request.id] = f"text of {request.stage}"
    assert stages == ["adapted_guideline", "structure", "path"]


def test_each_stage_is_shown_what_the_one_above_wrote() -> None:
    one = ladder()
    chain = one.chains(question(1))[0]
    request = one.next_request(chain, {chain.ids[0]: "ADAPTED", chain.ids[1]: "PLAN {question}"})
    assert request is not None
    assert "PLAN {question}" in request.turns.user


def test_the_order_of_guidelines_depends_on_seed_and_question_alone() -> None:
    def names(one: Ladder, number: int) -> list[str]:
        return [chain.guideline.name for chain in one.chains(question(number)) if chain.guideline]

    assert names(ladder(), 1) == names(ladder(draw=5), 1)
    assert names(ladder(), 1) != names(ladder(), 2)
    assert sorted(names(ladder("paper"), 1)) == sorted(one.name for one in guidelines())


@given(st.integers(1, 60))
def test_no_two_chains_of_a_question_share_an_id(count: int) -> None:
    chains = ladder(chains_per_question=count).chains(question(1))
    ids = [one for chain in chains for one in chain.ids]
    assert len(chains) == count
    assert len(set(ids)) == len(ids)


@pytest.mark.parametrize(
    "change", [{"draw": 2}, {"path": {"temperature": 0.9}}, {"close_paths": False}]
)
def test_what_changes_a_path_changes_its_id(change: dict[str, object]) -> None:
    before = ladder().chains(question(1))[0]
    after = ladder(**change).chains(question(1))[0]  # type: ignore[arg-type]
    assert before.path_id != after.path_id
    assert (before.structure_id == after.structure_id) == ("draw" not in change)


def test_official_code_has_25_guidelines_and_20_selections() -> None:
    chains = ladder("official-code").chains(question(1))
    assert len(chains) == 45
    assert sum(chain.selection_id is not None for chain in chains) == 20
    assert sum(len(chain.ids) + 2 for chain in chains) == 245


def test_a_selection_that_names_too_few_guidelines_is_filled_up_by_seed() -> None:
    def chosen(reply: str) -> str:
        return selected_guidelines(UUID(int=3), reply, guidelines())

    assert chosen("4, 11") == "advice 4\nadvice 11"
    assert chosen("4, 11, 2 and 7").count("\n") == 2
    assert chosen("none of them").count("\n") == 1
    assert chosen("none") == chosen("none")


def test_a_selection_from_another_list_of_guidelines_is_another_request() -> None:
    def ids(count: int) -> set[UUID | None]:
        one = build_ladder(
            settings("official-code"), UUID(int=7), marked_prompts(), guidelines(count), 1
        )
        return {chain.selection_id for chain in one.chains(question(1))}

    assert ids(25) & ids(24) == {None}


def test_a_hinted_retry_leaves_out_the_guidelines_that_say_so() -> None:
    chains = ladder(hinted_chains=22).chains(question(1), hinted=True)
    assert {chain.guideline.position for chain in chains if chain.guideline} == set(range(1, 23))
    assert ladder().chains(question(1, answer=""), hinted=True) == []


def test_a_prompt_that_is_not_hinted_must_not_show_the_answer() -> None:
    prompts = marked_prompts() | {"path": prompt_record("path", "[user]\n{question} {answer}")}
    with pytest.raises(InputError, match="never see the answer"):
        ladder(prompts=prompts)


@given(st.integers(0, 6), st.integers(0, 20), st.integers(0, 10), st.integers(0, 30))
def test_no_question_can_be_over_sampled(
    accepted: int, judged: int, in_flight: int, waiting: int
) -> None:
    chosen = settings(enough_accepted=5).synthesis
    started = chains_to_start(chosen, Tally(accepted, judged, in_flight, waiting))
    assert 0 <= started <= waiting
    if started:
        assert accepted + in_flight + started <= 5


def test_a_pass_rate_counts_only_after_enough_chains() -> None:
    chosen = settings(min_pass_rate=0.3, max_pass_rate=0.9, pass_rate_after_chains=4).synthesis
    assert reason_to_stop(chosen, Tally(0, 3, 0, 5, 0)) == ""
    assert reason_to_stop(chosen, Tally(0, 4, 0, 5)) == "pass_rate_too_low"
    assert reason_to_stop(chosen, Tally(4, 4, 0, 5, 4)) == "pass_rate_too_high"


def test_a_target_reckons_with_what_is_in_flight() -> None:
    chosen = settings(target_accepted=10).synthesis
    assert target_allows_another(chosen, Tally(4, 8, 2, 0))
    assert not target_allows_another(chosen, Tally(9, 9, 5, 0))
    assert target_allows_another(chosen, Tally(9, 90, 0, 0))
    assert not target_allows_another(settings(max_candidates=10).synthesis, Tally(0, 6, 4, 0))


def test_without_adaptation_and_structure_the_path_is_written_from_the_guideline_as_it_stands() -> (
    None
):
    one = ladder(strategy="no_adaptation_no_structure")
    chain = one.chains(question(1))[0]

    request = one.next_request(chain, {})

    assert (chain.adapted_id, chain.structure_id) == (None, None)
    assert request is not None
    assert chain.guideline is not None
    assert (request.stage, request.id) == ("path", chain.path_id)
    assert chain.guideline.text in request.turns.user


def test_hints_only_shows_the_answer_to_every_chain_and_tries_none_again() -> None:
    one = ladder(hinted_only=True, hinted_chains=3)

    assert [chain.hinted for chain in one.chains(question(1))] == [True] * 3
    assert one.chains(question(1), hinted=True) == []
    assert one.chains(question(2, answer="")) == []


CLOSINGS: list[tuple[AnswerKind, str, list[str], tuple[str, ...]]] = [
    ("choice", "B", ["red", "green", "blue"], (" A", " B", " C")),
    ("boolean", "yes", [], (" no", " yes")),
    ("boolean", "False", [], (" false", " true")),
    ("boolean", "valid", [], (" invalid", " valid")),
    ("number", "7", [], ()),
    ("expression", "x", [], ()),
    ("text", "Anna", [], ()),
    ("choice", "B", [], ()),
]


@pytest.mark.parametrize(("kind", "answer", "choices", "only"), CLOSINGS)
def test_a_closing_of_few_possible_texts_names_them_all(
    kind: AnswerKind, answer: str, choices: list[str], only: tuple[str, ...]
) -> None:
    asked_for = replace(question(1), answer_kind=kind, answer=answer, choices=choices)
    one = ladder(restate=True)
    chain = one.chains(asked_for)[0]
    texts = dict.fromkeys(chain.ids, "words")

    for request in (one.after_path("close", chain, texts), one.restating(chain, "work")):
        sampling = request.plan.sampling
        assert (sampling.only if isinstance(sampling, OneOf) else ()) == only
        assert request.turns.prefill.endswith("The answer is")
    assert request.id == one.restating(chain, "other work").id
