"""`regenesis doctor` says what is there, what is missing, and what to type."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from storage.environment import Environment
from tasks.doctor import diagnose, misfits
from tasks.engines.hardware import GIB, find_hardware
from tasks.engines.models.base_models import PreparedModel
from tasks.engines.models.model_files import supports_lora, weight_bytes
from tasks.engines.server.server_plan import CPU_PROCESS_BYTES
from tasks.prompt_files import prompts_of
from tasks.settings import ModelSettings, Settings, load_settings


def test_a_machine_without_the_fast_libraries_is_told_what_to_type(
    environment: Environment, monkeypatch: pytest.MonkeyPatch
) -> None:
    bare = replace(find_hardware(), tcmalloc=None, openmp=None, gpus=())
    monkeypatch.setattr("tasks.doctor.find_hardware", lambda: bare)

    findings = {finding.name: finding for finding in diagnose(environment, Settings())}

    assert findings["tcmalloc"].status == "missing"
    assert "apt-get install libtcmalloc-minimal4" in str(findings["tcmalloc"])
    assert not findings["tcmalloc"].blocks


def test_a_prepared_model_is_described(
    environment: Environment, prepared_model: PreparedModel
) -> None:
    settings = Settings(model=ModelSettings(name=str(prepared_model.folder)))

    found = {finding.name: finding for finding in diagnose(environment, settings)}

    assert "<|im_end|>" in found["Chat template"].found
    assert {found[name].status for name in ("Model", "Model licence", "LoRA", "Stop tokens")} == {
        "ok"
    }


def test_a_model_is_checked_for_memory_and_disk(
    environment: Environment, prepared_model: PreparedModel
) -> None:
    settings = load_settings("paper", overrides={"model": {"name": str(prepared_model.folder)}})

    found = {finding.name: finding for finding in diagnose(environment, settings)}

    assert "sequences at once" in found["Model memory"].found
    assert "full weights, kept each round" in found["Model disk"].found


@pytest.mark.parametrize(("precision", "status"), [("bfloat16", "ok"), ("float32", "problem")])
def test_memory_is_reckoned_in_the_precision_that_is_served(
    environment: Environment,
    prepared_model: PreparedModel,
    monkeypatch: pytest.MonkeyPatch,
    precision: str,
    status: str,
) -> None:
    # the server's processes and two bytes a parameter fit, four do not
    weights = weight_bytes(prepared_model.folder)
    room = CPU_PROCESS_BYTES + GIB + weights * 3 // 2
    machine = replace(find_hardware(), gpus=(), available_bytes=room)
    monkeypatch.setattr("tasks.doctor.find_hardware", lambda: machine)
    given = {"name": str(prepared_model.folder), "precision": precision}

    found = diagnose(environment, load_settings("embedded", overrides={"model": given}))

    assert {one.name: one.status for one in found}["Model memory"] == status


def test_a_preset_for_larger_models_is_named_with_the_one_to_take(
    environment: Environment, prepared_model: PreparedModel
) -> None:
    settings = load_settings("default", overrides={"model": {"name": str(prepared_model.folder)}})

    found = [
        str(finding) for finding in diagnose(environment, settings) if finding.name == "Preset"
    ]

    assert any("--preset embedded" in line for line in found)


def test_the_embedded_preset_fits_the_embedded_model(
    environment: Environment, prepared_model: PreparedModel
) -> None:
    settings = load_settings("embedded", overrides={"model": {"name": str(prepared_model.folder)}})

    assert misfits(settings, prompts_of(settings), prepared_model.folder) == []


def test_a_larger_model_under_the_embedded_preset_is_told(
    prepared_model: PreparedModel, tmp_path: Path
) -> None:
    (tmp_path / "config.json").write_text('{"dtype": "bfloat16", "max_position_embeddings": 32768}')
    with (tmp_path / "model.safetensors").open("wb") as weights:
        weights.truncate(2 * 494_000_000)  # a sparse file: nothing is written
    settings = load_settings("embedded", overrides={"model": {"name": str(tmp_path)}})

    (found,) = misfits(settings, prompts_of(settings), tmp_path)

    assert "0.49 billion parameters" in found
    assert "--preset default" in found


def test_a_disk_too_small_for_the_model_blocks(
    environment: Environment, prepared_model: PreparedModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tasks.doctor.ROUND_DISK_BYTES", 2**60)
    settings = Settings(model=ModelSettings(name=str(prepared_model.folder)))

    found = {finding.name: finding for finding in diagnose(environment, settings)}

    assert found["Model disk"].blocks
    assert "REGENESIS_HOME" in str(found["Model disk"])


def test_a_model_without_a_chat_template_blocks(
    environment: Environment, model_folder: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "base-model"
    folder.mkdir()
    for name in ("config.json", "tokenizer.json", "model.safetensors"):
        (folder / name).symlink_to(model_folder / name)

    findings = diagnose(environment, Settings(model=ModelSettings(name=str(folder))))

    assert any(finding.blocks and "instruct model" in finding.found for finding in findings)


def test_lora_support_is_read_from_vllm_itself() -> None:
    assert supports_lora(["LlamaForCausalLM"])
    assert supports_lora(["Qwen3ForCausalLM"])
    assert supports_lora(["NoSuchModel"]) is False


def test_findings_are_plain_enough_for_json(environment: Environment) -> None:
    assert json.dumps([vars(finding) for finding in diagnose(environment, Settings())])


@pytest.mark.parametrize(
    ("version", "said"), [(0, "no Landlock"), (3, "from Linux 6.7 on"), (7, "files and ports")]
)
def test_it_says_which_wall_there_is_around_a_user_s_sql(
    environment: Environment, monkeypatch: pytest.MonkeyPatch, version: int, said: str
) -> None:
    monkeypatch.setattr("tasks.doctor.wall_version", lambda: version)
    [found] = [one for one in diagnose(environment, Settings()) if one.name == "SQL's wall"]

    assert said in str(found)
    assert not found.blocks
