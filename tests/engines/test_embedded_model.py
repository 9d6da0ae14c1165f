"""Base models on disk: prepared once, named by content, licence known."""

import hashlib
import json
import shutil
from pathlib import Path
from types import SimpleNamespace

import pytest

from storage.environment import Environment
from storage.errors import InputError
from tasks.engines.models.base_models import (
    PreparedModel,
    describe_model,
    find_gguf,
    licence_of,
    prepare_model,
)
from tasks.engines.models.convert_gguf import stated_licence
from tasks.engines.models.model_files import refuse_quantised
from tasks.settings import ModelSettings


def test_the_embedded_model_is_found_without_importing_its_package() -> None:
    gguf, digest = find_gguf()

    assert gguf.name == "SmolLM2-135M-Instruct.Q4_1.gguf"
    assert digest == hashlib.sha256(gguf.read_bytes()).hexdigest()


def test_the_prepared_model_states_name_and_licence(prepared_model: PreparedModel) -> None:
    assert (prepared_model.record.name, prepared_model.licence) == (
        "SmolLM2-135M-Instruct",
        "apache-2.0",
    )


def test_the_same_weights_elsewhere_are_the_same_model(
    prepared_model: PreparedModel, environment: Environment, tmp_path: Path
) -> None:
    copy = shutil.copytree(prepared_model.folder, tmp_path / "elsewhere")

    assert (
        prepare_model(ModelSettings(name=str(copy)), environment).record.id
        == prepared_model.record.id
    )


def test_another_chat_template_makes_another_model(
    prepared_model: PreparedModel, environment: Environment, tmp_path: Path
) -> None:
    copy = shutil.copytree(prepared_model.folder, tmp_path / "elsewhere")
    (copy / "chat_template.jinja").write_text("{{ messages }}", "utf-8")

    assert describe_model(copy, environment).record.id != prepared_model.record.id


def test_a_second_look_reads_no_weights(
    prepared_model: PreparedModel, environment: Environment, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = describe_model(prepared_model.folder, environment)
    monkeypatch.setattr(
        "tasks.engines.models.base_models.file_digest", lambda file: pytest.fail(f"read {file}")
    )

    assert describe_model(prepared_model.folder, environment) == first


@pytest.mark.parametrize("name", ["/no/such/folder", "no-such-model", "a/b/c"])
def test_a_model_that_is_nowhere_is_refused_with_what_it_can_be(
    name: str, environment: Environment
) -> None:
    with pytest.raises(InputError, match=r"hub name such as .* Set model\.name"):
        prepare_model(ModelSettings(name=name), environment)


def test_a_folder_without_weights_is_refused(tmp_path: Path, environment: Environment) -> None:
    with pytest.raises(InputError, match=r"config\.json and \*\.safetensors"):
        describe_model(tmp_path, environment)


def test_a_licence_is_read_from_the_model_card(tmp_path: Path) -> None:
    (tmp_path / "README.md").write_text("---\nlicense: mit\n---\n# Model\n", "utf-8")

    assert licence_of(tmp_path) == "mit"


def test_a_gguf_file_is_converted_once_and_known_by_its_digest(
    prepared_model: PreparedModel,
    environment: Environment,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    conversions: list[list[str]] = []

    def convert(command: list[str], **_: object) -> SimpleNamespace:
        conversions.append(command)
        shutil.copytree(prepared_model.folder, command[-1])
        return SimpleNamespace(returncode=0)

    monkeypatch.setattr("tasks.engines.models.base_models.subprocess.run", convert)
    first, other = tmp_path / "tiny-q4.gguf", tmp_path / "copy.gguf"
    first.write_bytes(b"GGUF and weights")
    other.write_bytes(b"GGUF and other weights")

    found = [
        prepare_model(ModelSettings(name=str(one)), environment) for one in (first, first, other)
    ]

    digest = hashlib.sha256(first.read_bytes()).hexdigest()[:12]
    assert found[0] == found[1]
    assert found[0].folder == environment.models / f"tiny-q4-{digest}"
    assert found[0].record.id == prepared_model.record.id
    assert [command[-2] for command in conversions] == [str(first), str(other)]


def test_a_file_that_is_no_gguf_is_refused_by_its_first_bytes(
    environment: Environment, tmp_path: Path
) -> None:
    (tmp_path / "model.bin").write_bytes(b"\x80\x02 a pickle")
    with pytest.raises(InputError, match="begins with b'GGUF'"):
        prepare_model(ModelSettings(name=str(tmp_path / "model.bin")), environment)


def test_the_packaged_gguf_states_its_licence() -> None:
    assert stated_licence(find_gguf()[0]) in ("", "apache-2.0")


@pytest.mark.parametrize("method", ["awq", "gptq", "fp8", "compressed-tensors"])
def test_quantised_weights_are_named_and_not_trained_on(tmp_path: Path, method: str) -> None:
    (tmp_path / "config.json").write_text(
        json.dumps({"quantization_config": {"quant_method": method}}), "utf-8"
    )
    with pytest.raises(InputError, match=method):
        refuse_quantised(tmp_path, "Qwen/some")


def test_weights_that_are_not_quantised_are_trained_on(prepared_model: PreparedModel) -> None:
    refuse_quantised(prepared_model.folder, "some")
