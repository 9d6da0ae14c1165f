"""What a night's outcome means for the next one, and how the morning reads it.

Pure: figures in, text out.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class RoundLine:
    """A row of the view `round_summary`; accuracies are of the gate part, read strictly."""

    round: int
    line: str
    status: str
    outcome: str
    reason: str
    questions: int
    paths: int
    correct_paths: int
    training_examples: int
    in_domain_before: float | None
    in_domain_after: float | None
    out_of_domain_before: float | None
    out_of_domain_after: float | None
    generated_tokens: int
    failed_requests: int
    seconds: float | None


@dataclass(frozen=True)
class RunLine:
    """A run as Prefect has it."""

    name: str
    deployment: str
    state: str
    message: str
    link: str
    is_well: bool


def reason_to_pause(outcomes: Sequence[str], pause_after: int, warnings: Sequence[str]) -> str:
    """Why no further night should run by itself, from a line's outcomes; empty if it should.

    The outcomes come oldest first.
    """
    if warnings:
        return f"The texts may be collapsing: {' '.join(warnings)}"
    newest = outcomes[-pause_after:]
    if len(newest) == pause_after and set(newest) == {"refused"}:
        return (
            f"The last {pause_after} rounds were refused, one after the other"
            " (gate.pause_after_refused)."
        )
    return ""


def summary_markdown(rounds: Sequence[RoundLine], runs: Sequence[RunLine], hours: float) -> str:
    """The last hours as Markdown: failures with their causes first, then gains and costs."""
    wrong = [run for run in runs if not run.is_well]
    parts = [f"# The last {hours:g} hours", _headline(rounds, runs, wrong)]
    if wrong:
        rows = [
            [f"[{cell(run.name)}]({run.link})", run.deployment, run.state, run.message]
            for run in wrong
        ]
        parts += [
            "## What went wrong",
            _table(["run", "deployment", "state", "cause"], rows, links=1),
        ]
    if rounds:
        parts += ["## Rounds", _table(_ROUND_COLUMNS, [_round_row(one) for one in rounds])]
    if runs:
        rows = [[run.name, run.deployment, run.state] for run in runs]
        parts += ["## Runs", _table(["run", "deployment", "state"], rows)]
    return "\n\n".join(parts) + "\n"


def cell(text: str) -> str:
    """Text of any origin as one cell of a Markdown table, with no markup in effect."""
    plain = "".join(sign if sign.isprintable() else " " for sign in text)
    return re.sub(r"([\\`*_\[\]<>|!#~$&])", r"\\\1", plain)[:600].strip()


# the columns of the table, in the order of `_round_row`
_ROUND_COLUMNS = [
    "round",
    "line",
    "outcome",
    "paths (correct)",
    "examples",
    "in domain",
    "out of domain",
    "tokens",
    "minutes",
    "why",
]


def _headline(
    rounds: Sequence[RoundLine], runs: Sequence[RunLine], wrong: Sequence[RunLine]
) -> str:
    decided = [one.outcome for one in rounds if one.outcome]
    tokens = sum(one.generated_tokens for one in rounds)
    words = (
        ", ".join(f"{decided.count(name)} {name}" for name in dict.fromkeys(decided))
        or "none decided"
    )
    return (
        f"{len(runs)} runs, {len(wrong)} of them went wrong. {len(rounds)} rounds: {words}."
        f" {tokens:,} tokens."
    )


def _round_row(one: RoundLine) -> list[str]:
    return [
        str(one.round),
        one.line,
        one.outcome or one.status,
        f"{one.paths} ({one.correct_paths})",
        str(one.training_examples),
        _change(one.in_domain_before, one.in_domain_after),
        _change(one.out_of_domain_before, one.out_of_domain_after),
        f"{one.generated_tokens:,}",
        f"{one.seconds / 60:.0f}" if one.seconds is not None else "",
        one.reason,
    ]


def _change(before: float | None, after: float | None) -> str:
    if before is None or after is None:
        return ""
    return f"{before:.1%} -> {after:.1%}"


def _table(head: Sequence[str], rows: Sequence[Sequence[str]], links: int = 0) -> str:
    """A table; the first `links` cells of each row are markup of our own."""
    lines = [head, ["---"] * len(head)]
    lines += [[*row[:links], *(cell(text) for text in row[links:])] for row in rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)
