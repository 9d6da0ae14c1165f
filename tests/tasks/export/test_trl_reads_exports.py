"""TRL itself on the exported folders.

What it learns is the completion with its end of turn, and nothing else.
"""

from pathlib import Path
from typing import Any

import pytest

from storage.environment import Environment
from storage.open_store import Store
from tasks.export.export_rows import export_rows
from tasks.export.wanted_rows import (
    Wanted,
    wanted_judged,
    wanted_pairs,
    wanted_paths,
    wanted_training_set,
)
from tests.fakes.judged_paths import judged_store
from tests.fakes.story_store import story_store
from tests.fakes.tiny_model import write_tiny_model

END = "<|im_end|>"


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    return story_store(tmp_path_factory.mktemp("trl") / "story.duckdb")


@pytest.fixture(scope="module")
def tiny(model_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Any, Any]:
    """A tiny model under the embedded model's tokenizer and chat template."""
    from transformers import AutoModelForCausalLM, AutoTokenizer

    folder = write_tiny_model(tmp_path_factory.mktemp("tiny") / "tiny", model_folder)
    return AutoModelForCausalLM.from_pretrained(folder), AutoTokenizer.from_pretrained(folder)


def exported(store: Store, wanted: Wanted, folder: Path, format: str) -> Any:
    import datasets

    datasets.disable_progress_bars()
    export_rows(
        store, wanted, folder / "out", Environment(folder / "home", "", (), None), format=format
    )
    if format == "datasets":
        return datasets.load_from_disk(str(folder / "out"))
    return datasets.load_dataset(
        str(folder / "out"), split="train", cache_dir=str(folder / "cache")
    )


@pytest.mark.parametrize("format", ["parquet", "chat", "datasets"])
@pytest.mark.parametrize("wanted_of", [wanted_training_set, wanted_paths])
def test_labels_are_exactly_the_completion_and_its_end_of_turn(
    format: str, wanted_of: Any, store: Store, tiny: tuple[Any, Any], tmp_path: Path
) -> None:
    from trl import SFTConfig, SFTTrainer

    model, tokenizer = tiny
    rows = exported(store, wanted_of(store), tmp_path, format)
    arguments = SFTConfig(
        output_dir=str(tmp_path / "run"), report_to=[], use_cpu=True, bf16=False, max_length=None
    )
    trainer = SFTTrainer(
        model=model, args=arguments, train_dataset=rows, processing_class=tokenizer
    )
    prepared = list(trainer.train_dataset)
    batch = trainer.data_collator(prepared)

    assert len(prepared) == len(rows)
    for row, ids, labels in zip(
        rows, batch["input_ids"].tolist(), batch["labels"].tolist(), strict=True
    ):
        learnt = tokenizer.decode([label for label in labels if label != -100])
        assert learnt.removesuffix("\n") == row["completion"][0]["content"] + END
        before = tokenizer.decode(
            [one for one, label in zip(ids, labels, strict=True) if label == -100]
        )
        assert row["prompt"][-1]["content"] in before
        assert row["completion"][0]["content"] not in before.replace(
            row["prompt"][-1]["content"], ""
        )


def test_dpo_prepares_the_pairs_as_they_are(tiny: tuple[Any, Any], tmp_path: Path) -> None:
    from trl import DPOConfig, DPOTrainer

    model, tokenizer = tiny
    store = judged_store(tmp_path)
    rows = exported(store, wanted_pairs(store), tmp_path, "preference")
    arguments = DPOConfig(
        output_dir=str(tmp_path / "run"), report_to=[], use_cpu=True, bf16=False, max_length=None
    )
    trainer = DPOTrainer(
        model=model, args=arguments, train_dataset=rows, processing_class=tokenizer
    )

    prepared = list(trainer.train_dataset)
    assert len(prepared) == len(rows) > 0
    for row, one in zip(rows, prepared, strict=True):
        for side in ("chosen", "rejected"):
            said = tokenizer.decode(
                one[f"{side}_ids" if f"{side}_ids" in one else f"{side}_input_ids"]
            )
            assert said.removesuffix("\n").endswith(row[side][0]["content"] + END)


def test_kto_prepares_the_labelled_paths_as_they_are(tiny: tuple[Any, Any], tmp_path: Path) -> None:
    from trl import KTOConfig, KTOTrainer

    model, tokenizer = tiny
    store = judged_store(tmp_path)
    rows = exported(store, wanted_judged(store), tmp_path, "kto")
    arguments = KTOConfig(
        output_dir=str(tmp_path / "run"), report_to=[], use_cpu=True, bf16=False, max_length=None
    )
    trainer = KTOTrainer(
        model=model, args=arguments, train_dataset=rows, processing_class=tokenizer
    )

    prepared = list(trainer.train_dataset)
    assert sorted(one["label"] for one in prepared) == sorted(row["label"] for row in rows)
    said = sorted(tokenizer.decode(one["completion_ids"]).removesuffix("\n") for one in prepared)
    assert said == sorted(row["completion"][0]["content"] + END for row in rows)
