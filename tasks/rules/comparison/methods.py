"""Methods as settings: what each teaches, which paths of the shared pool it takes, how it filters.

The table `tasks/comparison/methods.toml` in; methods, and the contenders that they make with given
question sets, out.
"""

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any, Literal

from pydantic import Field, ValidationError

from storage.errors import InputError
from storage.records import LadderStrategy
from tasks.settings import Frozen, SelectionSettings, Settings, SynthesisSettings

Teaches = Literal["nothing", "answers", "rationales", "paths"]
Hints = Literal["never", "unsolved", "every"]
MOST_CHAINS = 1000


class Method(Frozen):
    """One method; the keys of its table."""

    name: str
    about: str
    citation: str
    differs: str = ""
    teaches: Teaches = "paths"
    strategy: LadderStrategy = "direct"
    hints: Hints = "never"
    accept: Literal["correct", "any", "majority"] = "correct"
    max_hinted_share: float | None = Field(default=None, ge=0, le=1)
    rounds: int = Field(default=1, ge=1)
    trains_on: Literal["newest", "all"] = "newest"
    variants: Literal["", "sets", "guidelines"] = ""
    groups: int = 1
    shots: int = 0

    @property
    def trains(self) -> bool:
        """Whether a model comes of it."""
        return self.teaches != "nothing"


@dataclass(frozen=True)
class Contender:
    """A method, or one variant of it, as it stands in the table."""

    name: str
    method: Method
    only_set: str = ""
    """The one set that it is trained on; empty for all."""
    without: tuple[int, ...] = ()
    """Positions of the guidelines whose paths it is not trained on."""
    parts: int = 1
    """Its budget is one of so many parts of the others'."""
    chains: int = 0
    """Chains per question, said by its name (`rft@7`); 0 for the settings' own."""

    def chains_per_question(self, settings: Settings) -> int:
        """How many free chains it draws on per question."""
        return self.chains or settings.synthesis.chains_per_question

    def iterations(self, settings: Settings) -> int:
        """How many rounds it goes."""
        if not self.method.trains or self.method.teaches != "paths":
            return 1
        return settings.comparison.rounds or self.method.rounds

    def selection(self, settings: Settings) -> SelectionSettings:
        """The settings' selection with the method's own filter."""
        own: dict[str, object] = {
            "accept": self.method.accept if self.method.teaches == "paths" else "any"
        }
        if self.method.max_hinted_share is not None:
            own["max_hinted_share"] = self.method.max_hinted_share
        return settings.selection.model_copy(update=own)


def parse_methods(text: str) -> dict[str, Method]:
    """The table, by name. Raises InputError for an entry that is no method."""
    entries: dict[str, dict[str, Any]] = tomllib.loads(text)
    try:
        return {name: Method(name=name, **entry) for name, entry in entries.items()}
    except ValidationError as error:
        first = error.errors()[0]
        raise InputError(
            f"Method table, {'.'.join(map(str, first['loc']))!r}: {first['msg']}."
        ) from error


def contenders(
    table: Mapping[str, Method], names: Sequence[str], sets: Sequence[str], guidelines: int
) -> list[Contender]:
    """The entries of these methods in order: one per variant, a repeated name counted once.

    `rft@7` is rft with 7 chains per question, beside methods that have the settings' own number.
    """
    unknown = [name for name in names if plain_name(name) not in table]
    if unknown or not names:
        found = f"found {unknown[0]!r}" if unknown else "found none"
        raise InputError(f"Methods to compare are among {', '.join(table)}; {found}.")
    return [
        replace(one, name=one.name.replace(plain_name(name), name, 1), chains=chains)
        for name in dict.fromkeys(names)
        for chains in [_chains_of(name, table[plain_name(name)])]
        for one in _entering(table[plain_name(name)], sets, guidelines)
    ]


def plain_name(name: str) -> str:
    """The method of a contender's name: `rft` of `rft@7`, `mixed_sets` of `mixed_sets:gsm8k`."""
    return name.partition(":")[0].partition("@")[0]


def _chains_of(name: str, method: Method) -> int:
    _, at, said = name.partition("@")
    if not at:
        return 0
    if method.teaches != "paths" or not said.isdecimal() or not 1 <= int(said) <= MOST_CHAINS:
        raise InputError(
            f"Behind @ a method that writes paths says its chains per question, 1 to {MOST_CHAINS},"
            f" such as rft@7; found {name!r}."
        )
    return int(said)


def _entering(method: Method, sets: Sequence[str], guidelines: int) -> list[Contender]:
    if method.variants == "sets":
        return [
            Contender(f"{method.name}:{name}", method, only_set=name, parts=len(sets))
            for name in sets
        ]
    if method.variants == "guidelines":
        bounds = [round(place * guidelines / method.groups) for place in range(method.groups + 1)]
        groups = [tuple(range(low + 1, high + 1)) for low, high in pairwise(bounds) if high > low]
        return [
            Contender(f"{method.name}:{group[0]}-{group[-1]}", method, without=group)
            for group in groups
        ]
    return [Contender(method.name, method)]


def pool_settings(
    settings: Settings, of: Sequence[Contender], contender: Contender
) -> SynthesisSettings:
    """The synthesis settings of the pool that this contender selects from.

    Questions are sampled to the end, so that all methods can share the pool. Hinted retries are
    made if any contender in `of` with the same strategy and number of chains needs them; the other
    contenders ignore those paths.
    """
    method, chains = contender.method, contender.chains_per_question(settings)
    every = method.hints == "every"
    retried = any(
        other.method.teaches == "paths"
        and other.method.strategy == method.strategy
        and other.chains_per_question(settings) == chains
        and other.method.hints == "unsolved"
        for other in of
    )
    return settings.synthesis.model_copy(
        update={
            "strategy": method.strategy,
            "chains_per_question": chains,
            "adaptive": False,
            "hinted_only": every,
            "hinted_retry": retried and not every,
            "token_budget": 0,
            "target_accepted": 0,
            "max_candidates": 0,
            "hinted_chains": chains if every else settings.synthesis.hinted_chains,
        }
    )


def citations(table: Mapping[str, Method], names: Sequence[str]) -> list[dict[str, str]]:
    """What each method is and whose, as rows."""
    return [
        {
            "method": name,
            "is": table[plain_name(name)].about,
            "after": table[plain_name(name)].citation,
            "differs": table[plain_name(name)].differs or "-",
        }
        for name in dict.fromkeys(names)
    ]
