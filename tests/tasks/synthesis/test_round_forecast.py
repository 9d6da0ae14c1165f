"""The forecast against what then happens, on a scripted engine."""

import json
from pathlib import Path as File

import pytest

from storage.errors import InputError
from storage.open_store import open_store
from storage.records import Model, Path, Verdict
from tasks.asking import Asking
from tasks.rules.answers.verdicts import VERIFIER_VERSION
from tasks.rules.ladder.round_costs import Forecast
from tasks.settings import TrainingSettings
from tasks.synthesis.round_forecast import (
    Hardware,
    forecast_round,
    kept_weight_bytes,
    known_rates,
    question_costs,
)
from tasks.synthesis.synthesize_paths import SynthesisReport, synthesize_paths
from tasks.verification.verify_paths import Judge
from tests.fakes.ladder_examples import MODEL, guidelines, question, right_sometimes, settings
from tests.fakes.scripted_engine import ScriptedEngine, TextRenderer, marked_prompts
from tests.storage.examples import make, uid

QUESTIONS = [question(number) for number in range(60)]


def test_what_a_question_took_so_far_counts_what_todays_rules_accept_and_no_vote(
    tmp_path: File,
) -> None:
    store, model = open_store(f"duckdb:///{tmp_path / 'a.duckdb'}"), uid(Model, 1)
    paths = [
        make(Path, key, question_id=QUESTIONS[0].id, draw=1, model_id=model) for key in range(4)
    ]
    said = [
        ("reference", "0", "correct"),
        ("majority", VERIFIER_VERSION, "correct"),
        ("second", VERIFIER_VERSION, "correct"),
        ("reference", VERIFIER_VERSION, "correct"),
    ]
    verdicts = [
        make(
            Verdict,
            path.id,
            path_id=path.id,
            draw=1,
            verifier=verifier,
            verifier_version=version,
            verdict=verdict,
        )
        for path, (verifier, version, verdict) in zip(paths, said, strict=True)
    ]
    store.append([*paths, *verdicts])

    [cost] = question_costs(store, QUESTIONS[:1], model, 1)

    assert (cost.paths, cost.accepted) == (4, 1)


def forecast_and_run(folder: File, draw: int) -> tuple[Forecast, SynthesisReport, int]:
    store = open_store(f"duckdb:///{folder / 'a.duckdb'}")
    engine = ScriptedEngine(right_sometimes(0.4, hinted=False))
    chosen = settings(enough_accepted=3, window_chains=32)
    with Judge() as judge:
        expected = forecast_round(
            Asking(
                store,
                engine,
                TextRenderer(),
                judge,
                model=MODEL,
                prompts=marked_prompts(),
                settings=chosen,
                draw=draw,
            ),
            QUESTIONS,
            guidelines(),
            evaluation_answers=0,
            probe_questions=12,
        )
        asked = len(engine.asked)
        report = synthesize_paths(
            Asking(
                store,
                engine,
                TextRenderer(),
                judge,
                model=MODEL,
                prompts=marked_prompts(),
                settings=chosen,
                draw=draw,
            ),
            QUESTIONS,
            guidelines(),
        )
    return expected, report, asked


def test_the_interval_holds_in_most_rounds_and_the_round_reuses_the_probe(tmp_path: File) -> None:
    held = 0
    for draw in range(1, 7):
        expected, report, asked = forecast_and_run(tmp_path, draw)
        tokens, paths = expected.generated_tokens, expected.accepted_paths
        spent = report.tokens + _probe_tokens(tmp_path, draw, report)
        held += tokens.low <= spent <= tokens.high and paths.low <= report.accepted <= paths.high
        assert asked > 0
        assert report.reused["path"] > 0
    assert held >= 4


def _probe_tokens(folder: File, draw: int, report: SynthesisReport) -> int:
    store = open_store(f"duckdb:///{folder / 'a.duckdb'}")
    union = " UNION ALL ".join(
        f"SELECT completion_tokens AS n FROM {table} WHERE draw = $1"
        for table in ("adapted_guidelines", "structures", "paths")
    )
    return (
        int(store.query(f"SELECT sum(n)::BIGINT AS n FROM ({union})", [draw]).to_pylist()[0]["n"])
        - report.tokens
    )


def test_a_given_rate_is_printed_as_an_assumption() -> None:
    rates = known_rates(10.0, Hardware(tokens_per_second=20_000, training_tokens_per_second=9_000))

    assert rates.generation == 20_000
    assert any("given, not measured" in line for line in rates.assumed)


def test_full_weights_take_four_bytes_each_and_an_adapter_a_small_part(tmp_path: File) -> None:
    config = {
        "hidden_size": 576,
        "intermediate_size": 1536,
        "num_hidden_layers": 30,
        "dtype": "bfloat16",
    }
    (tmp_path / "config.json").write_text(json.dumps(config), "utf-8")
    (tmp_path / "model.safetensors").write_bytes(b"x" * 100)

    assert kept_weight_bytes(tmp_path, TrainingSettings(kind="full")) == 200
    assert kept_weight_bytes(tmp_path, TrainingSettings()) == 4 * 30 * 16 * (
        8 * 576 + 3 * (576 + 1536)
    )


def test_a_probe_without_a_rate_asks_for_one() -> None:
    with pytest.raises(InputError, match="Give the tokens per second"):
        known_rates(0.0, Hardware())
