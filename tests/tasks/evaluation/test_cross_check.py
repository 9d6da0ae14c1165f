"""The other harness, run for real against a scripted server.

Its figures stand beside ours and are found once.
"""

import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from storage.errors import InputError
from storage.records import EvaluationFigure, Round
from tasks.engines import harness
from tasks.engines.harness import Target
from tasks.evaluation.cross_check import cross_check
from tasks.reports.round_report import harness_table
from tasks.settings import Settings
from tests.fakes.scripted_engine import prompt_record
from tests.fakes.scripted_server import Body, Reply, ScriptedServer
from tests.fakes.small_store import BASE, round_of, small_store
from tests.tasks.evaluation.test_evaluate_model import evaluated, right_below

if TYPE_CHECKING:
    from tasks.engines.models.base_models import PreparedModel

PROMPTS = {"answer": prompt_record("answer", "[user]\n{question}")}


@pytest.mark.slow
async def test_both_figures_stand_side_by_side(
    tmp_path: Path, prepared_model: "PreparedModel"
) -> None:
    import asyncio

    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(str(prepared_model.folder / "tokenizer.json"))
    store, questions = small_store(tmp_path, gate=8, final=2)
    store.append([round_of(1)])
    await asyncio.to_thread(evaluated, store, right_below(4), questions)

    def answer(body: Body, number: int) -> Reply:
        prompt = body["prompt"][0]
        text = tokenizer.decode(
            prompt if isinstance(prompt, list) else body["prompt"], skip_special_tokens=False
        )
        assert text.endswith("<|im_start|>assistant\n")
        place = int(re.findall(r"number (\d+)", text)[0])
        return Reply(text=f"The answer is {place if place < 2 else 99}.")

    async with ScriptedServer(answer, key="s3cret") as server:

        def check() -> list[EvaluationFigure]:
            target = Target(server.url, "m", prepared_model.folder, "s3cret")
            return cross_check(store, target, BASE, round_of(1), questions, PROMPTS, Settings())

        found = await asyncio.to_thread(check)
        asked = len(server.asked)
        again = await asyncio.to_thread(check)

    assert {(row.reading, row.value, row.questions) for row in found} == {
        ("strict", 0.25, 8),
        ("lenient", 0.25, 8),
    }
    assert {row.source for row in found} == {harness.harness_version()}
    assert asked == len(server.asked) == 16
    assert sorted(again, key=lambda row: row.id) == sorted(found, key=lambda row: row.id)
    lines = harness_table(store, store.select(Round)[0])
    assert lines[0].startswith("sums base strict: ours 50.0%, lm-eval")
    assert lines[0].endswith("25.0%")


def test_without_the_package_one_line_says_what_to_type(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(harness, "PACKAGE", "no_such_package_at_all")
    with pytest.raises(InputError, match=r"uv pip install -e '\.\[harness\]'"):
        harness.harness_version()


def test_a_model_without_an_evaluation_of_ours_is_not_checked(tmp_path: Path) -> None:
    store, questions = small_store(tmp_path, gate=8, final=2)
    with pytest.raises(InputError, match="has none in round 1"):
        cross_check(
            store,
            Target("http://127.0.0.1:9", "m", tmp_path),
            BASE,
            round_of(1),
            questions,
            PROMPTS,
            Settings(),
        )
