"""`regenesis compare --plan` and `--export`: what a comparison would take, and its state as files.

Starts nothing.

It needs no engine, no Prefect and no lock, and fetches no model: one of the hub is taken from the
store, or by name.
"""

from dataclasses import asdict
from pathlib import Path

from flows.runs.dry_runs import places_of_run, store_of_run
from flows.runs.results import Result
from flows.steps.edges import edges_at_work
from storage.environment import Environment
from storage.errors import InputError
from storage.ids import content_id
from storage.open_store import Store
from storage.records import Comparison, Model
from tasks.comparison.comparison_plan import ContestAhead, plan_comparison
from tasks.comparison.contest import comparison_row
from tasks.comparison.states.state import write_state
from tasks.guidelines import chosen_guidelines
from tasks.ingestion.ingest_questions import check_question_sets
from tasks.prompt_files import prompts_of
from tasks.settings import EMBEDDED_MODEL, Settings


def forecast_comparison(settings: Settings, *, dry_run: bool = False) -> Result:
    """What is still to be done of the comparison that these settings make."""
    with places_of_run(dry_run=dry_run) as places:
        return _forecast(_contest(settings, places, dry_run))


def _forecast(contest: ContestAhead) -> Result:
    found = plan_comparison(contest)
    names = ", ".join(one.name for one in contest.contenders)
    state = "goes on" if contest.store.get(Comparison, contest.record.id) else "would begin"
    heading = f"Comparison {contest.record.name} ({str(contest.record.id)[:8]}) {state}: {names}; "
    heading += f"seeds {list(contest.seeds)}; matched by {contest.settings.comparison.match}."
    return Result(
        "planned",
        "\n".join([heading, *found.lines]),
        {"comparison": str(contest.record.id), **asdict(found)},
    )


def export_comparison(settings: Settings, folder: Path, *, dry_run: bool = False) -> Result:
    """The state of the comparison that these settings make, as Parquet."""
    with places_of_run(dry_run=dry_run) as places:
        return _exported(_contest(settings, places, dry_run), folder, dry_run)


def _exported(contest: ContestAhead, folder: Path, dry_run: bool) -> Result:
    if contest.store.get(Comparison, contest.record.id) is None:
        raise InputError(
            f"The store has no comparison of these settings ({contest.record.name!r}); its state"
            " can't be written. Run: regenesis compare, with the same options"
        )
    if dry_run:
        text = f"Would write the state of {contest.record.name} to {folder}."
        return Result("planned", text, {"folder": str(folder)})
    counts = write_state(contest, folder)
    weight = sum(file.stat().st_size for file in folder.glob("*.parquet"))
    text = (
        f"Wrote {sum(counts.values())} rows of {contest.record.name} to {folder},"
        f" {weight / 1e6:.1f} MB."
    )
    return Result("exported", text, {"folder": str(folder), "rows": counts, "bytes": weight})


def _contest(settings: Settings, places: Environment, dry_run: bool) -> ContestAhead:
    store = store_of_run(places, dry_run=dry_run)
    base = base_ahead(store, settings, places)
    check_question_sets(store, settings)
    row = comparison_row(settings, base)
    return ContestAhead(
        store,
        store.get(Comparison, row.id) or row,
        settings,
        base,
        prompts_of(settings),
        chosen_guidelines(settings.synthesis.guidelines),
    )


def base_ahead(store: Store, settings: Settings, environment: Environment) -> Model:
    """The base model; of an unused one of the hub only its name is known, which is enough."""
    name = settings.model.name
    if name == EMBEDDED_MODEL or Path(name).expanduser().exists():
        return edges_at_work().machinery.prepare(settings.model, environment).record
    short = name.rpartition("/")[2]
    known = [one for one in store.select(Model, name=short) if one.adapter_id is None]
    unknown = content_id("models", name)
    return (
        known[-1]
        if known
        else Model(
            id=unknown,
            name=short,
            base_model_id=unknown,
            adapter_id=None,
            revision="",
            chat_template_hash="",
        )
    )
