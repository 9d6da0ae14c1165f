"""Cards: front matter that YAML reads back, tables that no text breaks, the hub's names."""

from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from storage.records import Adapter, Evaluation, Model, Promotion, QuestionSet
from tasks.rules.cards.data_card import PRIVATE, Base, DataCard, Source
from tasks.rules.cards.markdown import (
    cell,
    front_matter,
    hub_licence,
    hub_licences,
    size_category,
    table,
)
from tasks.rules.cards.model_card import Examined, ModelCard
from tests.storage.examples import make

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)


def front_of(card: str) -> dict[str, Any]:
    assert card.startswith("---\n")
    return yaml.safe_load(card.split("\n---", 1)[0])


def data_card(*sets: QuestionSet, rows: int = 4) -> str:
    base = Base(make(Model, name="small"), "")
    return DataCard(
        title="Rows",
        format="parquet",
        rows=rows,
        hinted=1,
        questions=3,
        facts={"seed": 7},
        filters={"count": 0},
        sources=[Source(one, 2) for one in sets],
        bases=[base],
        sql="SELECT 1",
    ).text()


def model_card(
    licence: str = "Apache-2.0", examined: tuple[Examined, ...] = (), source: str = "embedded"
) -> str:
    return ModelCard(
        model=make(Model, name="small+round1"),
        adapter=make(Adapter, kind="lora"),
        base=make(Model, "b", name="small"),
        base_licence=licence,
        base_source=source,
        merged=False,
        training_set=None,
        round=1,
        sources=[],
        examined=examined,
        decisions=[make(Promotion, outcome="refused", decided_by="gate", reasons="It lost.")],
    ).text()


@given(
    st.dictionaries(
        st.from_regex(r"[a-z]{2,9}_x", fullmatch=True), TEXTS | st.lists(TEXTS) | st.integers(1)
    )
)
def test_front_matter_is_yaml_whatever_the_text(values: dict[str, Any]) -> None:
    read = yaml.safe_load(front_matter(values).removesuffix("---")) or {}

    assert set(read) == {name for name, value in values.items() if value not in ("", [])}
    assert all(read[name] == value for name, value in values.items() if isinstance(value, int))


@given(TEXTS)
def test_a_cell_stays_in_its_table_and_opens_no_tag(text: str) -> None:
    lines = table(("a", "b"), [(text, 1)]).split("\n")

    assert len(lines) == 3
    assert lines[2].count("|") == 3
    assert "<" not in lines[2]
    assert len(lines[2].splitlines()) == 1


def test_a_cell_without_text_is_a_dash() -> None:
    assert cell(" \n ") == "-"


@pytest.mark.parametrize(
    ("stated", "name"),
    [
        ("Apache-2.0", "apache-2.0"),
        ("CC BY-SA 4.0", "cc-by-sa-4.0"),
        ("MIT", "mit"),
        ("", "unknown"),
        ("non-commercial research use only", "other"),
    ],
)
def test_a_licence_has_the_hubs_name(stated: str, name: str) -> None:
    assert hub_licence(stated) == name


def test_several_licences_are_a_list() -> None:
    assert hub_licences(["MIT", "Apache-2.0", "MIT"]) == ["apache-2.0", "mit"]


@pytest.mark.parametrize(
    ("rows", "name"),
    [(0, "n<1K"), (1_000, "1K<n<10K"), (99_999_999, "10M<n<100M"), (10**9, "n>100M")],
)
def test_a_size_has_the_hubs_name(rows: int, name: str) -> None:
    assert size_category(rows) == name


def test_a_licence_that_the_hub_does_not_know_keeps_its_words() -> None:
    front = front_of(data_card(make(QuestionSet, licence="research only", redistributable=True)))

    assert (front["license"], front["license_name"]) == ("other", "research only")


def test_a_data_card_says_which_source_forbids_redistribution() -> None:
    card = data_card(
        make(QuestionSet, "a", name="open", redistributable=True),
        make(QuestionSet, "b", name="shut <b>|x"),
    )

    assert f"{PRIVATE}shut &lt;b>&#124;x." in card
    assert front_of(card)["private"] is True


def test_a_data_card_of_free_sources_is_not_private() -> None:
    card = data_card(make(QuestionSet, redistributable=True))

    assert PRIVATE not in card
    assert "private" not in front_of(card)


def test_a_model_card_holds_domains_and_readings_apart() -> None:
    figures: dict[str, Any] = {"questions": 4, "strict_high": 0.5, "lenient_high": 1.0}
    sums = make(
        Evaluation,
        1,
        domain="in_domain",
        part="gate",
        strict_correct=1,
        lenient_correct=3,
        **figures,
    )
    riddles = make(
        Evaluation,
        2,
        domain="out_of_domain",
        part="gate",
        strict_correct=2,
        lenient_correct=4,
        **figures,
    )

    card = model_card(
        examined=(Examined(1, "sums", sums, riddles), Examined(1, "riddles", riddles, None))
    )

    inside, outside = card.split("### In domain")[1].split("### Out of domain")
    line = (
        "| gate | sums | 1 | 4 | 50.0% (0.0% to 50.0%) | 25.0% (0.0% to 50.0%) | 100.0% (0.0% to"
        " 100.0%) | 75.0% ("
    )
    assert line in inside
    assert "riddles" not in inside
    assert "| gate | riddles | 1 | 4 | - | 50.0%" in outside
    assert "- refused (by gate): It lost." in card


def test_a_model_card_without_figures_says_so() -> None:
    card = model_card(licence="")

    assert "It has not been examined." in card
    assert front_of(card)["license"] == "unknown"


@pytest.mark.parametrize(
    ("source", "named"), [("Qwen/Qwen3-8B", "Qwen/Qwen3-8B"), ("embedded", "small"), ("", "small")]
)
def test_a_model_card_names_its_base_as_the_hub_does_where_it_can(source: str, named: str) -> None:
    front = front_of(model_card(source=source))

    assert (front["base_model"], front["library_name"]) == (named, "peft")
