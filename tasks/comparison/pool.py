"""The pools of a comparison: the paths that methods draw on, and their costs.

A pool is one seed's paths of one strategy by one model. Its chains are known before they are
written, so a method's paths are exactly those that its settings plan, whatever else the store holds
under the same draw.
"""

import json
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING
from uuid import UUID

from storage.ids import content_id
from storage.records import (
    AdaptedGuideline,
    Guideline,
    Model,
    Path,
    Pool,
    Prompt,
    Question,
    Structure,
)
from tasks.rules.ladder.ladder import Ladder, build_ladder
from tasks.rules.training.collapse import text_health
from tasks.settings import Settings, SynthesisSettings
from tasks.synthesis.question_work import right_by_reference

if TYPE_CHECKING:
    from storage.open_store import Store

FIRST_DRAW = 1_000_000
"""A comparison's draw is this plus its seed: far above the draws of rounds, their numbers."""


def draw_of(seed: int) -> int:
    """The draw that every comparison of this seed shares."""
    return FIRST_DRAW + seed


@dataclass(frozen=True)
class PoolPlan:
    """A pool before it is written."""

    settings: Settings
    """The seed's own, with the pool's synthesis settings."""
    model: Model
    questions: Sequence[Question]
    prompts: Mapping[str, Prompt]
    guidelines: Sequence[Guideline]

    @property
    def draw(self) -> int:
        return draw_of(self.settings.seed)

    @property
    def synthesis(self) -> SynthesisSettings:
        return self.settings.synthesis

    @property
    def ladder(self) -> Ladder:
        """Its chains."""
        return build_ladder(self.settings, self.model.id, self.prompts, self.guidelines, self.draw)

    @property
    def id(self) -> UUID:
        """Hash of all that the ids of its chains depend on."""
        ladder, synthesis = self.ladder, self.synthesis
        stages = sorted(
            [stage, hinted, str(plan.prompt.id), plan.sampling_text]
            for (stage, hinted), plan in ladder.stages.items()
        )
        chains = [
            synthesis.chains_per_question,
            synthesis.hinted_chains,
            synthesis.guideline_selections,
        ]
        heads = [str(one.id) for one in ladder.guidelines] if synthesis.strategy != "direct" else []
        return content_id(
            "pools",
            self.draw,
            self.model.id,
            synthesis.strategy,
            synthesis.hinted_only,
            synthesis.hinted_retry,
            chains,
            stages,
            heads,
            sorted(str(question.id) for question in self.questions),
        )

    def path_ids(self) -> set[UUID]:
        """Every path that may come of it, hinted retries included."""
        ladder = self.ladder
        return {
            chain.path_id
            for question in self.questions
            for hinted in (False, True)
            for chain in ladder.chains(question, hinted)
        }


@dataclass(frozen=True)
class Costs:
    """Generated tokens of a pool."""

    total: int
    by_path: Mapping[UUID, float]
    """The path with its adapted guideline and structure, and an even share of what chains took that
    ended in none.
    """


def pool_paths(store: "Store", plan: PoolPlan) -> list[Path]:
    """Its paths, ordered by id."""
    wanted = plan.path_ids()
    asked = [question.id for question in plan.questions]
    found = store.select(
        Path,
        draw=plan.draw,
        model_id=plan.model.id,
        strategy=plan.synthesis.strategy,
        question_id=asked,
        order_by="id",
    )
    return [path for path in found if path.id in wanted]


def pool_costs(store: "Store", plan: PoolPlan, paths: Sequence[Path]) -> Costs:
    """What the pool took, spread over its paths."""
    ladder = plan.ladder
    chains = [
        chain
        for one in plan.questions
        for hinted in (False, True)
        for chain in ladder.chains(one, hinted)
    ]
    above = {chain.path_id: [one for one in chain.ids if one != chain.path_id] for chain in chains}
    tokens: Counter[UUID] = Counter({path.id: path.completion_tokens for path in paths})
    asked = [question.id for question in plan.questions]
    for kind in (AdaptedGuideline, Structure):
        for row in store.select(kind, draw=plan.draw, model_id=plan.model.id, question_id=asked):
            tokens[row.id] = row.completion_tokens
    own = {path.id: sum(tokens[one] for one in [*above[path.id], path.id]) for path in paths}
    total = sum(tokens[one] for one in {one for chain in chains for one in chain.ids})
    used = sum(own.values())
    return Costs(total, {path: cost * total / used if used else 0.0 for path, cost in own.items()})


def write_pool_row(store: "Store", plan: PoolPlan) -> Pool:
    """The row that says that the pool is whole, with its figures."""
    paths = pool_paths(store, plan)
    right = right_by_reference(store, draw=plan.draw)
    free = [path for path in paths if not path.hinted]
    by_question: defaultdict[UUID, bool] = defaultdict(bool)
    for path in free:
        by_question[path.question_id] |= path.id in right
    row = Pool(
        id=plan.id,
        draw=plan.draw,
        model_id=plan.model.id,
        strategy=plan.synthesis.strategy,
        settings=plan.synthesis.model_dump_json(),
        questions=len(plan.questions),
        solved=sum(by_question.values()),
        paths=len(paths),
        correct=sum(path.id in right for path in free),
        hinted_paths=len(paths) - len(free),
        hinted_correct=sum(path.hinted and path.id in right for path in paths),
        tokens=pool_costs(store, plan, paths).total,
        health=json.dumps(
            text_health(paths, {path.id: path.id in right for path in paths}).as_dict()
        ),
        created_at=datetime.now(UTC),
    )
    store.append([row])
    return row
