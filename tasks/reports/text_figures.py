"""A report's figures about synthesis: what became of candidates, and text health."""

from storage.records import Round
from tasks.reports.figure import Figure, sql_of
from tasks.rules.answers.cut_shares import cut_sql


def text_figures(round: Round) -> list[Figure]:
    """The account of the round's candidates, and the collapse watch."""
    return [
        Figure(
            name="candidates",
            title="What happened to every candidate",
            note=(
                "Each chain that the settings planned has one fate; they add up. A failed chain"
                " gave no path: where the model had nothing to say, empty_text is among the reasons"
                " below."
            ),
            sql=sql_of("candidates", round),
            chapter="Candidates and texts",
        ),
        Figure(
            name="candidate_reasons",
            title="Why candidates were wrong, unjudged or failed",
            note="Reason codes, by number of candidates.",
            sql=sql_of("candidate_reasons", round),
        ),
        Figure(
            name="cut_texts",
            title="Cut at a length limit",
            note=(
                "By stage and model. Above 5 % the limit decides what is accepted and which model"
                " looks better: raise the stage's max_tokens, evaluation.sampling.max_tokens for"
                " held-out answers."
            ),
            sql=cut_sql(round),
        ),
        Figure(
            name="text_health",
            title="Collapse watch",
            note=(
                "What changes when a model begins to repeat itself, for each round of this line:"
                " different words and pairs by all, length, duplicates (MinHash), pass@1 against"
                " pass@k, evenness over guidelines."
            ),
            sql=sql_of("text_health", round),
        ),
        Figure(
            name="collapse_warnings",
            title="What has drifted",
            note="Against the median of this line's earlier rounds; none is good.",
            sql=sql_of("collapse_warnings", round),
        ),
    ]
