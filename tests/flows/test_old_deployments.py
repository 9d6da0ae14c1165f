"""Deployments that version 0.1 registered run on after the upgrade.

Prefect keeps with each its entrypoint and the parameters that a person gave it.
"""

import inspect

import pytest
from prefect.utilities.importtools import import_object

# From prefect.yaml and the flows at 0f7f32f.
OF_VERSION_0_1 = {
    "flows.compare.compare": (
        "name methods seeds match rounds until brought published preset settings_toml"
    ),
    "flows.improve.improve": (
        "name question_sets train_questions model new until budget_tokens budget_money preset"
        " settings_toml"
    ),
    "flows.maintain.maintain": "keep_backups collect_garbage rewrite keep_days",
    "flows.stages.evaluate": "name model round_number role again harness preset settings_toml",
    # but for `known` and `keep_first_of_duplicates`, which the changelog says have other names: the
    # deployment gave none of them, and Prefect refuses a run with one by name
    "flows.stages.ingest": "file name domain mapping answer_kind licence preset settings_toml",
    "flows.stages.promote": "name model round_number preset settings_toml",
    "flows.stages.synthesize": (
        "name question_sets train_questions model until budget_tokens budget_money change preset"
        " settings_toml"
    ),
    "flows.stages.train": "name model round_number preset settings_toml",
    "flows.stages.verify": "round_number preset settings_toml",
    "flows.summary.summarise": "hours",
}


@pytest.mark.parametrize("entrypoint", OF_VERSION_0_1)
def test_the_flow_is_where_it_was_and_takes_what_it_took(entrypoint: str) -> None:
    flow = import_object(entrypoint)
    parameters = inspect.signature(flow.fn).parameters

    assert set(OF_VERSION_0_1[entrypoint].split()) <= set(parameters)
    assert all(one.default is not inspect.Parameter.empty for one in parameters.values())
