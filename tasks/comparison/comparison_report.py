"""The report of a comparison: one HTML page, each figure with the SQL that gives it.

Static: no script, no network; every text of a model, a file or a user is escaped.
"""

from collections.abc import Sequence
from html import escape
from importlib import resources
from pathlib import Path
from string import Template

from storage.whole_file import write_whole
from tasks.comparison.comparison_report_figures import comparison_figures
from tasks.comparison.contest import Contest
from tasks.comparison.methods import builtin_methods
from tasks.comparison.others_figures import (
    Published,
    beside_ours,
    differences_of_setting,
    read_published,
)
from tasks.comparison.pool import draw_of
from tasks.comparison.words import collapse_lines, findings, reviewers_questions
from tasks.reports.round_report import first_sentence, section_html, table_html
from tasks.rules.comparison.methods import citations


def write_comparison_report(contest: Contest, folder: Path, published: Path | None = None) -> Path:
    """Write the report into `folder`; an older one of the comparison is replaced whole.

    Returns its path.
    """
    theirs = read_published(published) if published else []
    folder.mkdir(parents=True, exist_ok=True)
    target = folder / f"comparison-{str(contest.record.id)[:8]}.html"
    with contest.store.reading():
        page = comparison_html(contest, theirs)
    write_whole(target, page)
    return target


def comparison_html(contest: Contest, theirs: Sequence[Published] = ()) -> str:
    """The report as one page."""
    settings, record = contest.settings, contest.record
    sentence, rest = first_sentence(findings(contest))
    page = Template(
        resources.files("tasks.reports").joinpath("templates/report.html").read_text("utf-8")
    )
    subtitle = " · ".join(
        [
            contest.base.name,
            f"seeds {contest.seeds[0]} to {contest.seeds[-1]}",
            f"matched by {settings.comparison.match}",
            f"began {record.started_at:%Y-%m-%d %H:%M} UTC",
        ]
    )
    return page.substitute(
        title=escape(f"Comparison {record.name}"),
        subtitle=escape(subtitle),
        outcome="compared",
        verdict="What the table says",
        sentence=escape(sentence),
        reasons=escape(rest),
        people="",
        body=_body_html(contest, theirs),
    )


def _body_html(contest: Contest, theirs: Sequence[Published]) -> str:
    """Figures, warnings, what a reviewer asks, published figures, methods and settings."""
    figures = comparison_figures(contest.record.id, [draw_of(seed) for seed in contest.seeds])
    words = "".join(
        f"<h3>{escape(question)}</h3><p>{escape(answer)}</p>"
        for question, answer in reviewers_questions(contest)
    )
    methods = citations(builtin_methods(), contest.settings.comparison.methods)
    settings = f'<pre class="sql">{escape(contest.record.settings)}</pre>'
    return "\n".join(
        [
            *(section_html(contest.store, figure) for figure in figures),
            _collapse_html(contest),
            f"<h2>What these data can answer</h2>{words}",
            *([_published_html(contest, theirs)] if theirs else []),
            f"<h2>Methods</h2>{table_html(methods)}",
            f"<details><summary>Settings</summary>{settings}</details>",
        ]
    )


def _collapse_html(contest: Contest) -> str:
    listed = "".join(f"<li>{escape(line)}</li>" for line in collapse_lines(contest))
    return f"<h2>What the collapse watch said</h2><ul>{listed}</ul>" if listed else ""


def _published_html(contest: Contest, theirs: Sequence[Published]) -> str:
    listed = "".join(f"<li>{escape(line)}</li>" for line in differences_of_setting(contest, theirs))
    return (
        '<h2>Published figures beside ours</h2><p class="soft">Of other models, splits, prompts'
        " and readings: not a"
        f" comparison.</p>{table_html(beside_ours(contest, theirs))}<ul>{listed}</ul>"
    )
