"""Nights with a fault in each, lived through on a real stack.

The table's columns, and what makes the faults.
"""

import json
import os
import signal
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from prefect.states import Cancelling

from storage.care.check_and_gc import check_store
from storage.mlflow_tracking import Tracking
from storage.open_store import Store, open_store
from storage.records import (
    AdaptedGuideline,
    Answer,
    FailedRequest,
    Promotion,
    Round,
    Structure,
    Verdict,
)
from storage.records import Path as RecordedPath
from tests.fakes.real_stack import RealStack
from tests.fakes.scripted_flows import ASKED

if TYPE_CHECKING:
    from prefect.client.schemas.objects import FlowRun

WELL = ("promoted", "refused", "inconclusive")
KEPT = (AdaptedGuideline, Structure, RecordedPath, Answer, Verdict)


@dataclass(frozen=True)
class Night:
    """A fault and what must come of it."""

    fault: str
    state: str  # of the night's run; "well" for any outcome of a round
    pages: int
    cause: str  # what the page and the state say
    goes_on: bool  # whether the next night goes on with the same round


NIGHTS = (
    Night("worker and run killed", "Crashed", 1, "Heartbeat lost", True),
    Night("prefect server killed", "well", 0, "", False),
    Night("postgres killed", "well", 0, "", False),
    Night("no room on the disk", "Failed", 1, "Not enough room on the disk", True),
    Night("endpoint down", "Failed", 1, "No endpoint answers", True),
    Night("cancelled in the UI", "Cancelled", 0, "", True),
    Night("prefect server and postgres killed", "well", 0, "", False),
)


def kill(stack: RealStack, *words: str) -> None:
    found = stack.processes(*words)
    assert found, words
    for pid in found:
        os.kill(pid, signal.SIGKILL)


def kill_worker(stack: RealStack, run: "FlowRun") -> None:
    kill(stack, "prefect.engine")
    kill(stack, "worker", "start")


def kill_server(stack: RealStack, run: "FlowRun") -> None:
    kill(stack, "flows.runs.prefect_server")


def kill_postgres(stack: RealStack, run: "FlowRun") -> None:
    kill(stack, "bin/postgres", "-D")


def kill_both(stack: RealStack, run: "FlowRun") -> None:
    kill_postgres(stack, run)
    kill_server(stack, run)


def kill_engine(stack: RealStack, run: "FlowRun") -> None:
    kill(stack, "vllm_process")


def cancel(stack: RealStack, run: "FlowRun") -> None:
    with stack.client() as client:
        client.set_flow_run_state(run.id, Cancelling())


DURING: dict[str, Callable[[RealStack, "FlowRun"], None]] = {
    "worker and run killed": kill_worker,
    "prefect server killed": kill_server,
    "postgres killed": kill_postgres,
    "engine killed": kill_engine,
    "cancelled in the UI": cancel,
    "prefect server and postgres killed": kill_both,
}
BEFORE: dict[str, dict[str, object]] = {
    "endpoint down": {"broken": "No endpoint answers: http://127.0.0.1:9/v1"}
}
SETTINGS = {"no room on the disk": "[room]\nmin_free_disk_gib = 1e9\n"}


def store_of(stack: RealStack) -> Store:
    return open_store(f"duckdb:///{stack.home / 'regenesis.duckdb'}")


def rows_of(store: Store, draw: int) -> set[tuple[str, object]]:
    return {(row.table, row.id) for kind in KEPT for row in store.select(kind, draw=draw)}


def seeds_of(store: Store, draw: int) -> set[int]:
    return {
        row.seed
        for kind in (AdaptedGuideline, Structure, RecordedPath)
        for row in store.select(kind, draw=draw)
    }


def texts_of(store: Store, draw: int) -> int:
    """Texts that a round's synthesis has, those that came back empty included."""
    kept = sum(
        len(store.select(kind, draw=draw)) for kind in (AdaptedGuideline, Structure, RecordedPath)
    )
    return kept + len(store.select(FailedRequest, draw=draw, reason="empty_text"))


def texts_noted(round: Round) -> int:
    """Texts that the round's runs generated, by their own account; one that is killed in synthesis
    writes none.
    """
    return int(json.loads(round.timings or "{}").get("synthesis_texts", 0))


def asked_seeds(stack: RealStack) -> list[int]:
    file = stack.home / ASKED
    return [int(line) for line in file.read_text("utf-8").split()] if file.is_file() else []


def rounds_of(stack: RealStack, name: str) -> list[Round]:
    """The rounds of the line of this name, in their order."""
    file = stack.home / "regenesis.duckdb"
    if not file.exists():
        return []
    return [
        one
        for one in store_of(stack).select(Round, order_by="number")
        if one.line.endswith(f"/{name}")
    ]


def live_through(stack: RealStack, night: Night) -> None:
    """The night with its fault, and the night after it without; what the table says is asserted."""
    name = night.fault.replace(" ", "-")
    stack.script(delay=0.15, **BEFORE.get(night.fault, {}))
    settings = SETTINGS.get(night.fault, "")

    run = stack.start_run("improve/nightly-all", name=name, settings_toml=settings + stack.settings)
    if night.fault in DURING:
        stack.await_(
            lambda: rounds_of(stack, name),
            lambda found: found and rows_of(store_of(stack), found[0].number),
        )
        DURING[night.fault](stack, run)
    ended = stack.await_state(run.id, "Failed", "Crashed", "Cancelled", *WELL)

    assert ended.state_name in (WELL if night.state == "well" else (night.state,)), ended.state
    assert night.cause in (ended.state.message or "")  # type: ignore[union-attr]
    store = store_of(stack)
    [first] = rounds_of(stack, name)
    assert first.status == ("running" if night.goes_on else "finished")
    kept, stored, asked = (
        rows_of(store, first.number),
        seeds_of(store, first.number),
        len(asked_seeds(stack)),
    )
    texts, noted = texts_of(store, first.number), texts_noted(first)
    champion = Tracking(stack.home).champion(first.line)

    stack.script()
    stack.await_state(stack.start_run("improve/nightly-all", name=name).id, *WELL)

    rounds = rounds_of(stack, name)
    assert [one.status for one in rounds] == ["finished"] * (1 if night.goes_on else 2)
    assert rounds[-1].champion_model_id == (champion or rounds[-1].base_model_id)
    assert kept <= rows_of(store, first.number)
    assert check_store(store, stack.home) == []
    if night.goes_on:
        assert stored & set(asked_seeds(stack)[asked:]) == set(), "tokens were paid for twice"
        again = texts_noted(rounds[0]) - noted
        assert again == texts_of(store, first.number) - texts, (
            "what was there already was generated again"
        )
    assert {one.state for one in store.select(Promotion)} <= {"done"}
    if night.pages:
        stack.await_(lambda: stack.pages_of(run), lambda found: found)
    pages = stack.pages_of(run)
    assert len(pages) == night.pages, pages
    assert all(night.cause in page["cause"] and page["continue"] for page in pages)


def summary_of(stack: RealStack) -> str:
    """The morning's summary, written now."""
    stack.await_state(stack.start_run("summarise/morning-summary").id, "summarised")
    wanted = {"artifacts": {"key": {"any_": ["morning-summary"]}}}
    with stack.client() as client:
        found = client.request("POST", "/artifacts/filter", json=wanted).json()
    return max(found, key=lambda one: one["created"])["data"]
