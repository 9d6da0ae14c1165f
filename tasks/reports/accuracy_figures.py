"""The figures of a report that compare models: accuracy, length, noise, another harness."""

from storage.records import Round
from tasks.reports.drawing import interval_chart, length_chart
from tasks.reports.figure import Figure, sql_of


def accuracies(round: Round) -> list[Figure]:
    """Before and after on gate and final questions, each domain and reading apart."""
    named = {"in_domain": "In domain", "out_of_domain": "Out of domain"}
    notes = {
        "strict": "The answer stated as asked. The gate reads these.",
        "lenient": (
            "The answer found anywhere at the end; much of a strict gain can be learning to"
            " state it."
        ),
    }
    figures = [
        Figure(
            name=f"accuracy_{domain}_{reading}",
            title=f"{title}, {reading} reading",
            note=notes[reading],
            sql=sql_of(f"accuracy_{reading}", round, domain=domain),
            chart=interval_chart,
            chapter="Before and after" if (domain, reading) == ("in_domain", "strict") else "",
        )
        for domain, title in named.items()
        for reading in ("strict", "lenient")
    ]
    final = [
        Figure(
            name=f"final_{domain}",
            title=f"{title}: the final questions",
            note="Read by no decision, only reported; strict and lenient beside each other.",
            sql=sql_of("final", round, domain=domain),
        )
        for domain, title in named.items()
    ]
    return [*figures, *final]


def lengths(round: Round) -> list[Figure]:
    """Lengths, endings, several samples, and another harness's reading of the same questions."""
    return [
        Figure(
            name="lengths",
            title="Mean length of an answer",
            note="Tokens of the gate answers; 95 % interval over questions.",
            sql=sql_of("lengths", round),
            chart=length_chart,
        ),
        Figure(
            name="endings",
            title="Endings and unjudged answers",
            note=(
                "Share of gate answers ended by a stop token, and shares that the readings could"
                " not judge. Their intervals are in evaluation_figures."
            ),
            sql=sql_of("endings", round),
        ),
        Figure(
            name="sampled",
            title="Several sampled answers",
            note=(
                "Share right of k sampled gate answers: any of k (pass@k; k = 1 is each alone), the"
                " most frequent (maj@k). Intervals resample questions. None where the round samples"
                " once (evaluation.samples)."
            ),
            sql=sql_of("sampled", round),
        ),
        Figure(
            name="other_harness",
            title="The same questions, asked and judged by another harness",
            note=(
                "EleutherAI's lm-evaluation-harness on the same model and questions, with its own"
                " chat template, request and reading of the answer, beside our figure. Run:"
                " regenesis evaluate --with lm-eval"
            ),
            sql=sql_of("other_harness", round),
        ),
    ]


def noise(round: Round) -> Figure:
    """What asking twice changes: the floor under every difference above."""
    return Figure(
        name="noise",
        title="Noise floor",
        note=(
            "The champion was asked some gate questions twice, the second time in the other order"
            " and without cached prefixes (A/A): what changes without any training. No smaller"
            " difference above means anything."
        ),
        sql=sql_of("noise", round),
    )
