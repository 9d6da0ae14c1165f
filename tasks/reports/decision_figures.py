"""The figures of a report that show how the gate and people decided, test by test."""

from storage.records import Round
from tasks.reports.figure import Figure

_DECIDED = "FROM promotions AS p WHERE p.round_id = '{round}' AND p.decided_by = 'gate'"


def decision_figures(round: Round) -> list[Figure]:
    """What was decided and by whom, then the gate's tests and sets as rows."""
    gate = _DECIDED.format(round=round.id)
    return [
        Figure(
            name="decision",
            title="Decisions",
            note="The gate's and people's; a person's stands above the gate's.",
            sql=f"""SELECT p.outcome, p.decided_by, p.state, m.name AS challenger, c.name AS champion_before,
    p.tests_so_far, p.reasons
FROM promotions AS p JOIN models AS m ON m.id = p.challenger_model_id JOIN models AS c ON c.id = p.champion_model_id
WHERE p.round_id = '{round.id}' ORDER BY p.created_at, p.id""",
            shape="cards",
            chapter="The decision in figures",
        ),
        Figure(
            name="gate_gain",
            title="The gain in domain",
            note="Exact one-sided McNemar over all in-domain gate questions. Promoted needs p_gain within alpha_spent; "
            "a p_loss within alpha refuses. gain_up_to: not excluded. smallest_gain: found four times in five.",
            sql=f"""SELECT s.gain.pairs.questions, s.gain.pairs.before, s.gain.pairs.after, s.gain.pairs.gained,
    s.gain.pairs.lost, s.gain.p_gain, s.alpha_spent, s.gain.p_loss, s.alpha, s.gain.high AS gain_up_to, s.smallest_gain
FROM (SELECT from_json(p.statistics, '{{"gain": {{"pairs": {{"questions": "BIGINT", "before": "BIGINT",
    "after": "BIGINT", "gained": "BIGINT", "lost": "BIGINT"}}, "p_gain": "DOUBLE", "p_loss": "DOUBLE",
    "high": "DOUBLE"}}, "alpha": "DOUBLE", "alpha_spent": "DOUBLE", "smallest_gain": "DOUBLE"}}') AS s
    {gate})""",
        ),
        Figure(
            name="gate_no_loss",
            title="No loss out of domain",
            note="Tango's score test, stratified by set, by both readings. Promoted needs p_loss_as_margin within what "
            "the decision may spend for every row; refused where high is below 0 and that is not so.",
            sql=f"""SELECT t.anchor, t.reading, t.p_loss_as_margin, t.pairs.questions,
    t.pairs.before, t.pairs.after, t.pairs.gained, t.pairs.lost,
    t.low, t.high, -t.margin AS must_be_above
FROM (SELECT unnest(from_json(json_extract(p.statistics, '$.non_inferiority'), '[{{"anchor": "VARCHAR",
    "reading": "VARCHAR", "p_loss_as_margin": "DOUBLE", "pairs":
    {{"questions": "BIGINT", "before": "BIGINT", "after": "BIGINT", "gained": "BIGINT", "lost": "BIGINT"}},
    "low": "DOUBLE", "high": "DOUBLE", "margin": "DOUBLE"}}]')) AS t
    {gate})
ORDER BY t.anchor DESC, t.reading DESC""",
        ),
        Figure(
            name="gate_sets",
            title="Each set alone",
            note="P-values are Holm's over all sets. blocks: it loses significantly more than max_loss_one_set.",
            sql=f"""SELECT t.name AS question_set, t.domain, t.fresh, t.pairs.questions, t.pairs.before, t.pairs.after,
    t.pairs.gained, t.pairs.lost, t.p_gain, t.p_loss, t.p_beyond_limit, t.blocks
FROM (SELECT unnest(from_json(json_extract(p.statistics, '$.sets'), '[{{"name": "VARCHAR", "domain": "VARCHAR",
    "fresh": "BOOLEAN", "pairs": {{"questions": "BIGINT", "before": "BIGINT", "after": "BIGINT", "gained": "BIGINT",
    "lost": "BIGINT"}}, "p_gain": "DOUBLE", "p_loss": "DOUBLE", "p_beyond_limit": "DOUBLE",
    "blocks": "BOOLEAN"}}]')) AS t
    {gate})
ORDER BY t.domain, t.name""",
        ),
    ]
