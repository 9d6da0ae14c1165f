"""What a report shows: each figure with its SQL over the public tables and views.

A figure is a title, a note, SQL and a way to draw the rows; nothing in a report comes from anywhere
else.
"""

from storage.records import Round
from tasks.reports.accuracy_figures import accuracies, lengths, noise
from tasks.reports.decision_figures import decision_figures
from tasks.reports.drawing import bar_chart, line_chart
from tasks.reports.figure import Figure, sql_of
from tasks.reports.text_figures import text_figures


def figures_of(round: Round, challenger_id: str, champion_id: str) -> list[Figure]:
    """Every figure of a round's report, in reading order."""
    return [
        *accuracies(round),
        *lengths(round),
        noise(round),
        *_learning(round),
        *_judges(round),
        *text_figures(round),
        *_changed(round, challenger_id, champion_id),
        *_chains(round),
        *decision_figures(round),
        *_books(round),
    ]


def _by_round(round: Round, domain: str, title: str) -> Figure:
    return Figure(
        name=f"rounds_{domain}",
        title=f"{title} by round",
        note="Strict accuracy on each round's own gate questions, all sets together.",
        sql=sql_of("rounds", round, domain=domain),
        chart=lambda rows: line_chart(rows, "round", "accuracy", "role", percent=True),
    )


def _learning(round: Round) -> list[Figure]:
    return [
        Figure(
            name="accepted_by_guideline",
            title="Accepted paths by guideline",
            note="Paths without a hint, and of them those whose answer was right.",
            sql=sql_of("accepted_by_guideline", round),
            chart=lambda rows: bar_chart(rows, "guideline", "paths", "accepted"),
            chapter="What it wrote and learnt from",
        ),
        Figure(
            name="rejects_by_reason",
            title="Why paths were not selected",
            note="Every path that is in no training set of this round has a reason.",
            sql=sql_of("rejects_by_reason", round),
            chart=lambda rows: bar_chart(rows, "reason", "paths"),
        ),
        Figure(
            name="training_sets",
            title="Training sets",
            note="What the challenger was trained on, and how much of it came from hinted paths.",
            sql=sql_of("training_sets", round),
        ),
        Figure(
            name="loss_curve",
            title="Loss curve",
            note="Training loss of each logged step.",
            sql=sql_of("loss_curve", round),
            chart=lambda rows: line_chart(rows, "step", "loss"),
        ),
        _by_round(round, "in_domain", "In-domain accuracy"),
        _by_round(round, "out_of_domain", "Out-of-domain accuracy"),
    ]


def _judges(round: Round) -> list[Figure]:
    return [
        Figure(
            name="judge_confusion",
            title="A second judge",
            note=(
                "Written apart from the first. It reads every case on which judges tend to differ"
                " (prone) and a random sample of the others; a person decides: regenesis audit."
            ),
            sql=sql_of("judge_confusion", round),
            chapter="Can the verdicts be trusted",
        ),
        Figure(
            name="judge_rates",
            title="Estimated error rates of the first judge",
            note=(
                "Over the random sample alone, the second judge taken for the truth, which it is"
                " not: an upper bound where it errs. A false accept is a path called correct that"
                " is not."
            ),
            sql=sql_of("judge_rates", round),
        ),
        Figure(
            name="majority_votes",
            title="What a majority vote would be worth",
            note=(
                "The vote of each question's free paths held against its reference: how many it"
                " decides, and how many of those rightly, by the winner's share. Sampling stopped"
                " early where it succeeded."
            ),
            sql=sql_of("majority_votes", round),
        ),
    ]


def _changed(round: Round, challenger_id: str, champion_id: str) -> list[Figure]:
    if not challenger_id:
        return []
    pair = {"challenger": challenger_id, "champion": champion_id}
    figures = [
        Figure(
            name="changes",
            title="Fixed and broken questions",
            note=(
                "Gate questions that the champion answered wrongly and the challenger rightly, and"
                " the reverse."
            ),
            sql=sql_of("changes", round, **pair),
            chapter="Questions that changed",
        )
    ]
    for change, title in (("fixed", "Some fixed questions"), ("broken", "Some broken questions")):
        figures.append(
            Figure(
                name=f"{change}_questions",
                title=title,
                note="Both answers in full.",
                sql=sql_of(f"{change}_questions", round, **pair),
                shape="cards",
            )
        )
    return figures


def _chains(round: Round) -> list[Figure]:
    def some(name: str, title: str) -> Figure:
        return Figure(
            name=name,
            title=title,
            note="From the question to the verdict, as the model wrote it.",
            sql=sql_of(name, round),
            shape="cards",
            chapter="Whole chains to read" if name == "accepted_chains" else "",
        )

    return [
        some("accepted_chains", "Accepted"),
        some("refused_chains", "Refused"),
        some("hinted_chains", "Accepted after a hint"),
    ]


def _books(round: Round) -> list[Figure]:
    return [
        Figure(
            name="timings",
            title="Where the time went",
            note="Seconds by what they went into.",
            sql=sql_of("timings", round),
            chart=lambda rows: bar_chart(rows, "phase", "seconds"),
            chapter="Time and rates",
        ),
        Figure(
            name="cost",
            title="The round against its engine's raw rate",
            note=(
                "Generation alone would take the generated tokens at the raw rate: one full batch,"
                " no other work. times_the_least is the time without engine starts over"
                " generation and training alone."
            ),
            sql=sql_of("cost", round),
            shape="cards",
        ),
        Figure(
            name="rates",
            title="Tokens, rates and totals",
            note="As the round noted them; raw_tokens_per_second is the engine's own rate.",
            sql=sql_of("rates", round),
        ),
        Figure(
            name="failed_requests",
            title="Requests that failed",
            note="What failed in every retry; kept so that nothing vanishes.",
            sql=sql_of("failed_requests", round),
        ),
    ]
