"""The text that was sent for a generated record, made again by the function that sent it."""

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING
from uuid import UUID

from storage.environment import Environment
from storage.errors import InputError
from storage.lineage.lineage_tree import find_record
from storage.records import (
    AdaptedGuideline,
    Answer,
    Guideline,
    Path,
    Prompt,
    Question,
    Round,
    Structure,
)
from tasks.engines.models.base_models import prepare_model
from tasks.engines.models.rendering import Renderer
from tasks.rules.ladder.ladder import (
    Above,
    is_selection_head,
    selected_guidelines,
    values_of,
    values_of_selection,
)
from tasks.rules.ladder.prompts import Turns, ask_question, parse_prompt
from tasks.rules.ladder.requests import stands_below
from tasks.settings import ModelSettings, Settings

if TYPE_CHECKING:
    from storage.open_store import Store

Chained = AdaptedGuideline | Structure | Path
GENERATED = {kind.table: kind for kind in (AdaptedGuideline, Structure, Path, Answer)}


@dataclass(frozen=True)
class SentPrompt:
    """What was sent, as turns; `model` says how the chat template was used."""

    turns: Turns
    model: ModelSettings
    prompt_tokens: int
    closed: bool


def prompt_sent(store: "Store", prefix: str) -> SentPrompt:
    """The turns behind a record; raises InputError for a record that no model wrote."""
    found = find_record(store, prefix)
    if found.table not in GENERATED:
        raise InputError(
            f"Only what a model wrote was asked for ({', '.join(GENERATED)}); {prefix!r} is in"
            f" {found.table}."
        )
    row = store.get(GENERATED[found.table], found.id)
    prompt = store.get(Prompt, row.prompt_id) if row else None
    question = store.get(Question, row.question_id) if row else None
    if row is None or prompt is None or question is None:
        raise InputError(
            f"The prompt or question of {found.id} is not in the store. Run: regenesis storage"
            " check"
        )
    values = {} if isinstance(row, Answer) else _values(store, row, prompt, question)
    model = _model_of(store, row.round_id)
    template = parse_prompt(prompt.text).for_thinking(model.thinking)
    turns = ask_question(template, question, **values)
    return SentPrompt(turns, model, row.prompt_tokens, isinstance(row, Path) and row.closed)


def rendered(sent: SentPrompt, environment: Environment) -> str:
    """The text with the chat template's own tokens, as the server saw it."""
    renderer = Renderer(prepare_model(sent.model, environment).folder, sent.model)
    return renderer.decode(renderer.prompt_ids(sent.turns))


def _values(store: "Store", row: Chained, prompt: Prompt, question: Question) -> dict[str, str]:
    """What the row's stage showed beside its question, by placeholder."""
    if prompt.name == "select_guidelines":
        return values_of_selection(_listed(store, row))
    return values_of(_above(store, row), question, row.hinted)


def _above(store: "Store", row: Chained) -> Above:
    """The texts of the chain above a row."""
    adapted = structure = None
    if isinstance(row, Structure | Path) and row.adapted_guideline_id:
        adapted = store.get(AdaptedGuideline, row.adapted_guideline_id)
    if isinstance(row, Path) and row.structure_id:
        structure = store.get(Structure, row.structure_id)
    guideline = store.get(Guideline, row.guideline_id) if row.guideline_id else None
    advice = guideline.text if guideline else ""
    if guideline and is_selection_head(guideline):
        advice = _selected(store, guideline, adapted or structure or row)
    return Above(advice, adapted.text if adapted else "", structure.text if structure else "")


def _selected(store: "Store", head: Guideline, first: Chained) -> str:
    """The guidelines that the model selected for a chain; `first` is the row below them."""
    rows = store.select(
        AdaptedGuideline, question_id=first.question_id, guideline_id=head.id, draw=first.draw
    )
    for row in rows:
        if stands_below(first, first.table, (first.question_id, head.id, row.id)):
            return selected_guidelines(row.id, row.text, _listed(store, row))
    raise InputError(
        f"The selection of guidelines above {first.id} is not in the store. Run: regenesis storage"
        " check"
    )


def _listed(store: "Store", selection: Chained) -> list[Guideline]:
    """The guidelines that a selection was shown, in the order of their numbers."""
    ids = [UUID(text) for text in json.loads(selection.sampling).get("guidelines", [])]
    found = [store.get(Guideline, identity) for identity in ids]
    listed = [guideline for guideline in found if guideline]
    if not ids or len(listed) < len(ids):
        raise InputError(
            f"The list of guidelines that selection {selection.id} was shown is not in the store:"
            " versions before 0.2 did not keep it. What was sent for this chain cannot be shown."
        )
    return listed


def _model_of(store: "Store", round_id: UUID | None) -> ModelSettings:
    record = store.get(Round, round_id) if round_id else None
    return Settings.model_validate_json(record.settings).model if record else ModelSettings()
