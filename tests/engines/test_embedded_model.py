"""Base models on disk: prepared once, named by content, licence known."""

import hashlib
import shutil
from pathlib import Path

import pytest

from storage.environment import Environment
from storage.errors import InputError
from tasks.engines.models.base_models import PreparedModel, describe_model, find_gguf, licence_of, prepare_model
from tasks.settings import ModelSettings


def test_the_embedded_model_is_found_without_importing_its_package() -> None:
    gguf, digest = find_gguf()

    assert gguf.name == "SmolLM2-135M-Instruct.Q4_1.gguf"
    assert digest == hashlib.sha256(gguf.read_bytes()).hexdigest()


def test_the_prepared_model_states_name_and_licence(prepared_model: PreparedModel) -> None:
    assert (prepared_model.record.name, prepared_model.licence) == ("SmolLM2-135M-Instruct", "apache-2.0")


def test_the_same_weights_elsewhere_are_the_same_model(
    prepared_model: PreparedModel, environment: Environment, tmp_path: Path
) -> None:
    copy = shutil.copytree(prepared_model.folder, tmp_path / "elsewhere")

    assert prepare_model(ModelSettings(name=str(copy)), environment).record.id == prepared_model.record.id


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
    monkeypatch.setattr("tasks.engines.models.base_models.file_digest", lambda file: pytest.fail(f"read {file}"))  # pyright: ignore

    assert describe_model(prepared_model.folder, environment) == first


@pytest.mark.parametrize("name", ["/no/such/folder", "no-such-model", "a/b/c"])
def test_a_model_that_is_nowhere_is_refused_with_what_it_can_be(name: str, environment: Environment) -> None:
    with pytest.raises(InputError, match=r"hub name such as .* Set model\.name"):
        prepare_model(ModelSettings(name=name), environment)


def test_a_folder_without_weights_is_refused(tmp_path: Path, environment: Environment) -> None:
    with pytest.raises(InputError, match=r"config\.json and \*\.safetensors"):
        describe_model(tmp_path, environment)


def test_a_licence_is_read_from_the_model_card(tmp_path: Path) -> None:
    (tmp_path / "README.md").write_text("---\nlicense: mit\n---\n# Model\n", "utf-8")

    assert licence_of(tmp_path) == "mit"
