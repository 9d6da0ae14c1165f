"""The long form: fifty lines, each begun by two machines at once."""

from pathlib import Path

import pytest

from tests.tasks.rounds import test_round_row as short


@pytest.mark.soak
@pytest.mark.parametrize("kind", ["lake", "postgres"])
def test_fifty_lines_are_begun_once_each(
    request: pytest.FixtureRequest, tmp_path: Path, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(short, "TIMES", 50)
    short.test_two_machines_that_begin_a_line_at_once_begin_one_round(request, tmp_path, kind)
