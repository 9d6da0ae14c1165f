"""The step from the store to a model folder for others: an adapter or whole weights, with a card.

transformers, PEFT and vLLM load what comes out. Merging needs torch; the rest needs the light base
only.
"""

import json
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

from storage.environment import Environment
from storage.errors import InputError
from storage.lineage.lineage_tree import find_record
from storage.records import Adapter, Evaluation, Model, Promotion, QuestionSet, Round, TrainingSet
from tasks.engines.models.base_models import (
    EMBEDDED,
    known_licence,
    prepare_model,
    prepared_embedded,
)
from tasks.engines.models.merging import merge_adapter
from tasks.engines.models.model_files import folder_digest
from tasks.export.export_rows import CARD, Exported, said
from tasks.export.whole_folder import files_of, refuse_used_target, whole_folder
from tasks.rules.cards.model_card import Examined, ModelCard
from tasks.settings import ModelSettings

if TYPE_CHECKING:
    from storage.open_store import Store


def export_adapter(
    store: "Store",
    prefix: str,
    target: Path,
    environment: Environment,
    *,
    merged: bool = False,
    base_model: str = "",
    dry_run: bool = False,
) -> Exported:
    """Write the adapter, or with `merged` its whole weights.

    Raises InputError, with nothing written, where it can't.

    `base_model` (a folder or a hub name) replaces what the adapter's round says of its base. An
    adapter names its base so that others find it: by its hub name where it has one, else by its
    folder.
    """
    refuse_used_target(target)
    model, adapter = find_adapter(store, prefix)
    # everything that can fail is found out before the folder is begun
    stored = _stored(adapter, environment)
    base = base_of(store, adapter)
    settings = _base_settings(store, adapter, base_model)
    card = _card(store, model, adapter, base, settings, merged, environment)
    loads_from = _loads_from(settings, environment)
    merging = merged and adapter.kind == "lora"
    files = [CARD, *(["*.safetensors"] if merging else files_of(stored))]
    if not dry_run:
        with whole_folder(target) as folder:
            if merging:
                _merge(base, stored, folder, settings, environment)
            else:
                shutil.copytree(stored, folder)
                _name_base(folder, loads_from)
            (folder / CARD).write_text(card.text(), "utf-8")
            files = files_of(folder)
    return _exported(card, target, files, dry_run, "" if card.whole else loads_from)


def _loads_from(settings: ModelSettings, environment: Environment) -> str:
    """Where transformers loads the base from: a folder or a hub name; empty for neither."""
    if settings.name == EMBEDDED:
        try:
            return str(prepared_embedded(environment) or "")
        except InputError:  # the package that holds it is not installed
            return ""
    folder = Path(settings.name).expanduser()
    return str(folder.absolute()) if folder.is_dir() else settings.name


def _name_base(folder: Path, base: str) -> None:
    """Write the base into the adapter's configuration, from which PEFT's AutoPeftModel loads it."""
    file = folder / "adapter_config.json"
    if base and file.is_file():
        # peft reads the base's name from here; what the trainer wrote is a name of this store
        configuration = json.loads(file.read_text("utf-8")) | {"base_model_name_or_path": base}
        file.write_text(json.dumps(configuration, indent=2) + "\n", "utf-8")


def find_adapter(store: "Store", prefix: str) -> tuple[Model, Adapter]:
    """The adapter, and the model that it makes, by the id of either or its beginning."""
    found = find_record(store, prefix)
    models: list[Model] = []
    if found.table == "adapters":
        models = store.select(Model, adapter_id=found.id)
    elif found.table == "models":
        models = store.select(Model, id=found.id)
    adapter = store.get(Adapter, models[0].adapter_id) if models and models[0].adapter_id else None
    if adapter is None:
        what = "a base model, which has no adapter" if models else f"in {found.table}"
        raise InputError(
            f"--adapter takes the id of an adapter or of a model with one; {prefix!r} is {what}."
            ' They are listed by: regenesis sql "SELECT id, name, kind FROM adapters"'
        )
    return models[0], adapter


def base_of(store: "Store", adapter: Adapter) -> Model:
    """The base that the adapter was trained from."""
    base = store.get(Model, adapter.base_model_id)
    if base is None:
        raise InputError(
            f"Base model {adapter.base_model_id} of adapter {adapter.id} is not in the store. "
            "Run: regenesis storage check"
        )
    return base


def _stored(adapter: Adapter, environment: Environment) -> Path:
    """The adapter's folder; raises InputError when it is gone or no longer what was stored."""
    folder = environment.home / adapter.location
    if not folder.is_dir():
        raise InputError(
            f"The files of adapter {adapter.id} lie in {str(folder)!r}; there is no such folder."
            " Name their home with --home, or bring the folder back from a backup."
        )
    # what leaves the home must be what was evaluated and promoted
    digest = folder_digest(folder)
    if digest != adapter.digest:
        raise InputError(
            f"The files of adapter {adapter.id} have the SHA-256 {adapter.digest}; those in"
            f" {str(folder)!r} have {digest}. Somebody changed them; bring the folder back from a"
            " backup."
        )
    return folder


def _base_settings(store: "Store", adapter: Adapter, base_model: str) -> ModelSettings:
    """Which model the base was, by the settings of the round that trained on it."""
    if base_model:
        return ModelSettings(name=base_model)
    of_round = store.get(Round, adapter.round_id) if adapter.round_id else None
    settings: dict[str, Any] = json.loads(of_round.settings) if of_round else {}
    return ModelSettings.model_validate(settings.get("model", {}))


def _merge(
    base: Model, stored: Path, folder: Path, settings: ModelSettings, environment: Environment
) -> None:
    prepared = prepare_model(settings, environment)
    # the id holds weights, tokenizer and chat template: a base of the same name may be another
    # model
    if prepared.record.id != base.id:
        raise InputError(
            f"The adapter was trained on {base.name!r} ({base.id}); {settings.name!r} is"
            f" {prepared.record.name!r} ({prepared.record.id}). Name the folder of its base with"
            " --model."
        )
    try:
        merge_adapter(prepared.folder, stored, folder)
    except ImportError as error:
        raise InputError(
            f"--merged needs torch and safetensors, which are not installed here ({error}). Run:"
            " make setup, or export without --merged."
        ) from error


def _card(
    store: "Store",
    model: Model,
    adapter: Adapter,
    base: Model,
    settings: ModelSettings,
    merged: bool,
    environment: Environment,
) -> ModelCard:

    of_round = store.get(Round, adapter.round_id) if adapter.round_id else None
    return ModelCard(
        model=model,
        adapter=adapter,
        base=base,
        base_licence=known_licence(base, environment),
        base_source="" if Path(settings.name).is_dir() else settings.name,
        merged=merged,
        training_set=store.get(TrainingSet, adapter.training_set_id),
        round=of_round.number if of_round else None,
        sources=_sources(store, adapter),
        examined=examined(store, model, base),
        decisions=store.select(Promotion, challenger_model_id=model.id, order_by="created_at, id"),
    )


def _sources(store: "Store", adapter: Adapter) -> list[QuestionSet]:
    found = store.query(
        "SELECT DISTINCT q.question_set_id AS id FROM training_examples AS e JOIN questions AS q"
        " ON q.id = e.question_id WHERE e.training_set_id = ?",
        [adapter.training_set_id],
    )
    return store.select(QuestionSet, id=found["id"].to_pylist(), order_by="name, id")


def examined(store: "Store", model: Model, base: Model) -> list[Examined]:
    """Every reading of the model, each with the base's of the same round, set and part."""
    rows = store.select(Evaluation, model_id=[model.id, base.id], order_by="created_at, id")
    rounds = {one.id: one.number for one in store.select(Round)}
    sets = {
        one.id: one.name
        for one in store.select(QuestionSet, id=list({row.question_set_id for row in rows}))
    }
    of_base = {
        (row.round_id, row.question_set_id, row.part): row
        for row in rows
        if row.model_id == base.id
    }
    found = [
        Examined(
            rounds.get(row.round_id) if row.round_id else None,
            sets.get(row.question_set_id, "?"),
            row,
            of_base.get((row.round_id, row.question_set_id, row.part)),
        )
        for row in rows
        if row.model_id == model.id
    ]
    return sorted(found, key=lambda one: (one.own.part != "gate", one.question_set, one.round or 0))


def _exported(
    card: ModelCard, target: Path, files: list[str], dry_run: bool, base: str
) -> Exported:
    kind = "whole weights" if card.whole else "adapter"
    figures: dict[str, object] = {
        "folder": str(target),
        "files": files,
        "kind": kind,
        "adapter_id": card.adapter.id,
        "model": card.model.name,
        "training_set_id": card.adapter.training_set_id,
        "evaluations": len(card.examined),
        "written": not dry_run,
        "base": base,
    }
    here = (
        " (a folder of this machine: where it goes, name another with --model)"
        if Path(base).is_absolute()
        else ""
    )
    text = said(f"{card.model.name} ({kind})", target, files, dry_run) + (
        f"; its base is {base}{here}" if base else ""
    )
    return Exported(target, text, figures)
