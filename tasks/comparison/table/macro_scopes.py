"""Over which sets the macro averages of a comparison are taken.

The domains, the settings' own groups of sets (near, far), and each of them without the sets in
which the base may be guessing.
"""

from collections.abc import Mapping

from tasks.comparison.contest import Contest
from tasks.rules.comparison.chance import ChanceLevel, beside_chance, chance_level
from tasks.rules.comparison.contrasts import Verdicts

ABOVE_CHANCE = "_above_chance"


def chance_levels(
    contest: Contest, readings: Mapping[str, Verdicts | None]
) -> dict[str, ChanceLevel]:
    """Each set's level beside the base's answers by the reading that has more of them right.

    `readings` holds the base's verdicts by reading; of a comparison without a base none are known.
    """
    known = [one for one in readings.values() if one is not None]
    said = contest.settings.comparison.chance
    names = {
        one.id: one.name for one in [*contest.sets("in_domain"), *contest.sets("out_of_domain")]
    }
    found: dict[str, ChanceLevel] = {}
    for name in names.values() if known else ():
        asked = [one for one in contest.final_questions if names[one.question_set_id] == name]
        # the base is one model: every seed holds the same answers
        right = max(round(float(one.by_set[name][0].sum())) for one in known) if asked else 0
        found[name] = beside_chance(said.get(name, chance_level(asked)), right, len(asked))
    return found


def macro_scopes(
    contest: Contest, domains: Mapping[str, list[str]], chance: Mapping[str, ChanceLevel]
) -> dict[str, list[str]]:
    """Scope -> sets; `domains` are a method's own.

    A scope without the sets at chance is there where it has fewer sets, and some.
    """
    own = [name for sets in domains.values() for name in sets]
    groups = {
        name: [one for one in sets if one in own]
        for name, sets in contest.settings.comparison.groups.items()
    }
    whole = {scope: sets for scope, sets in {**domains, **groups}.items() if sets}
    above = {
        scope + ABOVE_CHANCE: [
            one for one in sets if one not in chance or not chance[one].at_chance
        ]
        for scope, sets in whole.items()
    }
    return whole | {
        scope: sets
        for scope, sets in above.items()
        if 0 < len(sets) < len(whole[scope.removesuffix(ABOVE_CHANCE)])
    }
