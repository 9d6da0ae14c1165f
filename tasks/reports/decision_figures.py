"""The figures of a report that show how the gate and people decided, test by test."""

from storage.records import Round
from tasks.reports.figure import Figure, sql_of


def decision_figures(round: Round) -> list[Figure]:
    """What was decided and by whom, then the gate's tests and sets as rows."""
    return [
        Figure(
            name="decision",
            title="Decisions",
            note="The gate's and people's; a person's stands above the gate's.",
            sql=sql_of("decision", round),
            shape="cards",
            chapter="The decision in figures",
        ),
        Figure(
            name="gate_gain",
            title="The gain in domain",
            note=(
                "Exact one-sided McNemar over all in-domain gate questions. Promoted needs p_gain"
                " within alpha_spent; a p_loss within alpha refuses. gain_up_to: not excluded."
                " smallest_gain: found four times in five."
            ),
            sql=sql_of("gate_gain", round),
        ),
        Figure(
            name="gate_no_loss",
            title="No loss out of domain",
            note=(
                "Tango's score test, stratified by set, by both readings. Promoted needs"
                " p_loss_as_margin within what the decision may spend for every row; refused where"
                " high is below 0 and that is not so."
            ),
            sql=sql_of("gate_no_loss", round),
        ),
        Figure(
            name="gate_sets",
            title="Each set alone",
            note=(
                "P-values are Holm's over all sets. blocks: it loses significantly more than"
                " max_loss_one_set."
            ),
            sql=sql_of("gate_sets", round),
        ),
    ]
