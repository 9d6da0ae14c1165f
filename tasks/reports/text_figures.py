"""A report's figures about what synthesis wrote: what happened to every candidate, and whether the texts collapse."""

from dataclasses import fields

from storage.records import Round
from tasks.reports.figure import Figure
from tasks.rules.answers.cut_shares import cut_sql
from tasks.rules.training.collapse import TextHealth

_HEALTH = [
    f"json_extract(timings, '$.text_health.{field.name}')::DOUBLE AS {field.name}" for field in fields(TextHealth)
]


def text_figures(round: Round) -> list[Figure]:
    """The account of the round's candidates, and the collapse watch."""
    line = round.line.replace("'", "''")
    return [
        Figure(
            name="candidates",
            title="What happened to every candidate",
            note="Each chain that the settings planned has one fate; they add up. A failed chain gave no path: where "
            "the model had nothing to say, empty_text is among the reasons below.",
            sql=f"""SELECT key AS fate, value::BIGINT AS candidates
FROM rounds, json_each(rounds.timings, '$.account.fates') WHERE rounds.id = '{round.id}'
UNION ALL SELECT 'all', json_extract(timings, '$.account.candidates')::BIGINT
FROM rounds WHERE id = '{round.id}' AND json_extract(timings, '$.account.candidates') IS NOT NULL
ORDER BY candidates, fate""",
            chapter="Candidates and texts",
        ),
        Figure(
            name="candidate_reasons",
            title="Why candidates were wrong, unjudged or failed",
            note="Reason codes, by number of candidates.",
            sql=f"""SELECT key AS reason, value::BIGINT AS candidates
FROM rounds, json_each(rounds.timings, '$.account.reasons') WHERE rounds.id = '{round.id}'
ORDER BY candidates DESC, reason""",
        ),
        Figure(
            name="cut_texts",
            title="Cut at a length limit",
            note="By stage and model. Above 5 % the limit decides what is accepted and which model looks better: raise "
            "the stage's max_tokens, evaluation.sampling.max_tokens for held-out answers.",
            sql=cut_sql(round),
        ),
        Figure(
            name="text_health",
            title="Collapse watch",
            note="What changes when a model begins to repeat itself, for each round of this line: different words and "
            "pairs by all, length, duplicates (MinHash), pass@1 against pass@k, evenness over guidelines.",
            sql=f"""SELECT number AS round, {", ".join(_HEALTH)}
FROM rounds
WHERE line = '{line}' AND number <= {round.number} AND json_extract(timings, '$.text_health') IS NOT NULL
ORDER BY round""",
        ),
        Figure(
            name="collapse_warnings",
            title="What has drifted",
            note="Against the median of this line's earlier rounds; none is good.",
            sql=f"""SELECT value ->> '$' AS warning
FROM rounds, json_each(rounds.timings, '$.collapse_warnings') WHERE rounds.id = '{round.id}' ORDER BY warning""",
        ),
    ]
