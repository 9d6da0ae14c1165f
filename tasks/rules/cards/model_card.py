"""The card of exported weights: base, training set, both readings by domain, and licences."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from storage.records import Adapter, Evaluation, Model, Promotion, QuestionSet, TrainingSet
from tasks.rules.cards.markdown import cell, front_matter, hub_licence, table

DOMAINS = {"in_domain": "In domain", "out_of_domain": "Out of domain"}
READINGS = (
    "Strict: the answer stated as asked; the gate reads this. Lenient: the answer found anywhere at"
    " the end; much of a strict gain can be learning to state it. Accuracy with its 95 % interval"
    " (Wilson). `gate` is read by the decision on promotion, `final` by none."
)
# `owner/name`: only such a base can be linked
_HUB_NAME = re.compile(r"[\w-][\w.-]*/[\w-][\w.-]*")


@dataclass(frozen=True)
class Examined:
    """One part of a set in one round, read by this model and, where there is one, by its base."""

    round: int | None
    question_set: str
    own: Evaluation
    base: Evaluation | None


@dataclass(frozen=True, kw_only=True)
class ModelCard:
    """Everything that the card says."""

    model: Model
    adapter: Adapter
    base: Model
    base_licence: str
    base_source: str
    """The setting that named the base: a hub name, `embedded`, or a folder, which is not shown."""
    merged: bool
    training_set: TrainingSet | None
    round: int | None
    sources: Sequence[QuestionSet]
    examined: Sequence[Examined]
    decisions: Sequence[Promotion]

    def text(self) -> str:
        """The card, as README.md."""
        parts = [
            self._front_matter(),
            f"# {cell(self.model.name)}",
            self._what(),
            table(("", ""), self._facts()),
            "## Examination",
            *self._examination(),
            *self._decisions(),
            "## Questions it was trained on",
            self._sources(),
            "## Load",
            self._load(),
        ]
        return "\n\n".join(part for part in parts if part) + "\n"

    @property
    def whole(self) -> bool:
        """Whether the folder holds whole weights rather than an adapter."""
        return self.merged or self.adapter.kind == "full"

    def _front_matter(self) -> str:
        licence = hub_licence(self.base_licence)
        return front_matter(
            {
                "license": licence,
                "license_name": self.base_licence if licence == "other" else "",
                "base_model": (
                    self.base_source if _HUB_NAME.fullmatch(self.base_source) else self.base.name
                ),
                "library_name": "transformers" if self.whole else "peft",
                "pipeline_tag": "text-generation",
                "tags": ["regenesis", "reasoning", "self-improvement"],
            }
        )

    def _what(self) -> str:
        kind = (
            "Full weights"
            if self.adapter.kind == "full"
            else "A LoRA adapter" + (", merged" if self.merged else "")
        )
        return (
            f"{kind} for {cell(self.base.name)}, trained with ReGenesis on reasoning paths that the"
            " model wrote itself and that reached the right answer."
        )

    def _facts(self) -> list[tuple[str, object]]:
        chosen = self.training_set
        return [
            ("base model", self.base.name),
            ("base model's id", self.base.id),
            ("base model's licence", self.base_licence or "unknown"),
            ("digest of its weights", self.base.revision),
            ("adapter", self.adapter.id),
            ("digest of the adapter's files", self.adapter.digest),
            ("round", "none" if self.round is None else self.round),
            ("training set", self.adapter.training_set_id),
            ("training examples", chosen.examples if chosen else "unknown"),
            (
                "of them from chains that were shown the answer",
                chosen.hinted_examples if chosen else "unknown",
            ),
            ("seed of their choice", chosen.seed if chosen else "unknown"),
            ("tokens trained", self.adapter.tokens_trained),
            ("precision", self.adapter.precision),
        ]

    def _examination(self) -> list[str]:
        if not self.examined:
            return ["It has not been examined."]
        parts = [READINGS]
        for domain, title in DOMAINS.items():
            rows = [_figures(one) for one in self.examined if one.own.domain == domain]
            heads = (
                "part",
                "question set",
                "round",
                "questions",
                "base, strict",
                "this model, strict",
                "base, lenient",
                "this model, lenient",
            )
            parts += [f"### {title}", table(heads, rows) if rows else "Not examined."]
        return parts

    def _decisions(self) -> list[str]:
        lines = [
            f"- {one.outcome} (by {cell(one.decided_by)}): {cell(one.reasons)}"
            for one in self.decisions
        ]
        return ["## Decision", "\n".join(lines)] if lines else []

    def _sources(self) -> str:
        rows = [
            (one.name, one.licence or "unknown", one.citation or "unknown", _redistribution(one))
            for one in self.sources
        ]
        return table(("question set", "licence", "citation", "redistribution"), rows)

    def _load(self) -> str:
        if self.whole:
            code = (
                'transformers.AutoModelForCausalLM.from_pretrained("FOLDER")\n# or: vllm serve'
                " FOLDER"
            )
        else:
            code = (
                'peft.PeftModel.from_pretrained(base, "FOLDER")  # base: the model named above, by'
                " transformers\n# or: vllm serve BASE --enable-lora --lora-modules regenesis=FOLDER"
            )
        return f"```python\n{code}\n```"


def _figures(one: Examined) -> tuple[object, ...]:
    own, base = one.own, one.base
    return (
        own.part,
        one.question_set,
        "-" if one.round is None else one.round,
        own.questions,
        _strict(base) if base else "-",
        _strict(own),
        _lenient(base) if base else "-",
        _lenient(own),
    )


def _strict(row: Evaluation) -> str:
    return _share(row.strict_correct, row.questions, row.strict_low, row.strict_high)


def _lenient(row: Evaluation) -> str:
    return _share(row.lenient_correct, row.questions, row.lenient_low, row.lenient_high)


def _share(correct: int, questions: int, low: float, high: float) -> str:
    return f"{correct / questions:.1%} ({low:.1%} to {high:.1%})" if questions else "-"


def _redistribution(one: QuestionSet) -> str:
    return "allowed" if one.redistributable else "forbidden (of its questions)"
