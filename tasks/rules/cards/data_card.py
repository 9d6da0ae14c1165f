"""The card of exported rows: what they are, how they were chosen, their sources, and their SQL."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from storage.records import Model, QuestionSet
from tasks.rules.cards.markdown import (
    cell,
    front_matter,
    hub_licence,
    hub_licences,
    size_category,
    table,
)

WHAT = (
    "Reasoning paths that a language model wrote for questions whose answers are known, made with"
    " ReGenesis. Their text is a model's: it is data, and nothing in it is an instruction."
)
PRIVATE = "**Private: do not publish this folder.** A source forbids redistribution: "
_SFT = (
    "  # prompt and completion are lists of messages:\n"
    "# trl.SFTTrainer renders them with its model's chat template and trains on the completion and"
    " its end of turn alone"
)
_LOADS = {
    "parquet": 'datasets.load_dataset("FOLDER", split="train")' + _SFT,
    "chat": 'datasets.load_dataset("FOLDER", split="train")' + _SFT,
    "datasets": 'datasets.load_from_disk("FOLDER")' + _SFT,
    "axolotl": (
        "# axolotl.yaml beside the rows holds the lines for a run's configuration; name its path"
        " for FOLDER\n# only the assistant's turn and its end are trained on: roles_to_train,"
        " train_on_eos"
    ),
    "llama-factory": (
        "# llamafactory-cli train ... dataset_dir=FOLDER dataset=regenesis   (see"
        " dataset_info.json)\n# only the assistant's turn is trained on, unless train_on_prompt"
        " is set"
    ),
    "preference": (
        'datasets.load_dataset("FOLDER", split="train")  # prompt, chosen, rejected: trl.DPOTrainer'
    ),
    "kto": (
        'datasets.load_dataset("FOLDER", split="train")  # prompt, completion, label:'
        " trl.KTOTrainer"
    ),
}
FILES = {
    "datasets": "",
    "chat": "train.jsonl",
    "axolotl": "train.jsonl",
    "llama-factory": "train.jsonl",
}
"""Where it is not train.parquet."""


@dataclass(frozen=True)
class Source:
    """A question set, and how many of the rows answer its questions."""

    question_set: QuestionSet
    rows: int


@dataclass(frozen=True)
class Base:
    """A base model that wrote some of the paths; its licence, or empty where nobody knows."""

    model: Model
    licence: str


@dataclass(frozen=True, kw_only=True)
class DataCard:
    """Everything that the card says."""

    title: str
    format: str
    rows: int
    hinted: int
    questions: int
    facts: Mapping[str, object]
    """Name -> value, in order: round, seed, ids."""
    filters: Mapping[str, object]
    left_out: Mapping[str, int] = field(default_factory=dict[str, int])
    """Reason -> paths that were not chosen."""
    sources: Sequence[Source]
    bases: Sequence[Base]
    sql: str

    def text(self) -> str:
        """The card, as README.md."""
        parts = [
            self._front_matter(),
            f"# {cell(self.title)}",
            self._private(),
            WHAT,
            table(("", ""), [*self._counts().items(), *self.facts.items()]),
            "## Sources",
            self._sources(),
            "## Base model",
            self._bases(),
            "## Filters",
            f"```json\n{json.dumps(self.filters, indent=2, ensure_ascii=False)}\n```",
            self._left_out(),
            "## SQL that made the rows",
            f"```sql\n{self.sql}\n```",
            "## Load",
            f"```python\n{_LOADS[self.format]}\n```",
        ]
        return "\n\n".join(part for part in parts if part) + "\n"

    def _front_matter(self) -> str:
        stated = sorted({source.question_set.licence for source in self.sources})
        licences = hub_licences(stated)
        file = FILES.get(self.format, "train.parquet")
        files = (
            [{"config_name": "default", "data_files": [{"split": "train", "path": file}]}]
            if file
            else []
        )
        return front_matter(
            {
                "license": licences,
                "license_name": ", ".join(stated) if licences == "other" else "",
                "pretty_name": self.title,
                "task_categories": ["text-generation"],
                "size_categories": [size_category(self.rows)],
                "tags": ["regenesis", "reasoning", "synthetic"],
                "base_model_licence": [hub_licence(base.licence) for base in self.bases],
                "private": True if self._private() else None,
                "configs": files,
            }
        )

    def _counts(self) -> dict[str, object]:
        share = self.hinted / self.rows if self.rows else 0.0
        return {
            "rows": self.rows,
            "questions": self.questions,
            "hinted rows (the chain was shown the reference answer)": (
                f"{self.hinted} ({share:.1%})"
            ),
        }

    def _private(self) -> str:
        named = [cell(one.name) for one in forbidding(self.sources)]
        return f"{PRIVATE}{', '.join(named)}." if named else ""

    def _sources(self) -> str:
        rows = [
            (
                one.name,
                one.domain,
                source.rows,
                one.licence or "unknown",
                one.citation or "unknown",
                "allowed" if one.redistributable else "forbidden",
                one.source,
                one.digest,
            )
            for source in self.sources
            for one in [source.question_set]
        ]
        heads = (
            "question set",
            "domain",
            "rows",
            "licence",
            "citation",
            "redistribution",
            "source",
            "digest",
        )
        return table(heads, rows)

    def _bases(self) -> str:
        rows = [
            (base.model.name, base.licence or "unknown", base.model.revision) for base in self.bases
        ]
        return table(("model", "licence", "digest of its weights"), rows)

    def _left_out(self) -> str:
        if not self.left_out:
            return ""
        return "Paths that were not chosen, by reason:\n\n" + table(
            ("reason", "paths"), list(self.left_out.items())
        )


def forbidding(sources: Sequence[Source]) -> list[QuestionSet]:
    """The sets among the sources that do not allow redistribution."""
    return [source.question_set for source in sources if not source.question_set.redistributable]
