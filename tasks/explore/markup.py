"""The pages of `regenesis explore` as markup: rows and stories in, HTML out.

Every text is escaped here.

What models and users wrote is hostile: it is shown as text, never as HTML, markdown, a link or a
terminal's command.
"""

import json
from collections.abc import Mapping, Sequence
from html import escape
from uuid import UUID

from storage.records import Answer, Verdict
from storage.sql.presenting import escaped
from tasks.explore.story import Branch, QuestionStory, Told
from tasks.rules.ladder.prompts import accepted

Row = Mapping[str, object]
VERDICTS = ("correct", "wrong", "unjudged")
_LONG, _UNFOLDED = 160, 2
_WRAPPED = 40  # characters from which a cell's text is broken over lines
_LONGEST = 20_000  # characters of one value on a page


def page(*parts: str) -> str:
    """Parts of a page, in the pages' own style."""
    return f'<div class="rg">{"".join(parts)}</div>'


def refusal(sentence: str) -> str:
    """A sentence that says what is off."""
    return f'<p class="refused">{plain(sentence)}</p>'


def said(text: str) -> str:
    """A text as it stands, lines kept; control characters and direction marks are made visible."""
    lines = "\n".join(map(plain, text.split("\n")))
    return f'<pre class="said">{lines}</pre>'


def plain(text: str) -> str:
    """A text in one line, as markup that shows it and does nothing else."""
    return escape(escaped(text))


def cell(value: object, digits: int = 3) -> str:
    """A value in one line: escaped, shortened, numbers as a person writes them."""
    if value is None:
        return '<span class="soft">-</span>'
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:,.{digits}g}" if abs(value) < 10**digits else f"{value:,.0f}"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, UUID):
        return f"<code>{str(value)[:8]}</code>"
    text = _text(value)
    return (
        badge(text)
        if text in VERDICTS
        else plain(text if len(text) <= _LONG else f"{text[:_LONG]}…")
    )


def _text(value: object) -> str:
    return (
        json.dumps(value, ensure_ascii=False, default=str)
        if isinstance(value, list | dict)
        else str(value)
    )


def title(text: str) -> str:
    """A heading; not an h3, which marimo would gather into an outline next to the page."""
    return f'<div class="title" role="heading" aria-level="3">{plain(text)}</div>'


def badge(verdict: str) -> str:
    """A verdict, coloured and named."""
    return f'<span class="badge {verdict if verdict in VERDICTS else ""}">{escape(verdict)}</span>'


def table(rows: Sequence[Row], leave_out: Sequence[str] = (), digits: int = 3) -> str:
    """Rows as a table, or a sentence where there are none; long texts wrap, longer ones unfold."""
    if not rows:
        return '<p class="soft">No rows here. Change the filters.</p>'
    names = [name for name in rows[0] if name not in leave_out]
    head = "".join(f"<th>{plain(name.replace('_', ' '))}</th>" for name in names)
    body = "".join(f"<tr>{''.join(_td(row[name], digits) for name in names)}</tr>" for row in rows)
    return (
        "<div"
        f' class="scroll"><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>'
    )


def _td(value: object, digits: int) -> str:
    if isinstance(value, int | float) and not isinstance(value, bool):
        return f"<td class=number>{cell(value, digits)}</td>"
    length = len(_text(value)) if isinstance(value, str | list | dict) else 0
    if length <= _WRAPPED:
        return f"<td>{cell(value)}</td>"
    if length <= _LONG:
        return f"<td class=long>{cell(value)}</td>"
    unfolded = said(_text(value)[:_LONGEST])
    return f"<td class=long><details><summary>{cell(value)}</summary>{unfolded}</details></td>"


def statement(sql: str) -> str:
    """The SQL that gave what stands above it, folded."""
    return f'<details class="sql"><summary>SQL</summary>{said(sql)}</details>'


def story_markup(story: QuestionStory) -> str:
    """The question, its tree, and the answers of evaluations."""
    question = story.question
    parts = [
        f'<p class="soft">{_place(story)} · <code>{question.id}</code></p>',
        said(question.text),
        *(
            [said("\n".join(f"{chr(65 + n)}. {one}" for n, one in enumerate(question.choices)))]
            if question.choices
            else []
        ),
        f"<p>Reference answer: <strong>{plain(accepted(question)) or 'none'}</strong></p>",
        *(_branch(branch, unfolded=number < _UNFOLDED) for number, branch in enumerate(story.tree)),
    ]
    if story.left_out:
        parts.append(
            f'<p class="soft">and {story.left_out:,} more paths; choose a round to see them.</p>'
        )
    if story.answers:
        parts += [
            title("Answers in evaluations"),
            *(_answer(model, answer) for model, answer in story.answers),
        ]
    return "\n".join(parts)


def _place(story: QuestionStory) -> str:
    question, source = story.question, story.source
    return (
        f"{plain(source.name)} · {plain(question.part)} · row {plain(question.source_row_id)} of"
        f" {plain(source.source)}"
    )


def _branch(branch: Branch, *, unfolded: bool) -> str:
    inside = "".join(_branch(one, unfolded=True) for one in branch.branches) + "".join(
        map(told_markup, branch.paths)
    )
    found = _verdicts_below(branch)
    tally = " ".join(
        f"{badge(verdict)} {found.count(verdict)}" for verdict in VERDICTS if verdict in found
    )
    text = said(branch.text) if branch.text else ""
    return (
        f'<details class="branch"{" open" if unfolded else ""}><summary><b>{branch.kind}</b> '
        f"{plain(branch.name)} {tally}</summary>{text}{inside}</details>"
    )


def _verdicts_below(branch: Branch) -> list[str]:
    own = [one.counts.verdict if one.counts else "unjudged" for one in branch.paths]
    return own + [verdict for one in branch.branches for verdict in _verdicts_below(one)]


def told_markup(one: Told) -> str:
    """A path with its text, its verdicts and what it taught."""
    path = one.path
    marks = [mark for mark, is_so in (("hinted", path.hinted), ("closed", path.closed)) if is_so]
    taught = f'<p class="soft">Taught: {plain(", ".join(one.taught))}</p>' if one.taught else ""
    about = [path.strategy, *marks, f"{path.completion_tokens} tokens", path.finish_reason]
    verdicts = "".join(_verdict(verdict, counts=verdict == one.counts) for verdict in one.verdicts)
    return (
        '<div class="path"><p><b>path</b>'
        f" {badge(one.counts.verdict if one.counts else 'not judged yet')} "
        f"{escape(' · '.join(about))} <code>{path.id}</code></p>{said(path.text)}"
        f"{verdicts}{taught}</div>"
    )


def _verdict(verdict: Verdict, *, counts: bool) -> str:
    who = f"{verdict.verifier} ({verdict.rater})" if verdict.rater else verdict.verifier
    read = f", read {verdict.extracted!r}" if verdict.extracted is not None else ""
    words = plain(f"{verdict.reason}, says {who}{read}")
    return (
        f'<p class="verdict">{badge(verdict.verdict)}'
        f" {words}{' <b>(counts)</b>' if counts else ''}</p>"
    )


def _answer(model: str, answer: Answer) -> str:
    return (
        f'<details class="branch"><summary>{badge(answer.strict_verdict)} {plain(model)}, draw'
        f" {answer.draw}</summary>{said(answer.text)}</details>"
    )


def side_by_side(row: Row, names: tuple[str, str]) -> str:
    """Two models' answers to one question, side by side; on a phone one below the other."""
    columns = "".join(
        f'<div class="path"><p><b>{plain(name)}</b> {badge(str(row[f"{which}_verdict"]))} <span'
        ' class="soft">read'
        f" {cell(row[f'{which}_extracted'])}</span></p>{said(str(row[f'{which}_text']))}</div>"
        for which, name in zip(("first", "second"), names, strict=True)
    )
    return (
        f"{said(str(row['question']))}<p>Reference answer:"
        f" <strong>{plain(str(row['reference_answer']))}"
        f'</strong></p><div class="pair">{columns}</div>'
    )


def rejected_markup(row: Row) -> str:
    """A path that was not taken, its question, and the answer that was read from it."""
    head = (
        f"{plain(str(row['question_set']))}, round {cell(row['round'])}, {cell(row['guideline'])}"
    )
    return (
        f'<div class="path"><p class="soft">{head},'
        f" <code>{row['path_id']}</code></p>{said(str(row['question']))}"
        f"<p>Reference answer: <strong>{cell(row['reference_answer'])}</strong>, read "
        f"<strong>{cell(row['extracted'])}</strong></p>{said(str(row['path']))}</div>"
    )
