"""The share of a round's texts that ended at a length limit, and the setting that raises it."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from storage.records import Round
from tasks.rules.answers.finish_reasons import NATURAL

TOO_MANY = 0.05  # above it lengths decide what is accepted, and who looks better
# what a person sets to let the texts of a stage end by themselves
SETTING = {
    "adapted guideline": "synthesis.adapt.max_tokens",
    "structure": "synthesis.structure.max_tokens",
    "path": "synthesis.path.max_tokens",
    "held-out answer": "evaluation.sampling.max_tokens",
}


@dataclass(frozen=True)
class CutShare:
    """Of the texts of one stage and model, how many were cut."""

    stage: str
    model: str
    texts: int
    cut: int

    @property
    def share(self) -> float:
        return self.cut / self.texts if self.texts else 0.0


def cut_sql(round: Round) -> str:
    """Texts and cut ones by stage and model; a path counts by its own text, whatever closed it.

    Of held-out answers those count that decisions read: the first sample.
    """
    ends = ", ".join(f"'{one}'" for one in sorted(NATURAL))
    cut = f"lower(t.finish_reason) NOT IN ({ends})"
    # a path that was cut and then closed by a second request ended well only in form: `cut` says so
    tables = (
        ("adapted guideline", "adapted_guidelines", cut),
        ("structure", "structures", cut),
        ("path", "paths", f"coalesce(t.cut, false) OR {cut}"),
        ("held-out answer", "answers", cut),
    )
    parts = [
        f"SELECT {place} AS place, '{stage}' AS stage, m.name AS model, count(*) AS texts, "
        f"count(*) FILTER ({was_cut}) AS cut\n"
        f"FROM {table} AS t JOIN models AS m ON m.id = t.model_id WHERE t.round_id = '{round.id}' "
        f"{'AND t.sample = 0 ' * (table == 'answers')}GROUP BY m.name"
        for place, (stage, table, was_cut) in enumerate(tables)
    ]
    return (
        "SELECT stage, model, texts, cut, round(100 * cut / texts, 1) AS percent\nFROM ("
        + "\nUNION ALL ".join(parts)
        + ")\nORDER BY place, model"
    )


def cut_shares(rows: Iterable[Mapping[str, Any]]) -> list[CutShare]:
    """What the rows of `cut_sql` say."""
    return [
        CutShare(str(row["stage"]), str(row["model"]), int(row["texts"]), int(row["cut"]))
        for row in rows
    ]


def cut_warnings(shares: Sequence[CutShare]) -> list[str]:
    """One sentence per stage and model with more than TOO_MANY cut texts, with what to set."""
    return [
        f"{one.share:.0%} of {one.texts} {one.stage} texts of {one.model} were cut at their length"
        f" limit (at most {TOO_MANY:.0%} should be). Raise {SETTING[one.stage]}."
        for one in shares
        if one.share > TOO_MANY
    ]
