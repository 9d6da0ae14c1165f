"""Weights leave as they were stored or merged, loadable by transformers and PEFT, with a card of
their figures.
"""

import json
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from storage.environment import Environment
from storage.errors import InputError
from storage.open_store import Store
from storage.records import Adapter, Evaluation, Model, Promotion, QuestionSet, Round
from tasks.engines.models.base_models import describe_model
from tasks.engines.models.model_files import folder_digest
from tasks.export.export_adapter import export_adapter
from tests.fakes.story_store import story_store
from tests.fakes.tiny_model import write_tiny_model
from tests.storage.examples import make, uid
from tests.storage.story import RIDDLES, SUMS, round_id

LORA: dict[str, Any] = {
    "peft_type": "LORA",
    "task_type": "CAUSAL_LM",
    "r": 4,
    "lora_alpha": 8,
    "lora_dropout": 0.0,
    "bias": "none",
    "target_modules": ["down_proj", "q_proj"],
    "base_model_name_or_path": "tiny",
    "inference_mode": True,
}


def write_lora(folder: Path) -> Path:
    """A LoRA adapter with random weights for the tiny model, as PEFT stores it."""
    import torch
    from safetensors.torch import save_file

    folder.mkdir(parents=True)
    chance = torch.Generator().manual_seed(1)
    tensors: dict[str, torch.Tensor] = {}
    for layer in range(2):
        for module, inputs in (("self_attn.q_proj", 32), ("mlp.down_proj", 64)):
            name = f"base_model.model.model.layers.{layer}.{module}"
            tensors[f"{name}.lora_A.weight"] = torch.randn(4, inputs, generator=chance)
            tensors[f"{name}.lora_B.weight"] = torch.randn(32, 4, generator=chance)
    save_file(tensors, str(folder / "adapter_model.safetensors"), metadata={"format": "pt"})
    (folder / "adapter_config.json").write_text(json.dumps(LORA), "utf-8")
    return folder


class Place:
    """The story in a home where its last adapter's files lie, trained on a tiny base."""

    def __init__(self, home: Path, tokenizer_folder: Path) -> None:
        self.environment = Environment(home, f"duckdb:///{home / 'regenesis.duckdb'}", (), None)
        self.store: Store = story_store(home / "regenesis.duckdb")
        self.base = describe_model(
            write_tiny_model(home / "models" / "tiny", tokenizer_folder), self.environment
        )
        self.lora = write_lora(home / "adapters" / "lora")
        self.full = home / "adapters" / "full"
        self.full.mkdir()
        for name, text in (
            ("config.json", "{}"),
            ("model.safetensors", "weights"),
            ("tokenizer.json", "{}"),
        ):
            (self.full / name).write_text(text, "utf-8")
        last = self.store.select(Round, id=round_id(3))[0]
        model = {"model": {"name": str(self.base.folder)}}
        self.store.update(
            replace(last, settings=json.dumps(model), base_model_id=self.base.record.id)
        )
        self.adapter = self._adapter("lora", "lora", self.lora)
        self.whole = self._adapter("full", "full", self.full)

    def _adapter(self, key: str, kind: Any, folder: Path) -> Adapter:
        adapter = make(
            Adapter,
            key,
            kind=kind,
            location=str(folder.relative_to(self.environment.home)),
            digest=folder_digest(folder),
            base_model_id=self.base.record.id,
            round_id=round_id(3),
            name=kind,
            tokens_trained=12,
            training_set_id=self.store.select(Adapter, id=uid(Adapter, 3))[0].training_set_id,
        )
        model = make(
            Model,
            key,
            name=f"tiny+{kind}",
            base_model_id=self.base.record.id,
            adapter_id=adapter.id,
        )
        figures = {
            "questions": 8,
            "strict_correct": 2,
            "lenient_correct": 6,
            "part": "gate",
            "round_id": round_id(3),
        }
        rows = [
            make(
                Evaluation,
                (key, one.name, own.name),
                question_set_id=one.id,
                domain=one.domain,
                model_id=own.id,
                **figures,
            )
            for one in (SUMS, RIDDLES)
            for own in (model, self.base.record)
        ]
        decision = make(
            Promotion,
            key,
            challenger_model_id=model.id,
            outcome="inconclusive",
            decided_by="gate",
            reasons="Too few.",
        )
        self.store.append([self.base.record, adapter, model, *rows, decision])
        return adapter

    def export(self, adapter: Adapter, target: Path, **options: Any) -> dict[str, object]:
        return export_adapter(
            self.store, str(adapter.id), target, self.environment, **options
        ).figures


@pytest.fixture(scope="module")
def place(model_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Place:
    return Place(tmp_path_factory.mktemp("home"), model_folder)


def bytes_of(folder: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in folder.iterdir() if file.name != "README.md"}


@pytest.mark.engine
def test_merged_weights_answer_as_the_adapter_upon_its_base(place: Place, tmp_path: Path) -> None:
    import torch
    from peft import PeftModel
    from transformers import AutoModelForCausalLM, AutoTokenizer

    place.export(place.adapter, tmp_path / "lora")
    place.export(place.adapter, tmp_path / "merged", merged=True)

    tokenizer = AutoTokenizer.from_pretrained(str(tmp_path / "merged"))
    turns = [{"role": "user", "content": "What is 2 + 2?"}]
    ids = tokenizer.apply_chat_template(
        turns, add_generation_prompt=True, return_tensors="pt", return_dict=True
    )
    with torch.no_grad():
        base = AutoModelForCausalLM.from_pretrained(str(place.base.folder))
        plain = base(**ids).logits
        adapted = PeftModel.from_pretrained(base, str(tmp_path / "lora"))(**ids).logits
        merged = AutoModelForCausalLM.from_pretrained(str(tmp_path / "merged"))(**ids).logits
    torch.testing.assert_close(merged, adapted, atol=1e-4, rtol=1e-4)
    assert (plain - adapted).abs().max() > 1e-3


@pytest.mark.parametrize("base", ["", "owner/tiny"])
def test_an_adapter_leaves_as_it_was_stored_but_for_a_base_that_is_found(
    base: str, place: Place, tmp_path: Path
) -> None:
    figures = place.export(place.adapter, tmp_path / "out", base_model=base)

    named = {"base_model_name_or_path": base or str(place.base.folder)}
    left, stored = bytes_of(tmp_path / "out"), bytes_of(place.lora)
    assert (
        json.loads(left.pop("adapter_config.json"))
        == json.loads(stored.pop("adapter_config.json")) | named
    )
    assert left == stored
    assert figures["base"] == named["base_model_name_or_path"]
    assert figures["files"] == ["README.md", "adapter_config.json", "adapter_model.safetensors"]


@pytest.mark.parametrize("merged", [False, True])
def test_full_weights_are_copied_whole(merged: bool, place: Place, tmp_path: Path) -> None:
    figures = place.export(place.whole, tmp_path / "out", merged=merged)

    assert bytes_of(tmp_path / "out") == bytes_of(place.full)
    assert figures["kind"] == "whole weights"


@pytest.mark.engine
def test_peft_finds_the_base_of_an_exported_adapter_by_itself(place: Place, tmp_path: Path) -> None:
    from peft import AutoPeftModelForCausalLM

    place.export(place.adapter, tmp_path / "out")
    assert (
        AutoPeftModelForCausalLM.from_pretrained(str(tmp_path / "out")).num_parameters() > 1_000_000
    )


def test_merged_weights_come_with_tokenizer_and_chat_template(place: Place, tmp_path: Path) -> None:
    place.export(place.adapter, tmp_path / "out", merged=True)

    for name in ("tokenizer.json", "tokenizer_config.json", "chat_template.jinja", "config.json"):
        assert (tmp_path / "out" / name).read_bytes() == (place.base.folder / name).read_bytes()
    assert not (tmp_path / "out" / "adapter_config.json").exists()
    assert [one.name for one in tmp_path.iterdir()] == ["out"]


def test_the_card_says_base_training_set_figures_decision_and_sources(
    place: Place, tmp_path: Path
) -> None:
    place.export(place.adapter, tmp_path / "out")

    card = (tmp_path / "out" / "README.md").read_text("utf-8")
    front = yaml.safe_load(card.split("\n---", 1)[0])
    inside, outside = card.split("### In domain")[1].split("### Out of domain")
    assert (front["base_model"], front["library_name"]) == ("tiny", "peft")
    assert f"| training set | {place.adapter.training_set_id} |" in card
    assert "| gate | sums | 3 | 8 | 25.0%" in inside
    assert "75.0%" in inside
    assert "| gate | riddles | 3 | 8 | 25.0%" in outside
    assert "- inconclusive (by gate): Too few." in card
    assert "| sums | CC BY-SA 4.0 | Doe, Sums, 2026 | allowed |" in card
    assert str(place.environment.home) not in card


def test_another_base_is_refused_and_leaves_nothing(
    place: Place, model_folder: Path, tmp_path: Path
) -> None:
    with pytest.raises(InputError, match=r"was trained on 'tiny'.*--model"):
        place.export(place.adapter, tmp_path / "out", merged=True, base_model=str(model_folder))

    assert list(tmp_path.iterdir()) == []


def test_files_that_were_changed_are_refused(place: Place, tmp_path: Path) -> None:
    changed = replace(place.adapter, id=uid(Adapter, "changed"), digest="0" * 64)
    place.store.append([changed, make(Model, "changed", adapter_id=changed.id)])

    with pytest.raises(InputError, match=r"Somebody changed them"):
        place.export(changed, tmp_path / "out")


def test_files_that_are_gone_are_refused(place: Place, tmp_path: Path) -> None:
    gone = replace(place.adapter, id=uid(Adapter, "gone"), location="adapters/gone")
    place.store.append([gone, make(Model, "gone", adapter_id=gone.id)])

    with pytest.raises(InputError, match=r"no such folder.*--home"):
        place.export(gone, tmp_path / "out")


def test_an_id_of_another_thing_is_refused_by_what_it_is(place: Place, tmp_path: Path) -> None:
    for id, said in ((place.base.record.id, "base model"), (SUMS.id, QuestionSet.table)):
        with pytest.raises(InputError, match=said):
            export_adapter(place.store, str(id), tmp_path / "out", place.environment)


def test_a_dry_run_writes_nothing(place: Place, tmp_path: Path) -> None:
    figures = place.export(place.adapter, tmp_path / "out", merged=True, dry_run=True)

    assert (figures["written"], list(tmp_path.iterdir())) == (False, [])


def test_merging_without_torch_says_what_to_do(
    place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "safetensors", None)

    with pytest.raises(InputError, match=r"needs torch.*without --merged"):
        place.export(place.adapter, tmp_path / "out", merged=True)

    assert list(tmp_path.iterdir()) == []
