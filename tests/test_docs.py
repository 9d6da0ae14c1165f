"""README, Makefile and prefect.yaml do not go stale.

What they name is there, with these parameters.
"""

import inspect
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.fakes.pages import blocks_of

ROOT = Path(__file__).parent.parent
DEPLOYMENTS: list[dict[str, Any]] = yaml.safe_load((ROOT / "prefect.yaml").read_text("utf-8"))[
    "deployments"
]
README = (ROOT / "README.md").read_text("utf-8")


def flow_of(entrypoint: str) -> Any:
    from prefect.utilities.importtools import import_object

    return import_object(entrypoint)


@pytest.mark.parametrize("deployment", DEPLOYMENTS, ids=lambda deployment: deployment["name"])
def test_a_deployment_names_a_flow_and_parameters_that_it_takes(deployment: dict[str, Any]) -> None:
    flow = flow_of(deployment["entrypoint"])

    given = deployment.get("parameters", {})

    assert set(given) <= set(inspect.signature(flow.fn).parameters)
    flow.validate_parameters(
        given | {key: p.default for key, p in inspect.signature(flow.fn).parameters.items()} | given
    )


SAYS_ALL_OF_A_FILE = (
    "flows.stages.ingest"  # held to the command line by tests/flows/test_ingest_form.py
)
WITHOUT_SETTINGS = {"flows.maintain.maintain", "flows.summary.summarise"}


@pytest.mark.parametrize("name", sorted({deployment["entrypoint"] for deployment in DEPLOYMENTS}))
def test_a_flow_explains_each_of_at_most_eight_parameters_and_two_more(name: str) -> None:
    flow = flow_of(name)

    properties = flow.parameters.properties

    assert name == SAYS_ALL_OF_A_FILE or len(set(properties) - {"preset", "settings_toml"}) <= 8
    assert name in WITHOUT_SETTINGS or {"preset", "settings_toml"} <= set(properties)
    for parameter, schema in properties.items():
        assert schema.get("description"), parameter
        assert schema.get("type"), f"{parameter} is not flat: {schema}"
        assert "default" in schema, parameter


def test_every_embedded_in_domain_set_and_every_stage_has_a_deployment() -> None:
    from tasks.settings import QuestionSettings

    names = {deployment["name"] for deployment in DEPLOYMENTS}

    assert {f"nightly-{name.replace('_', '-')}" for name in QuestionSettings().in_domain} <= names
    assert {
        "nightly-all",
        "ingest",
        "synthesize",
        "verify",
        "train",
        "evaluate",
        "promote",
        "improve",
    } <= names
    assert {"maintain", "morning-summary"} <= names


def test_nightly_rounds_run_once_a_night_and_one_at_a_time() -> None:
    for deployment in DEPLOYMENTS:
        if deployment["name"].startswith("nightly-"):
            assert deployment["schedules"][0]["timezone"] == "{{ $REGENESIS_TIMEZONE }}"
            assert deployment["work_pool"]["work_queue_name"] == "engine"
            assert deployment["concurrency_limit"] == {
                "limit": 1,
                "collision_strategy": "CANCEL_NEW",
            }


def commands_in(text: str) -> list[list[str]]:
    blocks = blocks_of(text)
    lines = [line.partition("#")[0].strip() for block in blocks for line in block.splitlines()]
    return [line.split() for line in lines if line.startswith("regenesis ")]


@pytest.mark.parametrize(
    "page", ["README.md", *(f"docs/{one.name}" for one in sorted((ROOT / "docs").glob("*.md")))]
)
def test_a_page_names_commands_and_options_that_exist(page: str) -> None:
    from flows.cli.main import app

    known = {
        command.name or command.callback.__name__: command for command in app.registered_commands
    }
    for group in app.registered_groups:
        known |= {
            f"{group.name} {one.name or one.callback.__name__}": one
            for one in group.typer_instance.registered_commands
        }
    groups = {group.name for group in app.registered_groups}
    for _, name, *arguments in commands_in((ROOT / page).read_text("utf-8")):
        if name.startswith("-"):
            continue
        if name in groups:
            name = f"{name} {arguments[0]}"
        parameters = inspect.signature(known[name].callback).parameters
        for option in (a for a in arguments if a.startswith("--")):
            parameter = option.removeprefix("--").replace("-", "_")
            assert {parameter, f"{parameter}_"} & set(parameters), f"{name} {option}"


def test_the_readme_names_every_make_target_once_there() -> None:
    targets = re.findall(r"^(\w+):", (ROOT / "Makefile").read_text("utf-8"), flags=re.MULTILINE)

    for target in re.findall(r"`?make (\w+)", README):
        assert target in targets


def test_the_readme_has_a_line_for_each_folder_that_it_names() -> None:
    for folder in re.findall(r"^\| `([\w/]+)/` \|", README, flags=re.MULTILINE):
        assert (ROOT / folder).is_dir(), folder


def test_continuous_integration_runs_the_test_target() -> None:
    text = (ROOT / ".ci" / "run").read_text("utf-8")

    assert "make test" in text
    assert os.access(ROOT / ".ci" / "run", os.X_OK)


def test_no_file_names_a_place_on_the_machine_it_was_written_on() -> None:
    listed = subprocess.run(
        ["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    if listed.returncode:
        pytest.skip("not a git checkout")
    own = {"tests/test_docs.py"}
    places = re.compile(rb"(?<![\w.])/(work|root|home)/\w")
    found = [
        name
        for name in listed.stdout.splitlines()
        if name not in own and (ROOT / name).is_file() and places.search((ROOT / name).read_bytes())
    ]

    assert found == []


def test_the_version_is_the_packages() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "flows.cli.main", "--version"],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )

    assert re.match(r"regenesis \d+\.\d+\.\d+", done.stdout)


def test_the_page_on_the_environment_names_every_variable_and_no_other() -> None:
    sources = [
        file for folder in ("flows", "tasks", "storage") for file in (ROOT / folder).rglob("*.py")
    ]
    read = re.compile(r"REGENESIS_[A-Z_]*[A-Z]")
    known = {name for file in sources for name in read.findall(file.read_text("utf-8"))}

    page = (ROOT / "docs" / "environment.md").read_text("utf-8")

    assert set(read.findall(page)) == known
