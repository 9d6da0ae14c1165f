"""A whole round, under a real Prefect server and on a real DuckDB file, with a scripted engine and
trainer.
"""

import json
from pathlib import Path

import pytest

from flows.improve import improve
from flows.stages import evaluate, ingest, promote, synthesize, train, verify
from storage.errors import PermanentError, TransientError
from storage.mlflow_tracking import ADAPTER_TAG, Tracking
from storage.open_store import Store, open_store
from storage.records import (
    AdaptedGuideline,
    Adapter,
    Answer,
    Evaluation,
    Model,
    Promotion,
    Question,
    Round,
    Selection,
    Structure,
    TrainingExample,
    TrainingSet,
    Verdict,
)
from storage.records import Path as RecordedPath
from tasks.reports.figure import Figure
from tasks.reports.round_figures import figures_of
from tasks.synthesis.account import ENDED
from tests.fakes.scripted_machinery import ScriptedMachinery


def store_of(home: Path) -> Store:
    return open_store(f"duckdb:///{home / 'regenesis.duckdb'}")


def test_a_round_trains_examines_and_promotes_a_better_challenger(
    home: Path, small: str, machinery: ScriptedMachinery
) -> None:
    result = improve(settings_toml=small)

    store = store_of(home)
    [record] = store.select(Round)
    [promotion] = store.select(Promotion)
    assert (result.outcome, record.outcome, record.status) == ("promoted", "promoted", "finished")
    assert promotion.state == "done"
    assert {row.role for row in store.select(Evaluation)} == {"base", "challenger"}
    assert {row.part for row in store.select(Evaluation)} == {"gate", "final"}
    paths = store.select(RecordedPath)
    judged = {
        verifier: store.select(Verdict, verifier=verifier)
        for verifier in ("reference", "second", "majority")
    }
    assert len(judged["reference"]) == len(paths) == len(store.select(Selection))
    assert judged["second"]
    assert judged["majority"]
    assert store.select(TrainingSet)[0].examples == len(store.select(TrainingExample)) > 0
    assert Path(str(result.as_json()["report"])).is_file()
    twice = store.select(Answer, sample=1)
    assert len(twice) == 64
    assert {answer.model_id for answer in twice} == {record.base_model_id}
    assert json.loads(record.timings)["noise_tokens"] == sum(
        answer.completion_tokens for answer in twice
    )
    assert set(json.loads(record.timings)["seconds"]) >= {
        "start",
        "synthesis",
        "training",
        "evaluation",
    }
    _is_in_mlflow(home, record)


def _is_in_mlflow(home: Path, record: Round) -> None:
    """A run for the round, one for each stage below it, with plots and environment."""
    tracking = Tracking(home)
    parent, client = tracking.log_round(record), tracking.client
    experiment = client.get_run(parent).info.experiment_id
    nested = client.search_runs([experiment], f"tags.`mlflow.parentRunId` = '{parent}'")
    runs = {run.data.tags["regenesis.stage"]: run.data for run in nested}
    assert runs.keys() == {"synthesis", "training", "evaluation-base", "evaluation-challenger"}
    assert runs["synthesis"].metrics["paths"] > 0
    assert runs["evaluation-challenger"].metrics["in_domain.gate/gcd.strict"] > 0.5
    assert client.get_run(parent).data.params["questions.gate_per_set"] == "40"
    [adapter] = store_of(home).select(Adapter)
    assert (home / adapter.location).name == adapter.digest[:32]
    version = tracking.version_of(record.line, tracking.champion(record.line) or record.id)
    assert version is not None  # with the files that a loader needs
    assert version.tags["regenesis.training_set_id"] == str(adapter.training_set_id)
    files = {
        file.path for folder in ("", "plots") for file in client.list_artifacts(parent, folder)
    }
    assert {
        "round-1.html",
        "environment.json",
        "plots/loss_curve.html",
        "plots/rounds_in_domain.html",
    } <= files


@pytest.mark.parametrize(("leaves_room", "starts"), [(True, 1), (False, 2)])
def test_one_server_answers_for_base_and_challenger_where_training_finds_room_beside_it(
    home: Path, small: str, machinery: ScriptedMachinery, leaves_room: bool, starts: int
) -> None:
    machinery.leaves_room = leaves_room

    assert improve(settings_toml=small).outcome == "promoted"
    assert machinery.starts == starts


@pytest.mark.parametrize("cut_off", ["log_training", "register_model", "move_challenger"])
def test_a_run_that_was_cut_off_between_training_and_the_registry_is_completed_by_the_next(
    cut_off: str,
    home: Path,
    small: str,
    machinery: ScriptedMachinery,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def refuse(*_: object, **__: object) -> str:
        raise RuntimeError("the power went")

    with monkeypatch.context() as cut:
        cut.setattr(Tracking, cut_off, refuse)
        with pytest.raises(RuntimeError, match="the power went"):
            improve(settings_toml=small)
    assert len(store_of(home).select(Adapter)) == 1

    assert improve(settings_toml=small).outcome == "promoted"

    [record] = store_of(home).select(Round)
    [adapter] = store_of(home).select(Adapter)
    tracking = Tracking(home)
    challenger = store_of(home).select(Model, adapter_id=adapter.id)[0]
    for one in (challenger.id, record.base_model_id):
        found = tracking.version_of(record.line, one)
        assert found
        assert ADAPTER_TAG in found.tags, "a bare reference, which nobody can load"
    assert adapter.mlflow_run_id


def test_an_engine_that_ends_in_the_middle_of_its_work_is_started_again(
    home: Path, small: str, machinery: ScriptedMachinery
) -> None:
    machinery.deaths = [40, 100]

    result = improve(settings_toml=small)

    assert result.outcome == "promoted"
    assert machinery.served[:3] == ["scripted"] * 3
    texts = json.loads(store_of(home).select(Round)[0].timings)["synthesis_texts"]
    assert texts < sum(
        len(store_of(home).select(kind)) for kind in (AdaptedGuideline, Structure, RecordedPath)
    )


def test_an_engine_that_ends_again_and_again_ends_the_run_and_the_next_one_goes_on(
    home: Path, small: str, machinery: ScriptedMachinery
) -> None:
    machinery.deaths = [40, 0, 0]
    with pytest.raises(TransientError, match="The engine must live"):
        improve(settings_toml=small)

    assert improve(settings_toml=small).outcome == "promoted"
    assert len(store_of(home).select(Round)) == 1


def test_the_account_of_a_round_adds_up_in_sql_over_its_runs(
    home: Path, small: str, machinery: ScriptedMachinery
) -> None:
    synthesize(settings_toml=small, budget_tokens=200)
    synthesize(settings_toml=small)

    store = store_of(home)
    [record] = store.select(Round)
    rows = {
        row["fate"]: row["candidates"]
        for row in store.query(figure(record, "candidates").sql).to_pylist()
    }
    assert rows.pop("all") == sum(rows.values()) > 0
    paths = len(store.select(RecordedPath))
    assert (
        sum(rows.get(fate, 0) for fate in ENDED if fate != "failed")
        == paths
        == json.loads(record.timings)["paths"]
    )


def test_texts_that_collapse_are_warned_of_stored_and_reported(
    home: Path, small: str, machinery: ScriptedMachinery
) -> None:
    wide = small.replace("[synthesis]", "[synthesis]\nadaptive = false").replace(
        "chains_per_question = 4", "chains_per_question = 8"
    )
    improve(settings_toml=wide)
    machinery.repeats = True
    synthesize(settings_toml=wide)

    store = store_of(home)
    first, second = store.select(Round, order_by="number")
    assert json.loads(first.timings)["collapse_warnings"] == []
    warnings = json.loads(second.timings)["collapse_warnings"]
    assert any("near duplicates" in warning for warning in warnings)
    assert [
        row["warning"] for row in store.query(figure(second, "collapse_warnings").sql).to_pylist()
    ] == sorted(warnings)
    health = store.query(figure(second, "text_health").sql).to_pylist()
    assert [row["round"] for row in health] == [1, 2]
    assert health[1]["distinct_2"] < health[0]["distinct_2"]


def figure(record: Round, name: str) -> Figure:
    return next(one for one in figures_of(record, "", "") if one.name == name)


def test_the_second_round_has_other_questions_and_the_first_ones_champion(
    home: Path, small: str, machinery: ScriptedMachinery
) -> None:
    improve(settings_toml=small)
    improve(settings_toml=small)

    store = store_of(home)
    first, second = store.select(Round, order_by="number")
    assert second.champion_model_id != first.champion_model_id == first.base_model_id
    assert {row.role for row in store.select(Evaluation, round_id=second.id)} == {
        "base",
        "champion",
        "challenger",
    }
    asked = {
        model.name: {
            answer.question_id for answer in store.select(Answer, draw=2, model_id=model.id)
        }
        for model in store.select(Model)
    }
    assert len(asked) == 3
    assert len(set(map(frozenset, asked.values()))) == 1
    gates = [
        {q.text for q in store.select(Question, part="gate", draw=number)} for number in (1, 2)
    ]
    assert not gates[0] & gates[1]


def test_stage_after_stage_gives_what_a_round_gives(
    home: Path, small: str, machinery: ScriptedMachinery
) -> None:
    ingest(settings_toml=small)
    synthesize(settings_toml=small)
    verify(settings_toml=small)
    train(settings_toml=small)
    evaluate(settings_toml=small)
    result = promote(settings_toml=small)

    store = store_of(home)
    assert result.outcome == "promoted"
    assert [record.status for record in store.select(Round)] == ["finished"]
    assert len(store.select(Adapter)) == 1


def test_a_finished_stage_is_not_done_again(
    home: Path, small: str, machinery: ScriptedMachinery
) -> None:
    synthesize(settings_toml=small)
    train(settings_toml=small)
    served = len(machinery.served)

    train(settings_toml=small)
    synthesize(settings_toml=small)

    assert (len(machinery.trained), len(machinery.served)) == (1, served)


def test_a_round_whose_paths_are_too_few_to_train_on_ends_as_failed(
    home: Path, small: str, machinery: ScriptedMachinery
) -> None:
    machinery.base_share = 0.0

    with pytest.raises(PermanentError, match="Training needs at least 4 examples"):
        improve(settings_toml=small.replace("hinted_chains = 2", "hinted_chains = 0"))

    [record] = store_of(home).select(Round)
    assert record.status == "failed"
    assert "Training needs" in record.reason


def test_new_abandons_the_unfinished_round(
    home: Path, small: str, machinery: ScriptedMachinery
) -> None:
    synthesize(settings_toml=small)

    improve(settings_toml=small, new=True)

    assert [record.status for record in store_of(home).select(Round, order_by="number")] == [
        "abandoned",
        "finished",
    ]


def test_an_unfinished_round_goes_on_with_the_settings_it_began_with(
    home: Path, small: str, machinery: ScriptedMachinery
) -> None:
    synthesize(settings_toml=small)

    improve(settings_toml="seed = 99\n" + small)

    [record] = store_of(home).select(Round)
    assert record.seed == 1
    assert record.status == "finished"


def test_prefect_shows_the_progress_and_the_results_of_a_round(
    home: Path, small: str, machinery: ScriptedMachinery
) -> None:
    from prefect.client.orchestration import get_client
    from prefect.client.schemas.filters import ArtifactFilter, ArtifactFilterKey

    result = improve(settings_toml=small)

    wanted = ArtifactFilter(key=ArtifactFilterKey(any_=["progress", "accuracy", "report"]))
    with get_client(sync_client=True) as client:
        found = client.read_artifacts(artifact_filter=wanted)
    newest = {one.key: one for one in sorted(found, key=lambda one: one.created)}
    assert newest["progress"].data == 100.0
    assert {row["model"] for row in json.loads(newest["accuracy"].data)} == {"base", "challenger"}
    assert "and promoted: " in newest["accuracy"].description
    assert str(result.as_json()["report"]) in newest["report"].data
