"""How a flow run ends when it ends well: names of Prefect states, and of the events that this platform emits itself."""

SKIPPED, BUDGET_SPENT = "skipped", "budget spent"
# A state's own name is also its event's, prefect.flow-run.NAME: automations that wait for an end must know them all.
OF_ROUNDS = ("promoted", "refused", "inconclusive", BUDGET_SPENT, SKIPPED)
OF_STAGES = (
    "ingested", "synthesized", "verified", "trained", "evaluated", "rolled back", "forecast", "maintained",
    "summarised", "compared",
)  # fmt: skip
OUTCOMES = (*OF_ROUNDS, *OF_STAGES)
SLOT_FREED = "regenesis.slot.freed"
STOPPED_ITSELF = "regenesis.deployment.paused"
