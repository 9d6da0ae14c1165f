"""Settings say what they are and where each value comes from."""

from pathlib import Path

import pytest

from tasks.settings import PRESETS, Settings, explain_settings, load_settings


@pytest.mark.parametrize("preset", PRESETS)
def test_every_setting_is_shown_with_the_value_that_is_loaded(preset: str) -> None:
    rows, _ = explain_settings(preset)
    loaded = load_settings(preset)

    for row in rows:
        value: object = loaded
        for part in row.name.split("."):
            value = getattr(value, part)
        assert value == row.value, row.name
    assert {row.name.split(".")[0] for row in rows} == set(Settings.model_fields)


def test_a_value_is_said_to_come_from_the_last_that_set_it(tmp_path: Path) -> None:
    config = tmp_path / "config.toml"
    config.write_text("[gate]\nmargin = 0.05\nalpha = 0.01")
    rows, _ = explain_settings("paper", "[gate]\nalpha = 0.02", config, {"name": "mine"})
    source = {row.name: row.source for row in rows}
    assert source["gate.alpha"] == "settings_toml"
    assert source["gate.margin"] == str(config)
    assert source["name"] == "options"
    assert source["training.learning_rate"] == "preset paper"
    assert source["gate.spending_rounds"] == "built in"


def test_a_table_that_keeps_the_presets_stop_strings_says_so() -> None:
    _, notes = explain_settings("embedded", "[synthesis]\nstructure = { max_tokens = 160 }")
    (note,) = notes
    assert note.startswith("synthesis.structure in settings_toml keeps stop = ")
    assert note.endswith("of preset embedded; for none set stop = [].")
    assert (
        explain_settings("embedded", "[synthesis]\nstructure = { max_tokens = 160, stop = [] }")[1]
        == []
    )
    assert explain_settings("embedded")[1] == []
