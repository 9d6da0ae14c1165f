"""A comparison as a flow and as a command, on scripted machinery.

One table, nothing done twice, states that travel.
"""

import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from flows.compare import compare
from flows.runs.results import Result
from flows.steps.edges import use_edges
from flows.steps.progress import Quiet
from storage.open_store import Store, open_store
from storage.records import Adapter, ComparisonFigure, Evaluation, Question, Round, Trial
from storage.records import Path as RecordedPath
from tests.fakes.comparison_states import without_answers
from tests.fakes.homes import at_home
from tests.fakes.scripted_machinery import ScriptedMachinery
from tests.fakes.small_round import write_marked_prompts

Run = Callable[..., tuple[int, str, str]]
SMALL = """
name = "study"
[questions]
in_domain = ["chain_sum", "gcd"]
out_of_domain = ["lcm"]
train_per_set = 6
gate_per_set = 8
final_per_set = 10
[synthesis]
prompts = "{prompts}"
chains_per_question = 3
hinted_chains = 1
commit_seconds = 0.05
[training]
min_examples = 1
[comparison]
methods = ["base", "random", "regenesis"]
seeds = 2
learning_rates = [5e-4, 1e-3]
"""


@dataclass(frozen=True)
class Compared:
    """A finished comparison, for tests that read it or go on in a copy of its home."""

    home: Path
    result: Result


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("settings")
    file = folder / "study.toml"
    file.write_text(SMALL.format(prompts=write_marked_prompts(folder)), "utf-8")
    return file


@pytest.fixture(scope="module")
def compared(settings: Path, tmp_path_factory: pytest.TempPathFactory) -> Compared:
    home = tmp_path_factory.mktemp("compared") / "home"
    with at_home(home), use_edges(ScriptedMachinery(), Quiet()):
        return Compared(home, compare(settings_toml=settings.read_text("utf-8")))


@pytest.fixture
def compared_home(home: Path, compared: Compared) -> Path:
    """The test's home, in which the comparison is finished."""
    return shutil.copytree(compared.home, home)


def store_of(home: Path) -> Store:
    return open_store(f"duckdb:///{home / 'regenesis.duckdb'}")


def table(store: Store) -> list[tuple[object, ...]]:
    rows = store.select(ComparisonFigure, order_by="id")
    return [
        (row.method, row.scope, row.reading, row.rates, row.value, row.low, row.high)
        for row in rows
    ]


def test_a_comparison_ends_in_a_table_and_a_second_run_generates_nothing(
    compared: Compared, compared_home: Path, settings: Path, machinery: ScriptedMachinery
) -> None:
    first, store = compared.result, store_of(compared_home)
    before = table(store)

    second = compare(settings_toml=settings.read_text("utf-8"))

    assert (first.outcome, second.outcome) == ("compared", "compared")
    assert second.as_json()["generated_tokens"] == 0
    assert (machinery.trained, machinery.served) == ([], [])
    assert table(store) == before
    rows = store.select(
        ComparisonFigure, name="difference", rates="chosen", reading="strict", scope="in_domain"
    )
    assert {(row.method, row.against) for row in rows} == {
        ("random", "base"),
        ("regenesis", "base"),
        ("base", "regenesis"),
        ("random", "regenesis"),
    }
    assert all(row.low > 0 for row in rows if row.against == "base")
    spent = [one.paths_spent for one in store.select(Trial, method="regenesis", learning_rate=5e-4)]
    assert len(spent) == 2
    assert (
        str(sum(spent))
        in next(line for line in first.text.splitlines() if line.startswith("regenesis ")).split()
    )
    page = Path(str(first.as_json()["report"])).read_text("utf-8")
    assert "SELECT" in page
    assert "equal to" not in page
    assert "What do hints do?" in page


def test_learning_rates_are_chosen_on_in_domain_gate_questions_and_final_ones_are_only_reported(
    compared: Compared,
) -> None:
    store = store_of(compared.home)
    tried = store.select(ComparisonFigure, name="dev_accuracy")
    assert {(row.method, row.rates) for row in tried} == {
        (method, rate) for method in ("random", "regenesis") for rate in ("0.0005", "0.001")
    }
    assert {row.questions for row in tried} == {2 * 8}
    gates = store.select(Evaluation, part="gate")
    assert {row.domain for row in gates} == {"in_domain"}
    assert {row.draw for row in gates} == {1_000_001}
    chosen = {row.method: row.value for row in store.select(ComparisonFigure, name="chosen_rate")}
    finals = store.select(Evaluation, part="final")
    read = {one.model_id for one in finals}
    for trial in store.select(Trial):
        is_read = trial.learning_rate in (0.0, 5e-4, chosen.get(trial.method))
        assert (trial.model_id in read) == is_read, trial
    assert {row.domain for row in finals} == {"in_domain", "out_of_domain"}
    assert store.select(Round) == []
    parts = {one.id: one.part for one in store.select(Question)}
    assert {parts[path.question_id] for path in store.select(RecordedPath)} == {"train"}


def test_a_seed_is_answered_whole_before_the_next_one_is_trained(
    compared: Compared,
) -> None:
    store = store_of(compared.home)
    trials = {seed: store.select(Trial, seed=seed) for seed in (1, 2)}
    second_began = min(one.created_at for one in trials[2] if one.adapter_id)
    models = {one.model_id for one in trials[1]} - {one.model_id for one in trials[2]}
    answered = [
        one.created_at for one in store.select(Evaluation, part="final") if one.model_id in models
    ]
    assert answered
    assert max(answered) < second_began


@pytest.mark.parametrize("start", ["base", "champion"])
def test_each_round_is_trained_from_the_base_or_on_from_the_round_before(
    start: str, home: Path, settings: Path, machinery: ScriptedMachinery
) -> None:
    text = (
        settings.read_text("utf-8")
        .replace("[training]", f'[training]\nstart = "{start}"')
        .replace("seeds = 2", "seeds = 1")
    )

    result = compare(methods=["base", "regenesis"], rounds=3, settings_toml=text)

    assert result.outcome == "compared"
    trials = store_of(home).select(
        Trial, method="regenesis", learning_rate=5e-4, order_by="iteration"
    )
    adapters = {one.id: one for one in store_of(home).select(Adapter)}
    trained = [adapters[one.adapter_id] for one in trials if one.adapter_id]
    earlier = [None, *(one.id for one in trained[:-1])] if start == "champion" else [None] * 3
    assert [one.parent_adapter_id for one in trained] == earlier
    found = store_of(home).select(
        ComparisonFigure,
        order_by="iteration",
        name="accuracy",
        rates="chosen",
        reading="strict",
        method="regenesis",
    )
    course = {
        scope: [f"{one.value:.1%}" for one in found if one.scope == scope]
        for scope in ("in_domain", "out_of_domain")
    }
    assert [len(values) for values in course.values()] == [3, 3]
    [page] = (home / "reports").glob("comparison-*.html")
    said = (
        f"in domain {', '.join(course['in_domain'])}; out of domain"
        f" {', '.join(course['out_of_domain'])}."
    )
    assert (
        f"regenesis, strict accuracy on final questions round after round: {said}"
        in page.read_text("utf-8")
    )


def test_a_state_goes_on_in_another_home_without_generating_anything(
    compared_home: Path, settings: Path, tmp_path: Path, command: Run
) -> None:
    before = table(store_of(compared_home))
    code, out, err = command(
        "compare", "--settings", str(settings), "--export", str(tmp_path / "state")
    )
    assert code == 0, err
    assert "rows of study" in out

    there = tmp_path / "another"
    given = ("compare", "--settings", str(settings), "--home", str(there))
    code, out, err = command(*given, "--from", str(tmp_path / "state"), "--json")

    assert code == 0, err
    assert json.loads(out)["generated_tokens"] == 0
    assert table(store_of(there)) == before


def test_weights_that_did_not_travel_are_trained_anew_where_answers_are_missing(
    compared_home: Path,
    settings: Path,
    machinery: ScriptedMachinery,
    tmp_path: Path,
    command: Run,
) -> None:
    assert (
        command("compare", "--settings", str(settings), "--export", str(tmp_path / "state"))[0] == 0
    )
    without_answers(tmp_path / "state")

    there = tmp_path / "another"
    code, _, err = command(
        "compare",
        "--settings",
        str(settings),
        "--home",
        str(there),
        "--from",
        str(tmp_path / "state"),
    )

    assert code == 0, err
    assert len(machinery.trained) == len(
        [one for one in store_of(there).select(Trial) if one.adapter_id]
    )
    assert len(table(store_of(there))) == len(table(store_of(compared_home)))


def test_a_plan_says_what_it_would_take_and_begins_nothing(
    home: Path, settings: Path, command: Run
) -> None:
    code, out, err = command("compare", "--settings", str(settings), "--plan")

    assert code == 0, err
    assert "would begin: base, random, regenesis" in out
    assert "tokens/s (comparison.rate)" in out
    assert "as the first of 4" in out
    assert store_of(home).select(Question) == []


def test_the_methods_are_listed_with_their_citations(home: Path, command: Run) -> None:
    code, out, _ = command("compare", "--methods", "list")

    assert code == 0
    assert "arXiv 2203.14465" in out
    assert "without_guidelines" in out


BAD = {
    "no such file": None,
    "no column": "method,set,value,source\nstar,gsm8k,0.5,paper\n",
    "no figure": "method,set,value,source,split\n",
    "not a number": "method,set,value,source,split\nstar,gsm8k,many,paper,test\n",
    "beyond 100": "method,set,value,source,split\nstar,gsm8k,140,paper,test\n",
    "no source": "method,set,value,source,split\nstar,gsm8k,0.5,,test\n",
    "not text": "\udcff",
}


@pytest.mark.parametrize("case", BAD)
def test_wrong_published_figures_are_refused_before_anything_runs(
    case: str, home: Path, settings: Path, tmp_path: Path, command: Run
) -> None:
    file, text = tmp_path / "published.csv", BAD[case]
    if text is not None:
        file.write_bytes(text.encode("utf-8", "surrogateescape"))

    code, out, err = command("compare", "--settings", str(settings), "--published", str(file))

    assert (code, out) == (2, "")
    assert "published.csv" in err
    assert len(err.strip().splitlines()) == 1


@pytest.mark.parametrize(
    "arguments",
    [
        ("--methods", "base,nonsense"),
        ("--rates", "fast"),
        ("--match", "luck"),
        ("--from", "nowhere"),
        ("--rates", "1e-3,1e-3"),
    ],
)
def test_a_wrong_option_is_refused_with_one_line(
    arguments: tuple[str, str], home: Path, settings: Path, command: Run
) -> None:
    code, out, err = command("compare", "--settings", str(settings), *arguments)

    assert (code, out) == (2, "")
    assert len(err.strip().splitlines()) == 1, err


def test_hostile_texts_of_a_published_file_and_of_questions_are_escaped_in_the_report(
    compared_home: Path, settings: Path, tmp_path: Path, command: Run
) -> None:
    hostile = "<script>alert(1)</script>"
    file = tmp_path / "published.csv"
    file.write_text(
        "method,set,value,source,split,model\n"
        f'regenesis,gcd,83.2,"{hostile}",test,"{hostile}"\nstar,gcd,71%,a paper,test,\n',
        "utf-8",
    )

    code, out, err = command(
        "compare", "--settings", str(settings), "--published", str(file), "--json"
    )

    assert code == 0, err
    page = Path(json.loads(out)["report"]).read_text("utf-8")
    assert "<script" not in page
    assert "&lt;script&gt;" in page
    assert "83.2%" in page
    assert "Split: theirs test" in page
