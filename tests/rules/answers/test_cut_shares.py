"""What was cut at a length limit is counted by stage and model, and said where it is more than a
few.
"""

from pathlib import Path as Folder
from uuid import UUID

import pytest

from storage.open_store import open_store
from storage.records import AdaptedGuideline, Answer, Model, Path, Round, Structure
from tasks.rules.answers.cut_shares import CutShare, cut_shares, cut_sql, cut_warnings
from tests.storage.examples import make

MODEL = UUID(int=5)


def test_a_path_that_was_closed_still_counts_as_cut_and_other_rounds_do_not_count(
    tmp_path: Folder,
) -> None:
    store = open_store(f"duckdb:///{tmp_path / 'store.duckdb'}")
    own, other = make(Round, "own", number=1), make(Round, "other", number=2)
    common = {"model_id": MODEL, "round_id": own.id}
    store.append(
        [
            make(Model, "m", id=MODEL, name="small"),
            own,
            other,
            make(AdaptedGuideline, 1, finish_reason="length", **common),
            make(Structure, 1, finish_reason="stop", **common),
            make(Path, 1, finish_reason="stop", closed=True, cut=True, **common),
            make(Path, 2, finish_reason="model_length", cut=None, **common),
            make(Path, 3, finish_reason="stop", cut=False, **common),
            make(Path, 4, finish_reason="stop", cut=True, model_id=MODEL, round_id=other.id),
            make(Answer, 1, finish_reason="length", sample=0, **common),
            make(Answer, 2, finish_reason="length", sample=1, **common),
        ]
    )

    shares = cut_shares(store.query(cut_sql(own)).to_pylist())

    assert [(one.stage, one.texts, one.cut) for one in shares] == [
        ("adapted guideline", 1, 1),
        ("structure", 1, 0),
        ("path", 3, 2),
        ("held-out answer", 1, 1),
    ]


@pytest.mark.parametrize(("cut", "said"), [(5, False), (6, True)])
def test_more_than_one_in_twenty_is_said_with_what_to_set(cut: int, said: bool) -> None:
    found = cut_warnings([CutShare("held-out answer", "small", 100, cut)])
    assert bool(found) == said
    assert not found or "Raise evaluation.sampling.max_tokens" in found[0]
