"""What each page of `regenesis explore` shows.

Filters come in; markup and the options of the page's choices go out.

An option's label is what a person picks by, its value an id. Labels are shown by the browser as
plain text.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, cast
from uuid import UUID

from storage.environment import read_environment
from storage.errors import ReGenesisError
from storage.open_store import open_store
from storage.sql.presenting import escaped
from storage.sql.sandbox import first_rows, schema_text
from tasks.explore import asking
from tasks.explore.asking import Change, Chosen, Solved, rows_of
from tasks.explore.markup import (
    Row,
    page,
    refusal,
    rejected_markup,
    said,
    side_by_side,
    statement,
    story_markup,
    table,
    title,
)
from tasks.explore.story import question_story
from tasks.reports.drawing import bar_chart, line_chart

if TYPE_CHECKING:
    from storage.open_store import Store

PAGES = ("Rounds", "Questions", "Guidelines", "Rejects", "Models", "Rate", "SQL")
FILTERED = ("Questions", "Guidelines", "Rejects", "Models", "Rate")
ALL = "all"
CHANGE_OPTIONS = {ALL: "", **{one: one for one in asking.CHANGES if one}}
FIRST_SQL = "SELECT * FROM round_summary ORDER BY round"
# characters of a text in a list to choose from: one line of it
_SHORT = 90


@dataclass(frozen=True)
class Listed:
    """Options to pick from (label to value), the label of the first, and the words above them."""

    options: dict[str, str]
    markup: str = ""
    rows: tuple[Row, ...] = ()

    @property
    def first(self) -> str | None:
        return next(iter(self.options), None)


@dataclass(frozen=True)
class Models:
    """Models by name, and the two that a comparison begins with.

    Those are champion and challenger of the newest round.
    """

    options: dict[str, str]
    first: str | None
    second: str | None


def opened() -> "Store":
    """The store for all reading here; it holds the file only for the moment of a question."""
    return open_store(read_environment().store_url)


def chosen(draw: str, question_set: str) -> Chosen:
    """The shared filters from the values of their choices."""
    return Chosen(int(draw) if draw else None, question_set)


def round_options(store: "Store") -> dict[str, str]:
    """All, then the rounds, newest first."""
    rows = store.query("SELECT number FROM rounds ORDER BY number DESC")
    return {ALL: "", **{f"round {number}": str(number) for number in rows["number"].to_pylist()}}


def newest_round(store: "Store", page: str) -> str:
    """The first choice of a round: the newest one on pages of single texts, else all."""
    options = list(round_options(store))
    return options[1] if page in ("Questions", "Rejects", "Rate") and len(options) > 1 else ALL


def set_options(store: "Store") -> dict[str, str]:
    """All, then the question sets by name."""
    names = store.query("SELECT DISTINCT name FROM question_sets ORDER BY name")["name"].to_pylist()
    return {ALL: "", **{_label(name): name for name in names}}


def rounds(store: "Store") -> str:
    """Accuracy over rounds in domain and outside, what was accepted, and a row per round."""
    sql = asking.rounds_sql()
    rows = rows_of(store, sql)
    charts = [
        f"<div>{title(f'{name}, strict accuracy of the gate')}{_curves(store, domain)}</div>"
        for name, domain in (("In domain", "in_domain"), ("Out of domain", "out_of_domain"))
    ]
    bars = [
        {"round": f"round {row['round']}", **{key: row[key] for key in ("paths", "correct_paths")}}
        for row in rows
    ]
    chart = bar_chart(bars[-12:], "round", "paths", "correct_paths")
    charts.append(f"<div>{title('Paths, and of them correct')}{chart}</div>")
    return page(
        f'<div class="charts">{"".join(charts)}</div>', title("Rounds"), table(rows), statement(sql)
    )


def questions(store: "Store", chosen: Chosen, part: str, solved: str, contains: str) -> Listed:
    """Questions to pick from, at most 200, the newest round first."""
    sql = asking.questions_sql(chosen, part, cast("Solved", solved), contains)
    rows = rows_of(store, sql)
    options = {
        _label(
            f"{number}. {row['question_set']}, round {row['draw']}, "
            f"{row['correct_paths']} of {row['paths']} right: {row['question']}"
        ): f"{row['question_id']} {row['draw']}"
        for number, row in enumerate(rows, 1)
    }
    shown = table(rows[:50], leave_out=("question_id",))
    return Listed(
        options,
        f"<details><summary>{len(rows)} questions as a"
        f" table</summary>{shown}</details>{statement(sql)}",
    )


def question(store: "Store", value: str | None, chosen: Chosen, listed: Listed) -> str:
    """A question's whole tree."""
    if not value:
        return page('<p class="soft">No question fits these filters.</p>', listed.markup)
    id, _, draw = value.partition(" ")
    return page(story_markup(question_story(store, UUID(id), int(draw))), listed.markup)


def guidelines(store: "Store", chosen: Chosen) -> str:
    """The leaderboard, drawn and in figures."""
    sql = asking.guidelines_sql(chosen)
    rows = rows_of(store, sql)
    drawn = [{**row, "guideline": _label(str(row["guideline"]))} for row in rows]
    chart = bar_chart(drawn, "guideline", "attempts", "correct")
    return page(
        title("Attempts of each guideline, and of them correct"), chart, table(rows), statement(sql)
    )


def rejects(store: "Store", chosen: Chosen) -> Listed:
    """Why paths were not taken, and the reasons to pick from."""
    sql = asking.rejects_sql(chosen)
    rows = rows_of(store, sql)
    options = {str(row["reason"]): str(row["reason"]) for row in rows}
    drawn = bar_chart(rows, "reason", "paths") if rows else ""
    return Listed(
        options,
        page(
            title("Paths that no training set took, by reason"), drawn, table(rows), statement(sql)
        ),
    )


def rejected(store: "Store", chosen: Chosen, reason: str | None) -> str:
    """Some paths that were not taken for a reason."""
    if not reason:
        return ""
    sql = asking.rejected_sql(chosen, reason)
    shown = [rejected_markup(row) for row in rows_of(store, sql)]
    return page(*shown, statement(sql))


def models(store: "Store") -> Models:
    """The models that have answered, the newest first."""
    options: dict[str, str] = {}
    for row in rows_of(store, asking.models_sql()):
        label = _label(str(row["name"]))
        options[label if label not in options else f"{label} {str(row['id'])[:8]}"] = str(row["id"])
    by_id = {id: label for label, id in options.items()}
    roles = {
        row["role"]: by_id.get(str(row["model_id"]))
        for row in rows_of(store, asking.newest_roles_sql())
    }
    names = [*options, None, None]
    return Models(
        options,
        roles.get("champion") or roles.get("base") or names[1],
        roles.get("challenger") or names[0],
    )


def pairs(
    store: "Store", first: str | None, second: str | None, chosen: Chosen, change: str
) -> Listed:
    """How two models' answers differ, and the questions to pick from."""
    if not first or not second or first == second:
        return Listed(
            {},
            page(
                '<p class="soft">Choose two different models that answered the same questions.</p>'
            ),
        )
    ids = UUID(first), UUID(second)
    counted, sql = (
        asking.changes_sql(*ids, chosen),
        asking.pairs_sql(*ids, chosen, cast("Change", change)),
    )
    rows = rows_of(store, sql)
    options = {
        _label(f"{number}. {row['question_set']}, {_arrow(row)}: {row['question']}"): str(number)
        for number, row in enumerate(rows, 1)
    }
    return Listed(
        options,
        page(table(rows_of(store, counted)), statement(counted), statement(sql)),
        tuple(rows),
    )


def pair(pairs: Listed, number: str | None, first: str | None, second: str | None) -> str:
    """Both answers to one question."""
    if not number:
        return page('<p class="soft">No answers fit these filters.</p>')
    return page(side_by_side(pairs.rows[int(number) - 1], (str(first), str(second))))


def asked(sql: str) -> str:
    """The first rows of a user's SELECT, asked as `regenesis sql` asks, in a reading process."""
    try:
        rows, more = first_rows(read_environment().store_url, sql, asking.MOST_ROWS)
    except ReGenesisError as error:
        return page(refusal(str(error)))
    if not rows:
        return page('<p class="soft">The statement gives no rows.</p>')
    counted = (
        f"The first {len(rows)} rows; regenesis sql gives all." if more else f"{len(rows)} rows."
    )
    return page(table(rows, digits=6), f'<p class="soft">{counted}</p>')


def schema() -> str:
    """Every table and view."""
    return page(title("Tables and views"), said(schema_text()))


def _curves(store: "Store", domain: str) -> str:
    rows = rows_of(store, asking.accuracies_sql(domain))
    return (
        line_chart(rows, "round", "accuracy", "role", percent=True)
        if rows
        else "<p>No evaluation yet.</p>"
    )


def _label(text: str) -> str:
    """A stored text as one line of a choice."""
    line = " ".join(escaped(text.replace("\n", " ")).split())
    return line if len(line) <= _SHORT else f"{line[: _SHORT - 1]}…"


def _arrow(row: Row) -> str:
    return f"{row['first_verdict']} -> {row['second_verdict']}"
