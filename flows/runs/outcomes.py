"""How a flow run ends well: names of Prefect states, and of this platform's own events."""

SKIPPED, BUDGET_SPENT, STORE_BUSY = "skipped", "budget spent", "store busy"
ENDED_EARLY = (BUDGET_SPENT, STORE_BUSY)  # cleanly: the next run goes on
# A state's own name is also its event's, prefect.flow-run.NAME: automations that wait for an end
# must know them all.
OF_ROUNDS = ("promoted", "refused", "inconclusive", *ENDED_EARLY, SKIPPED)
OF_STAGES = (
    "ingested",
    "synthesized",
    "verified",
    "trained",
    "evaluated",
    "rolled back",
    "forecast",
    "maintained",
    "summarised",
    "compared",
)
OUTCOMES = (*OF_ROUNDS, *OF_STAGES)
SLOT_FREED = "regenesis.slot.freed"
STOPPED_ITSELF = "regenesis.deployment.paused"
