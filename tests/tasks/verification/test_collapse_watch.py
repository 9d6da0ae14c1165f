"""The collapse watch reads the champion's held-out answers beside the round's paths."""

import json
from pathlib import Path as File
from uuid import UUID

import pytest

from storage.open_store import Store, open_store
from storage.records import Answer, Round
from tasks.verification.collapse_watch import HELD_OUT_KEY, TIMINGS_KEY, watch_collapse
from tests.storage.examples import make

BASE, FIRST, SECOND = UUID(int=1), UUID(int=2), UUID(int=3)
KINDS = {
    "repeats itself": lambda n: "the answer is five and five again is the answer",
    "says only the number": lambda n: str(n),
    "talks on and on": lambda n: healthy(n) + " and again" * 40,
}


def healthy(n: int) -> str:
    return f"count {n} then add {n * 7} and carry {n * 13} to get {n * 29} at last"


def answered(store: Store, model: UUID, texts: list[str]) -> None:
    store.append(
        [
            make(
                Answer,
                (model, place),
                model_id=model,
                question_id=UUID(int=place + 100),
                text=text,
                sample=0,
                completion_tokens=len(text.split()),
            )
            for place, text in enumerate(texts)
        ]
    )


def a_round(number: int, champion: UUID, figures: dict[str, object]) -> Round:
    return make(
        Round,
        ("round", number),
        number=number,
        line="line",
        champion_model_id=champion,
        timings=json.dumps(figures),
    )


@pytest.fixture
def store(tmp_path: File) -> Store:
    """Of a line whose first champion answers as models do, in round 2."""
    store = open_store(f"duckdb:///{tmp_path}/line.duckdb")
    answered(store, FIRST, [healthy(n) for n in range(40)])
    store.append([a_round(1, BASE, {})])
    seen = watch_collapse(store, a_round(2, FIRST, {}), BASE, BASE)
    assert (seen.held_out and seen.held_out.paths, seen.warnings) == (40, [])
    store.append([a_round(2, FIRST, seen.as_figures())])
    return store


@pytest.mark.parametrize("kind", KINDS)
def test_a_champion_whose_answers_collapse_is_warned_of(store: Store, kind: str) -> None:
    answered(store, SECOND, [KINDS[kind](n) for n in range(40)])

    seen = watch_collapse(store, a_round(3, SECOND, {}), BASE, BASE)

    assert seen.warnings
    assert all(one.startswith("In the champion's held-out answers ") for one in seen.warnings)


def test_a_champion_that_answers_as_the_one_before_is_not(store: Store) -> None:
    answered(store, SECOND, [healthy(n) for n in range(50, 90)])

    assert watch_collapse(store, a_round(3, SECOND, {}), BASE, BASE).warnings == []


def test_a_base_in_the_champions_place_is_not_compared(store: Store) -> None:
    answered(store, BASE, ["loop loop loop"] * 40)

    seen = watch_collapse(store, a_round(3, BASE, {}), BASE, BASE)

    assert (seen.held_out, seen.warnings) == (None, [])
    assert set(seen.as_figures()) >= {TIMINGS_KEY}
    assert HELD_OUT_KEY not in seen.as_figures()
