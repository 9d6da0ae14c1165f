"""The report step: an HTML file per round, and the short table that ends it in a terminal.

Static: no script, no network; every text that a model or a user wrote is escaped. Needs the light
base only.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from importlib import resources
from pathlib import Path
from string import Template
from typing import TYPE_CHECKING

from storage.records import Evaluation, Model, Promotion, QuestionSet, Round
from storage.sql.presenting import in_columns
from storage.whole_file import write_whole
from tasks.reports.figure import Figure, sql_of
from tasks.reports.round_figures import figures_of

if TYPE_CHECKING:
    from storage.open_store import Store

ROLES = ("base", "champion", "challenger")
WRAPPED = 40
"""Characters from which a cell's text is broken over lines."""
MOST_ROWS = 16
"""A longer table is folded away: on a phone nobody scrolls past it."""


@dataclass(frozen=True)
class Report:
    """A round's report as one page.

    Each figure with a drawing is a page of its own, too, by the figure's name.
    """

    page: str
    plots: Mapping[str, str]


def write_report(report: Report, round: Round, folder: Path) -> Path:
    """Write the round's report into `folder`, replacing an older one whole; return its path."""
    folder.mkdir(parents=True, exist_ok=True)
    target = report_file(round, folder)
    write_whole(target, report.page)
    return target


def report_file(round: Round, folder: Path) -> Path:
    """Where the round's report lies in `folder`."""
    return folder / f"round-{round.number}.html"


def draw_report(store: "Store", round: Round) -> Report:
    """Every figure of the round, asked and drawn once."""
    with store.reading():
        round = store.get(Round, round.id) or round
        figures = figures_of(round, _challenger_id(store, round), str(round.champion_model_id))
        sections = {figure.name: section_html(store, figure) for figure in figures}
        page = _page(store, round, "\n".join(sections.values()))
    head = Template(_template().partition("<body>")[0] + "<body>$body</body></html>")
    plots = {
        figure.name: head.substitute(title=escape(figure.title), body=sections[figure.name])
        for figure in figures
        if figure.chart
    }
    return Report(page, plots)


def _page(store: "Store", round: Round, body: str) -> str:
    promotions = store.select(Promotion, round_id=round.id, order_by="created_at, id")
    gate = next((one for one in promotions if one.decided_by == "gate"), None)
    people = [one for one in promotions if one.decided_by != "gate"]
    reasons = gate.reasons if gate else round.reason or "The round has not come so far."
    verdict, colour = _last_word(promotions)
    sentence, rest = first_sentence(reasons)
    return Template(_template()).substitute(
        title=escape(f"Round {round.number}: {round.outcome or round.status}"),
        subtitle=escape(_subtitle(store, round)),
        outcome=escape(colour),
        verdict=escape(verdict),
        sentence=escape(sentence),
        reasons=escape(rest),
        people="".join(
            f"<p><strong>{escape(one.decided_by)}</strong>: {escape(one.reasons)}</p>"
            for one in people
        ),
        body=body,
    )


def first_sentence(text: str) -> tuple[str, str]:
    """What the box of a report says in large letters, and what follows it."""
    end = text.find(". ") + 1 or len(
        text
    )  # figures have a point too, and no blank behind it: 37.5 %
    return text[:end], text[end:]


def _last_word(promotions: Sequence[Promotion]) -> tuple[str, str]:
    """What holds in the end, and its colour: a person's word stands above the gate's."""
    if not promotions:
        return "The gate has not decided", "none"
    first, last = promotions[0], promotions[-1]
    by = "" if last.decided_by == "gate" else f" by {last.decided_by}"
    if (
        last.challenger_model_id != first.challenger_model_id
    ):  # another model was made champion in its place
        return f"Challenger taken back{by}", "refused"
    return f"Challenger {last.outcome}{by}", last.outcome


def shown(value: object) -> str:
    """A cell as the report shows it."""
    if value is None:
        return "-"
    if isinstance(value, float):
        return f"{value:.4f}".rstrip("0").rstrip(".") if abs(value) < 1e15 else f"{value:g}"
    return str(value)


def accuracy_rows(store: "Store", round: Round) -> list[dict[str, object]]:
    """One row per set, part and model: questions, both accuracies with their intervals."""
    rows = store.select(
        Evaluation, round_id=round.id, order_by="part desc, domain, question_set_id, role"
    )
    sets = {
        one.id: one.name
        for one in store.select(QuestionSet, id=list({row.question_set_id for row in rows}))
    }
    return [
        {
            "part": row.part,
            "domain": row.domain,
            "question set": sets[row.question_set_id],
            "model": row.role,
            "questions": row.questions,
            "strict": f"{row.strict_correct / row.questions:.1%}",
            "strict interval": f"{row.strict_low:.1%} to {row.strict_high:.1%}",
            "lenient": f"{row.lenient_correct / row.questions:.1%}",
            "lenient interval": f"{row.lenient_low:.1%} to {row.lenient_high:.1%}",
        }
        for row in rows
    ]


def round_table(store: "Store", round: Round) -> str:
    """Before and after per set, for a terminal: strict and lenient accuracy on the gate part."""
    rows = store.select(Evaluation, round_id=round.id, part="gate")
    sets = {
        one.id: one.name
        for one in store.select(QuestionSet, id=list({row.question_set_id for row in rows}))
    }
    if not rows:
        return f"Round {round.number} has no evaluation yet."
    roles = [role for role in ROLES if any(row.role == role for row in rows)]
    lines = [
        [
            "",
            "set",
            "n",
            *(f"{role} {reading}" for reading in ("strict", "lenient") for role in roles),
        ]
    ]
    for domain, title in (("in_domain", "in domain"), ("out_of_domain", "out of domain")):
        ours = [row for row in rows if row.domain == domain]
        named = sorted({row.question_set_id for row in ours}, key=lambda one: sets[one])
        for one in named:
            lines.append(
                _table_row(
                    title, sets[one], [row for row in ours if row.question_set_id == one], roles
                )
            )
        if len(named) > 1:
            lines.append(_table_row(title, "all", ours, roles))
    return "\n".join(in_columns(lines))


def harness_table(store: "Store", round: Round) -> list[str]:
    """Our figure next to another harness's per set, model and reading, as lines."""
    rows = store.query(sql_of("other_harness", round)).to_pylist()
    return [
        f"{row['question_set']} {row['role']} {row['reading']}: "
        f"ours {row['ours']:.1%}, {row['source']} {row['theirs']:.1%}"
        for row in rows
    ]


def _table_row(
    title: str, name: str, rows: Sequence[Evaluation], roles: Sequence[str]
) -> list[str]:
    cells: list[str] = []
    questions = 0
    for reading in ("strict_correct", "lenient_correct"):
        for role in roles:
            ours = [row for row in rows if row.role == role]
            questions = sum(row.questions for row in ours)
            right = sum(int(getattr(row, reading)) for row in ours)
            cells.append(f"{right / questions:.1%}" if questions else "-")
    return [title, name, str(questions), *cells]


def _template() -> str:
    return resources.files("tasks.reports").joinpath("templates/report.html").read_text("utf-8")


def _challenger_id(store: "Store", round: Round) -> str:
    """The challenger by its evaluation, or empty before there is one."""
    found = store.select(Evaluation, round_id=round.id, role="challenger")
    return str(found[0].model_id) if found else ""


def _subtitle(store: "Store", round: Round) -> str:
    champion = store.get(Model, round.champion_model_id)
    parts = [round.line, f"seed {round.seed}", f"began {round.started_at:%Y-%m-%d %H:%M} UTC"]
    if round.finished_at:
        parts.append(
            f"took {(round.finished_at - round.started_at).total_seconds() / 60:.1f} minutes"
        )
    parts.append(
        f"champion when it began: {champion.name if champion else round.champion_model_id}"
    )
    return " · ".join(parts)


def section_html(store: "Store", figure: Figure) -> str:
    """A figure with its note, drawing, rows and SQL."""
    rows: Sequence[Mapping[str, object]] = store.query(figure.sql).to_pylist()
    heading = f"<h2>{escape(figure.chapter)}</h2>\n" if figure.chapter else ""
    chart = figure.chart(rows) if figure.chart and rows else ""
    return (
        f'{heading}<section class="figure" id="{figure.name}"><h3>{escape(figure.title)}</h3>\n'
        f'<p class="soft">{escape(figure.note)}</p>\n{chart}{_rows(figure, rows)}\n'
        "<details><summary>SQL</summary>"
        f'<pre class="sql">{escape(figure.sql)}</pre></details></section>'
    )


def _rows(figure: Figure, rows: Sequence[Mapping[str, object]]) -> str:
    if not rows:
        return '<p class="soft">None.</p>'
    if figure.shape == "cards":
        return "\n".join(_card(row) for row in rows)
    table = table_html(rows)
    folded = figure.chart or len(rows) > MOST_ROWS
    return (
        f"<details><summary>Figures ({len(rows)} rows)</summary>{table}</details>"
        if folded
        else table
    )


def table_html(rows: Sequence[Mapping[str, object]]) -> str:
    """Rows as a table; nothing of none."""
    if not rows:
        return ""
    head = "".join(f"<th>{escape(name.replace('_', ' '))}</th>" for name in rows[0])
    lines = ["".join(map(_td, row.values())) for row in rows]
    body = "".join(f"<tr>{line}</tr>" for line in lines)
    return f'<div class="scroll"><table><tr>{head}</tr>{body}</table></div>'


def _td(value: object) -> str:
    text = shown(value)
    return f"<td{' class=long' if len(text) > WRAPPED else ''}>{escape(text)}</td>"


def _card(row: Mapping[str, object]) -> str:
    cells = "".join(
        f"<dt>{escape(name.replace('_', ' '))}</dt><dd>{escape(shown(value))}</dd>"
        for name, value in row.items()
    )
    return f"<dl>{cells}</dl>"
