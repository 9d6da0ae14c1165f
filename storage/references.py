"""Which column of which table names the id of which other table: the edges of the lineage."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Reference:
    """`child.column` holds the id of a row of `parent`, or null."""

    child: str
    column: str
    parent: str


# every generated text names these
_GENERATED = (
    ("question_id", "questions"),
    ("model_id", "models"),
    ("prompt_id", "prompts"),
    ("round_id", "rounds"),
)

# The one list of edges: the view lineage_links, the check for dangling parents and the lineage's
# steps are made from it.
_COLUMNS: dict[str, tuple[tuple[str, str], ...]] = {
    "questions": (("question_set_id", "question_sets"),),
    "models": (("base_model_id", "models"), ("adapter_id", "adapters")),
    "adapted_guidelines": (*_GENERATED, ("guideline_id", "guidelines")),
    "structures": (
        *_GENERATED,
        ("guideline_id", "guidelines"),
        ("adapted_guideline_id", "adapted_guidelines"),
    ),
    "paths": (
        *_GENERATED,
        ("guideline_id", "guidelines"),
        ("adapted_guideline_id", "adapted_guidelines"),
        ("structure_id", "structures"),
    ),
    "verdicts": (("path_id", "paths"),),
    "selections": (
        ("training_set_id", "training_sets"),
        ("path_id", "paths"),
        ("verdict_id", "verdicts"),
    ),
    "training_sets": (("round_id", "rounds"),),
    "training_examples": (
        ("training_set_id", "training_sets"),
        ("path_id", "paths"),
        ("question_id", "questions"),
    ),
    "adapters": (
        ("training_set_id", "training_sets"),
        ("base_model_id", "models"),
        ("parent_adapter_id", "adapters"),
        ("round_id", "rounds"),
    ),
    "answers": _GENERATED,
    "evaluations": (
        ("round_id", "rounds"),
        ("model_id", "models"),
        ("question_set_id", "question_sets"),
    ),
    "evaluation_figures": (("evaluation_id", "evaluations"), ("round_id", "rounds")),
    "promotions": (
        ("round_id", "rounds"),
        ("challenger_model_id", "models"),
        ("champion_model_id", "models"),
    ),
    "rounds": (("base_model_id", "models"), ("champion_model_id", "models")),
    "failed_requests": (("question_id", "questions"), ("round_id", "rounds")),
    "comparisons": (("base_model_id", "models"),),
    "pools": (("model_id", "models"),),
    "trials": (
        ("comparison_id", "comparisons"),
        ("pool_id", "pools"),
        ("training_set_id", "training_sets"),
        ("adapter_id", "adapters"),
        ("model_id", "models"),
        ("prompt_id", "prompts"),
    ),
    "comparison_figures": (("comparison_id", "comparisons"),),
}

REFERENCES: tuple[Reference, ...] = tuple(
    Reference(child, column, parent)
    for child, columns in _COLUMNS.items()
    for column, parent in columns
)
