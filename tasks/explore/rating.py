"""The page on which a person rates a path, and the verdict `human` that is kept."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, cast
from uuid import UUID

from storage.errors import InputError
from storage.records import Path
from tasks.explore import asking
from tasks.explore.asking import Chosen, Rateable, rows_of
from tasks.explore.markup import page, plain, refusal, statement, story_markup
from tasks.explore.story import path_story
from tasks.verification.audit import LABELS as LABELS
from tasks.verification.audit import give_verdict

if TYPE_CHECKING:
    from storage.open_store import Store

RATE_OPTIONS = list(asking.RATEABLE)


@dataclass(frozen=True)
class Rated:
    """What a person did in this session: paths rated or skipped, and the last outcome."""

    path_ids: tuple[UUID, ...] = ()
    sentence: str = ""

    def and_then(self, path_id: UUID | None, sentence: str = "") -> "Rated":
        """With one more path."""
        return Rated((*self.path_ids, path_id), sentence) if path_id else self


@dataclass(frozen=True)
class ToRate:
    """A path for a person to rate; `path_id` is None where there is none."""

    path_id: UUID | None
    markup: str


def to_rate(store: "Store", chosen: Chosen, kind: str, rated: Rated) -> ToRate:
    """The next path that no person has rated, without those that were skipped."""
    sql = asking.to_rate_sql(chosen, cast("Rateable", kind), limit=len(rated.path_ids) + 1)
    waiting = [
        row["path_id"] for row in rows_of(store, sql) if row["path_id"] not in rated.path_ids
    ]
    path = store.get(Path, cast("UUID", waiting[0])) if waiting else None
    said_before = f"<p>{plain(rated.sentence)}</p>" if rated.sentence else ""
    if path is None:
        nothing = '<p class="soft">No path waits here. Change the filters.</p>'
        return ToRate(None, page(said_before, nothing, statement(sql)))
    return ToRate(path.id, page(said_before, story_markup(path_story(store, path)), statement(sql)))


def keep(
    store: "Store", path_id: UUID, verdict: str | None, rater: str, because: str
) -> tuple[bool, str]:
    """Store a person's verdict; returns whether it was kept, and a sentence."""
    try:
        given = give_verdict(store, str(path_id), verdict or "", rater, because)
    except InputError as error:
        return False, str(error)
    return (
        True,
        (
            f"Kept: path {given.path_id} is {given.verdict}, says {given.rater}. Later selections"
            " follow it."
        ),
    )


def refused(sentence: str) -> str:
    """A sentence that says what is off."""
    return page(refusal(sentence))
