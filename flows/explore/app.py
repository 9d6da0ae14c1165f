# pyright: basic
# marimo writes a cell as a function whose parameters, the names of other cells, have no types; so
# cells only call.
"""The pages of `regenesis explore`: filters, and for each page what it asks and shows.

A marimo app.

Only the open page's cells run. What is shown was escaped by `tasks.explore.markup`; a label is
never a stored text.
"""

import marimo

app = marimo.App(width="full", app_title="ReGenesis", css_file="explore.css", sql_output="native")


@app.cell
def _():
    import marimo as mo

    from tasks.explore import pages, rating

    store = pages.opened()
    return mo, pages, rating, store


@app.cell
def _(mo, pages):
    page = mo.ui.tabs(dict.fromkeys(pages.PAGES, ""))
    mo.vstack([page])
    return (page,)


@app.cell
def _(mo, page, pages, store):
    round_choice = mo.ui.dropdown(
        pages.round_options(store), value=pages.newest_round(store, page.value), label="Round"
    )
    set_choice = mo.ui.dropdown(pages.set_options(store), value="all", label="Question set")
    mo.hstack(
        [round_choice, set_choice], justify="start", wrap=True
    ) if page.value in pages.FILTERED else None
    return round_choice, set_choice


@app.cell
def _(pages, round_choice, set_choice):
    chosen = pages.chosen(round_choice.value, set_choice.value)
    return (chosen,)


@app.cell
def _(mo, page, pages, store):
    mo.stop(page.value != "Rounds")
    mo.Html(pages.rounds(store))
    return


@app.cell
def _(mo, page):
    mo.stop(page.value != "Questions")
    part = mo.ui.dropdown(
        {"all": "", "train": "train", "gate": "gate", "final": "final"}, value="all", label="Part"
    )
    solved = mo.ui.dropdown(
        {
            "all": "",
            "unsolved": "unsolved",
            "only with a hint": "only with a hint",
            "solved": "solved",
        },
        value="all",
        label="Solved",
    )
    contains = mo.ui.text(label="Contains", debounce=True)
    mo.hstack([part, solved, contains], justify="start", wrap=True)
    return contains, part, solved


@app.cell
def _(chosen, contains, mo, page, pages, part, solved, store):
    mo.stop(page.value != "Questions")
    listed = pages.questions(store, chosen, part.value, solved.value, contains.value)
    question = mo.ui.dropdown(
        listed.options, value=listed.first, label="Question", searchable=True, full_width=True
    )
    mo.vstack([question])
    return listed, question


@app.cell
def _(chosen, listed, mo, page, pages, question, store):
    mo.stop(page.value != "Questions")
    mo.Html(pages.question(store, question.value, chosen, listed))
    return


@app.cell
def _(chosen, mo, page, pages, store):
    mo.stop(page.value != "Guidelines")
    mo.Html(pages.guidelines(store, chosen))
    return


@app.cell
def _(chosen, mo, page, pages, store):
    mo.stop(page.value != "Rejects")
    reasons = pages.rejects(store, chosen)
    reason = mo.ui.dropdown(reasons.options, value=reasons.first, label="Reason")
    mo.vstack([mo.Html(reasons.markup), reason])
    return (reason,)


@app.cell
def _(chosen, mo, page, pages, reason, store):
    mo.stop(page.value != "Rejects")
    mo.Html(pages.rejected(store, chosen, reason.value))
    return


@app.cell
def _(mo, page, pages, store):
    mo.stop(page.value != "Models")
    models = pages.models(store)
    first = mo.ui.dropdown(models.options, value=models.first, label="First model")
    second = mo.ui.dropdown(models.options, value=models.second, label="Second model")
    change = mo.ui.dropdown(pages.CHANGE_OPTIONS, value="all", label="Answers")
    mo.hstack([first, second, change], justify="start", wrap=True)
    return change, first, second


@app.cell
def _(change, chosen, first, mo, page, pages, second, store):
    mo.stop(page.value != "Models")
    pairs = pages.pairs(store, first.value, second.value, chosen, change.value)
    pair = mo.ui.dropdown(
        pairs.options, value=pairs.first, label="Question", searchable=True, full_width=True
    )
    mo.vstack([mo.Html(pairs.markup), pair])
    return pair, pairs


@app.cell
def _(first, mo, page, pages, pair, pairs, second):
    mo.stop(page.value != "Models")
    mo.Html(pages.pair(pairs, pair.value, first.selected_key, second.selected_key))
    return


@app.cell
def _(mo, page, rating):
    mo.stop(page.value != "Rate")
    kind = mo.ui.dropdown(rating.RATE_OPTIONS, value=rating.RATE_OPTIONS[0], label="Show paths")
    rater = mo.ui.text(label="Your name")
    mo.hstack([kind, rater], justify="start", wrap=True)
    return kind, rater


@app.cell
def _(mo, rating):
    rated, set_rated = mo.state(rating.Rated())
    return rated, set_rated


@app.cell
def _(chosen, kind, mo, page, rated, rating, store):
    mo.stop(page.value != "Rate")
    to_rate = rating.to_rate(store, chosen, kind.value, rated())
    mo.Html(to_rate.markup)
    return (to_rate,)


@app.cell
def _(mo, page, rating, to_rate):
    mo.stop(page.value != "Rate" or to_rate.path_id is None)
    verdict = mo.ui.radio(rating.LABELS, inline=True, label="Your verdict")
    because = mo.ui.text_area(label="Because", rows=2, full_width=True)
    keep = mo.ui.run_button(label="Keep this verdict")
    skip = mo.ui.run_button(label="Skip")
    mo.vstack([verdict, because, mo.hstack([keep, skip], justify="start")])
    return because, keep, skip, verdict


@app.cell
def _(because, keep, mo, page, rater, rating, set_rated, skip, store, to_rate, verdict):
    mo.stop(page.value != "Rate" or not (keep.value or skip.value))
    is_kept, sentence = (True, "")
    if keep.value:
        is_kept, sentence = rating.keep(
            store, to_rate.path_id, verdict.value, rater.value, because.value
        )
    if is_kept:
        set_rated(lambda rated: rated.and_then(to_rate.path_id, sentence))
    mo.Html("" if is_kept else rating.refused(sentence))
    return


@app.cell
def _(mo, page, pages):
    mo.stop(page.value != "SQL")
    sql = mo.ui.code_editor(
        value=pages.FIRST_SQL, language="sql", min_height=120, label="One SELECT over the store"
    )
    ask = mo.ui.run_button(label="Ask")
    mo.vstack([sql, ask])
    return ask, sql


@app.cell
def _(ask, mo, page, pages, sql):
    mo.stop(page.value != "SQL")
    mo.Html(pages.asked(sql.value) if ask.value else pages.schema())
    return


if __name__ == "__main__":
    app.run()
