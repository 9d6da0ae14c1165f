"""Which rows are one step away from a record, up and down, and how each is shown."""

from collections.abc import Mapping
from dataclasses import dataclass
from uuid import UUID

# How a record shows itself: a short label and its text, as SQL over its own columns.
LABELS: dict[str, tuple[str, str]] = {
    "question_sets": ("name || ' (' || domain || ')'", "source"),
    "questions": (
        "part || ' ' || source_row_id",
        "text || ' -> ' || concat_ws(' or ', answer, array_to_string(other_answers, ' or '))",
    ),
    "guidelines": ("name", "text"),
    "prompts": ("name", "text"),
    "models": ("name", "''"),
    "adapted_guidelines": ("'draw ' || draw || if(hinted, ', hinted', '')", "text"),
    "structures": ("'draw ' || draw || if(hinted, ', hinted', '')", "text"),
    "paths": ("strategy || ', draw ' || draw || if(hinted, ', hinted', '')", "text"),
    "verdicts": (
        "verdict || ' (' || reason || ') by ' || verifier || ' ' || verifier_version",
        "coalesce(extracted, '')",
    ),
    "selections": ("if(kept, 'kept', 'not kept: ' || reason)", "''"),
    "training_sets": ("method || ', ' || examples || ' examples'", "''"),
    "training_examples": ("'position ' || position", "prompt || ' -> ' || completion"),
    "adapters": ("name", "location"),
    "answers": ("strict_verdict || ' (' || reason || ')'", "text"),
    "evaluations": ("role || ', ' || part || ': ' || strict_correct || ' of ' || questions", "''"),
    "evaluation_figures": (
        "name || ' ' || reading || ' (' || source || '): ' || round(value, 4)",
        "''",
    ),
    "promotions": ("outcome || ', ' || state", "reasons"),
    "rounds": ("'round ' || number || ', ' || status", "reason"),
    "failed_requests": ("stage || ': ' || reason", "message"),
    "comparisons": ("name || ', ' || status", "''"),
    "pools": ("strategy || ', draw ' || draw || ': ' || paths || ' paths'", "''"),
    "trials": (
        "method || ', seed ' || seed || ', round ' || iteration || ', rate ' || learning_rate",
        "''",
    ),
    "comparison_figures": (
        "name || ' ' || method || ' ' || scope || ': ' || round(value, 4)",
        "''",
    ),
}


@dataclass(frozen=True)
class Step:
    """From a row to rows of another table: where `column` there equals `key` here.

    A leaf is shown, not followed.
    """

    table: str
    column: str = "id"
    key: str = "id"
    leaf: bool = False
    where: str = ""


# a leaf: following the model up from each of its texts would show the whole store
_WRITTEN_BY = (Step("models", key="model_id", leaf=True),)
UP: dict[str, tuple[Step, ...]] = {
    "questions": (Step("question_sets", key="question_set_id"),),
    "adapted_guidelines": (
        Step("guidelines", key="guideline_id"),
        Step("questions", key="question_id"),
        *_WRITTEN_BY,
    ),
    "structures": (
        Step("adapted_guidelines", key="adapted_guideline_id"),
        Step("guidelines", key="guideline_id"),
        Step("questions", key="question_id"),
        *_WRITTEN_BY,
    ),
    "paths": (
        Step("structures", key="structure_id"),
        Step("adapted_guidelines", key="adapted_guideline_id"),
        Step("guidelines", key="guideline_id"),
        Step("questions", key="question_id"),
        *_WRITTEN_BY,
    ),
    "verdicts": (Step("paths", key="path_id"),),
    "selections": (
        Step("paths", key="path_id"),
        Step("training_sets", key="training_set_id", leaf=True),
    ),
    "training_examples": (Step("paths", key="path_id"),),
    "training_sets": (
        Step("training_examples", "training_set_id"),
        Step("rounds", key="round_id", leaf=True),
    ),
    "adapters": (
        Step("training_sets", key="training_set_id"),
        Step("adapters", key="parent_adapter_id"),
        Step("models", key="base_model_id", leaf=True),
    ),
    "models": (Step("adapters", key="adapter_id"),),
    "answers": (Step("questions", key="question_id"), Step("models", key="model_id")),
    "evaluations": (
        Step("models", key="model_id"),
        Step("question_sets", key="question_set_id", leaf=True),
    ),
    "evaluation_figures": (Step("evaluations", key="evaluation_id"),),
    "promotions": (
        Step("models", key="challenger_model_id"),
        Step("models", key="champion_model_id", leaf=True),
        Step("rounds", key="round_id", leaf=True),
    ),
    "rounds": (Step("models", key="champion_model_id", leaf=True),),
    "failed_requests": (Step("questions", key="question_id"),),
    "comparisons": (Step("models", key="base_model_id", leaf=True),),
    "pools": _WRITTEN_BY,
    "trials": (
        Step("training_sets", key="training_set_id"),
        Step("pools", key="pool_id", leaf=True),
        Step("comparisons", key="comparison_id", leaf=True),
        Step("models", key="model_id", leaf=True),
    ),
    "comparison_figures": (Step("comparisons", key="comparison_id"),),
}
_NO_ADAPTATION, _NO_STRUCTURE = "adapted_guideline_id IS NULL", "structure_id IS NULL"
DOWN: dict[str, tuple[Step, ...]] = {
    "question_sets": (Step("questions", "question_set_id"), Step("evaluations", "question_set_id")),
    "questions": (
        Step("adapted_guidelines", "question_id"),
        Step("structures", "question_id", where=_NO_ADAPTATION),
        Step("paths", "question_id", where=f"{_NO_ADAPTATION} AND {_NO_STRUCTURE}"),
        Step("answers", "question_id"),
        Step("failed_requests", "question_id"),
    ),
    "guidelines": (
        Step("adapted_guidelines", "guideline_id"),
        Step("structures", "guideline_id", where=_NO_ADAPTATION),
    ),
    "prompts": (Step("paths", "prompt_id"), Step("answers", "prompt_id")),
    "adapted_guidelines": (
        Step("structures", "adapted_guideline_id"),
        Step("paths", "adapted_guideline_id", where=_NO_STRUCTURE),
    ),
    "structures": (Step("paths", "structure_id"),),
    "paths": (
        Step("verdicts", "path_id"),
        Step("selections", "path_id"),
        Step("training_examples", "path_id"),
    ),
    "training_examples": (Step("training_sets", key="training_set_id"),),
    "training_sets": (Step("adapters", "training_set_id"),),
    "adapters": (Step("models", "adapter_id"), Step("adapters", "parent_adapter_id")),
    "models": (Step("evaluations", "model_id"), Step("promotions", "challenger_model_id")),
    "rounds": (
        Step("training_sets", "round_id"),
        Step("adapters", "round_id", leaf=True),
        Step("promotions", "round_id"),
    ),
    "comparisons": (Step("trials", "comparison_id"),),
}

# Tables whose rows have the draw of the chain they belong to: between them a known draw narrows the
# search.
SHARE_DRAW = frozenset(
    {"adapted_guidelines", "structures", "paths", "verdicts", "selections", "training_examples"}
)


def keys_of(table: str) -> list[str]:
    """Columns that a step from or to a row of this table starts at, its id first."""
    return ["id", *sorted({step.key for way in (UP, DOWN) for step in way.get(table, ())} - {"id"})]


def steps_from(
    table: str, keys: Mapping[str, UUID | None], way: dict[str, tuple[Step, ...]]
) -> list[Step]:
    """The steps from a row, without those that a nearer parent leads to as well.

    A path with a structure reaches its question through it.
    """
    chain = ("structure_id", "adapted_guideline_id")
    steps = [step for step in way.get(table, ()) if keys.get(step.key) is not None]
    for place, column in enumerate(chain):
        if keys.get(column) is not None:
            covered = {*chain[place + 1 :], "guideline_id", "question_id"}
            return [step for step in steps if step.key not in covered]
    return steps
