"""Who is told what, and when: the Prefect automations of a lasting stack, as code.

Each has an entry in the runbook.

Prefect's server runs them, so they work when the run, its worker and its hooks are dead. Two only
end a dead run as crashed, which then is reported as a failed one: an incident makes one page.
"""

import json
import shlex
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from uuid import UUID

from prefect.client.schemas.objects import StateType
from prefect.events.actions import ActionTypes, CallWebhook, ChangeFlowRunState, DoNothing
from prefect.events.schemas.automations import AutomationCore, EventTrigger, Posture
from prefect.events.schemas.events import ResourceSpecification

from flows.runs.outcomes import OUTCOMES, SLOT_FREED, STOPPED_ITSELF

RUN = "prefect.flow-run."
# every event with which a run ends; outcomes of ours are names of states, and so of events
ENDS = frozenset(
    f"{RUN}{name}"
    for name in ("Completed", "Failed", "Crashed", "TimedOut", "Cancelled", *OUTCOMES)
)
RUNS = ResourceSpecification({"prefect.resource.id": f"{RUN}*"})
# runs that carry the tag `nightly`, whichever deployment they are of
NIGHTLY = ResourceSpecification(
    {"prefect.resource.id": "prefect.tag.nightly", "prefect.resource.role": "tag"}
)


@dataclass(frozen=True)
class Patience:
    """How long to wait before a page.

    When a run counts as late is a setting of the server:
    PREFECT_SERVER_SERVICES_LATE_RUNS_AFTER_SECONDS.
    """

    # five times the heartbeat; a restart of the server takes less
    heartbeat_lost_seconds: float = 150.0
    pending_lost_seconds: float = 240.0
    finish_hours: float = 8.0
    quiet_hours: float = 6.0  # one page a night of a kind, however many deployments it hits

    @classmethod
    def of(cls, text: str) -> "Patience":
        """From JSON of some of the fields; empty for the defaults."""
        return cls(**json.loads(text or "{}"))


def automations(
    webhook: UUID | None, api_url: str, patience: Patience, password_file: Path | None = None
) -> list[AutomationCore]:
    """All of them; without a webhook they act and page nobody.

    A page's command reads the API's password from `password_file`, where it has one of its own.
    """
    pages = _Pages(webhook, _asking(api_url, password_file))
    quiet = timedelta(hours=patience.quiet_hours)
    return [
        AutomationCore(
            name="heartbeat lost",
            description=(
                "A run whose heartbeat stopped is dead: it ends as crashed, and what it held is"
                " free."
            ),
            trigger=_missing(
                after={f"{RUN}Running", f"{RUN}heartbeat"},
                expect={f"{RUN}heartbeat", f"{RUN}Cancelling", *ENDS},
                # proactive: it fires when none of `expect` has come within this time after one of
                # `after`
                within=timedelta(seconds=patience.heartbeat_lost_seconds),
            ),
            actions=[
                _crashed(
                    f"Heartbeat lost: nothing was heard for {patience.heartbeat_lost_seconds:.0f}"
                    " s; the run's process or its machine died."
                )
            ],
        ),
        AutomationCore(
            name="start lost",
            description=(
                "A run that stays pending was taken by a worker that died before it began: it ends"
                " as crashed."
            ),
            trigger=_missing(
                after={f"{RUN}Pending"},
                expect={
                    f"{RUN}{name}"
                    for name in ("Running", "Scheduled", "Late", "Cancelling", "heartbeat")
                }
                | ENDS,
                within=timedelta(seconds=patience.pending_lost_seconds),
            ),
            actions=[
                _crashed(
                    f"Start lost: pending for {patience.pending_lost_seconds:.0f} s; the worker"
                    " died between taking the run and beginning it."
                )
            ],
        ),
        AutomationCore(
            name="night failed",
            description=(
                "A nightly run failed or crashed. Refused and inconclusive rounds are no failures."
            ),
            trigger=_seen({f"{RUN}Failed", f"{RUN}Crashed", f"{RUN}TimedOut"}, quiet, NIGHTLY),
            actions=pages.of_run("night failed", "flow_run.state.message"),
        ),
        AutomationCore(
            name="night not started",
            description="A nightly run is late: no worker took it.",
            trigger=_seen({f"{RUN}Late"}, quiet, NIGHTLY),
            actions=pages.of_run(
                "night not started",
                "'No worker took the run in time: is one running, is its queue "
                "free and not paused?'",
            ),
        ),
        AutomationCore(
            name="night not finished",
            description=f"A nightly run still runs after {patience.finish_hours:g} hours.",
            trigger=_missing(
                after={f"{RUN}Running"},
                expect={f"{RUN}Cancelling", *ENDS},
                within=timedelta(hours=patience.finish_hours),
                related=NIGHTLY,
            ),
            actions=pages.of_run(
                "night not finished",
                f"'Still running after {patience.finish_hours:g} hours; it is "
                "alive. Cancel it in the UI to free the engine: what it wrote stays.'",
            ),
        ),
        AutomationCore(
            name="slot freed",
            description="A concurrency slot was held by no live run and was freed by the watch.",
            trigger=_seen({SLOT_FREED}, quiet),
            actions=pages.of_deployment("slot freed", "run"),
        ),
        AutomationCore(
            name="deployment paused",
            description=(
                "A deployment paused itself: three refused rounds in a row, or texts that collapse."
            ),
            trigger=_seen({STOPPED_ITSELF}, timedelta(0)),
            actions=pages.of_deployment("deployment paused", "resume"),
        ),
    ]


@dataclass(frozen=True)
class _Pages:
    """One message a page: what, why, where to look, what to type."""

    webhook: UUID | None
    asking: str
    """What stands before `prefect` in a command."""

    def of_run(self, incident: str, cause: str) -> list[ActionTypes]:
        """`cause` is a Jinja expression."""
        return self._page(
            incident, cause, "flow_run|ui_url", "flow.name ~ '/' ~ deployment.name", "run"
        )

    def of_deployment(self, incident: str, command: str) -> list[ActionTypes]:
        """The event itself says cause, link and deployment."""
        payload = "event.payload"
        return self._page(
            incident, f"{payload}.cause", f"{payload}.link", f"{payload}.deployment", command
        )

    def _page(
        self, incident: str, cause: str, link: str, deployment: str, command: str
    ) -> list[ActionTypes]:
        if self.webhook is None:
            return [DoNothing()]
        # Jinja's form, too
        before = json.dumps(f"{self.asking} prefect deployment {command} ", ensure_ascii=False)
        # built by Jinja at the time of the page, each value as JSON: a name cannot break the
        # payload
        typed = f"{before} ~ ({deployment})|tojson"
        fields = {
            "incident": f"'{incident}'",
            "cause": cause,
            "link": link,
            "deployment": deployment,
            "continue": typed,
            "runbook": f"'docs/runbook.md#{incident.replace(' ', '-')}'",
            "at": "event.occurred|string",
            "text": (
                f"'ReGenesis, {incident}: ' ~ ({cause}) ~ ' ' ~ ({link}) ~ ' To go on: ' ~ {typed}"
            ),
        }
        payload = ", ".join(
            f'"{name}": {{{{ ({expression})|tojson }}}}' for name, expression in fields.items()
        )
        return [CallWebhook(block_document_id=self.webhook, payload="{" + payload + "}")]


def _asking(api_url: str, password_file: Path | None) -> str:
    """The variables with which a command asks this API; the password itself stands in no page."""
    password = (
        f' PREFECT_API_AUTH_STRING="$(cat {shlex.quote(str(password_file))})"'
        if password_file
        else ""
    )
    return f"PREFECT_API_URL={api_url}{password}"


def _missing(
    after: set[str],
    expect: set[str],
    within: timedelta,
    related: ResourceSpecification | None = None,
) -> EventTrigger:
    return EventTrigger(
        match=RUNS,
        match_related=related or ResourceSpecification({}),
        after=after,
        expect=expect,
        for_each={"prefect.resource.id"},
        posture=Posture.Proactive,
        threshold=1,
        within=within,
    )


def _seen(
    expect: set[str], quiet: timedelta, related: ResourceSpecification | None = None
) -> EventTrigger:
    """At once, and then not again for the quiet time."""
    return EventTrigger(
        match_related=related or ResourceSpecification({}),
        expect=expect,
        posture=Posture.Reactive,
        threshold=1,
        within=quiet,
    )


def _crashed(message: str) -> ActionTypes:
    # force=False: a run that ended meanwhile keeps its own end
    return ChangeFlowRunState(name=None, state=StateType.CRASHED, message=message, force=False)
