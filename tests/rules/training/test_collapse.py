"""The collapse watch."""

from dataclasses import replace
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from storage.records import Path
from tasks.rules.training.collapse import (
    collapse_warnings,
    distinct_share,
    evenness,
    near_duplicate_rate,
    pass_at,
    text_health,
)
from tests.fakes.ladder_examples import NOW


def path(number: int, text: str, question: int = 1, hinted: bool = False) -> Path:
    return Path(
        id=UUID(int=number),
        question_id=UUID(int=question),
        model_id=UUID(int=7),
        prompt_id=UUID(int=8),
        sampling="{}",
        draw=1,
        sample=0,
        hinted=hinted,
        text=text,
        finish_reason="stop",
        prompt_tokens=5,
        completion_tokens=len(text.split()),
        seed=1,
        endpoint="e",
        round_id=None,
        created_at=NOW,
        strategy="regenesis",
        guideline_id=UUID(int=number % 5 + 100),
        adapted_guideline_id=None,
        structure_id=None,
        closed=False,
    )


def test_a_text_that_repeats_itself_has_few_distinct_pairs() -> None:
    assert distinct_share([["a", "b", "c", "d"]], 2) == 1
    assert distinct_share([["a"] * 11], 2) == 0.1
    assert distinct_share([], 1) is None


def test_texts_that_differ_in_one_word_are_near_duplicates() -> None:
    long = [f"word{place}" for place in range(60)]
    other = [f"other{place}" for place in range(60)]
    assert near_duplicate_rate([long, [*long[:-1], "end"], other]) == 1 / 3


@given(st.lists(st.lists(st.sampled_from("abcdefgh"), max_size=12), min_size=1, max_size=12))
def test_every_exact_copy_is_a_near_duplicate(texts: list[list[str]]) -> None:
    rate = near_duplicate_rate(texts + texts)
    assert rate is not None
    assert rate >= 0.5


@given(st.integers(1, 20), st.data())
def test_pass_at_k_grows_with_k(samples: int, data: st.DataObject) -> None:
    right = data.draw(st.integers(0, samples))
    values = [pass_at(samples, right, k) for k in range(1, samples + 1)]
    assert values == sorted(values)
    assert abs(values[0] - right / samples) < 1e-9


def test_an_even_spread_has_entropy_one() -> None:
    assert evenness({UUID(int=1): 5, UUID(int=2): 5}) == 1
    assert evenness({UUID(int=1): 5}) is None


def test_a_round_that_says_one_thing_only_is_warned_of() -> None:
    told = [
        f"count {n} then add {n * 7} and carry {n * 13} to get {n * 29} at last" for n in range(40)
    ]
    varied = [path(n, text, n % 10) for n, text in enumerate(told)]
    same = [path(n, "the answer is five and five again is the answer", n % 10) for n in range(40)]
    healthy = text_health(varied, {one.id: one.id.int % 3 == 0 for one in varied})
    collapsed = text_health(same, {one.id: False for one in same})

    warnings = collapse_warnings(collapsed, [healthy, healthy])

    assert any("distinct-2" in warning for warning in warnings)
    assert any("near duplicates" in warning for warning in warnings)
    assert collapse_warnings(healthy, [healthy]) == []
    assert collapse_warnings(collapsed, []) == []


def test_hinted_paths_count_in_their_share_and_not_in_pass_rates() -> None:
    paths = [path(1, "right"), path(2, "wrong"), path(3, "told", hinted=True)]
    health = text_health(paths, {UUID(int=1): True, UUID(int=3): True})

    assert health.pass_at_1 == 0.5
    assert health.pass_at_k == 1.0
    assert health.hinted_share == 0.5
    assert text_health([replace(paths[0])], {}).hinted_share is None
