"""The exact text that was sent for a generated record, made again from its parents by the function that sent it."""

from dataclasses import dataclass
from typing import TYPE_CHECKING
from uuid import UUID

from storage.environment import Environment
from storage.errors import InputError
from storage.lineage.lineage_tree import find_record
from storage.records import AdaptedGuideline, Answer, Guideline, Path, Prompt, Question, Round, Structure
from tasks.rules.ladder.prompts import Turns, asked, parse_prompt, shown_answer, wanted_form
from tasks.settings import ModelSettings, Settings

if TYPE_CHECKING:
    from storage.open_store import Store

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
            f"Only what a model wrote was asked for ({', '.join(GENERATED)}); {prefix!r} is in {found.table}."
        )
    row = store.get(GENERATED[found.table], found.id)
    prompt = store.get(Prompt, row.prompt_id) if row else None
    question = store.get(Question, row.question_id) if row else None
    if row is None or prompt is None or question is None:
        raise InputError(f"The prompt or question of {found.id} is not in the store. Run: regenesis storage check")
    values = {"question": asked(question), **_parents(store, row)}
    if row.hinted:
        values["answer"] = shown_answer(question)
    model = _model_of(store, row.round_id)
    template = parse_prompt(prompt.text).for_thinking(model.thinking)
    turns = template.fill(form=wanted_form(question), **values)
    return SentPrompt(turns, model, row.prompt_tokens, isinstance(row, Path) and row.closed)


def rendered(sent: SentPrompt, environment: Environment) -> str:
    """The text with the chat template's own tokens, as the server saw it."""
    from tasks.engines.models.base_models import prepare_model
    from tasks.engines.models.rendering import Renderer

    renderer = Renderer(prepare_model(sent.model, environment).folder, sent.model)
    return renderer.decode(renderer.prompt_ids(sent.turns))


def _parents(store: "Store", row: AdaptedGuideline | Structure | Path | Answer) -> dict[str, str]:
    """The texts of the chain above a row, by placeholder."""
    if isinstance(row, Answer):
        return {}
    guideline = store.get(Guideline, row.guideline_id) if row.guideline_id else None
    adapted = structure = None
    if isinstance(row, Structure | Path) and row.adapted_guideline_id:
        adapted = store.get(AdaptedGuideline, row.adapted_guideline_id)
    if isinstance(row, Path) and row.structure_id:
        structure = store.get(Structure, row.structure_id)
    advice = guideline.text if guideline else ""
    return {
        "guideline": advice,
        "adapted_guideline": adapted.text if adapted else advice,
        "structure": structure.text if structure else "",
    }


def _model_of(store: "Store", round_id: UUID | None) -> ModelSettings:
    record = store.get(Round, round_id) if round_id else None
    return Settings.model_validate_json(record.settings).model if record else ModelSettings()
