"""Old or new, never half, and nothing left beside it."""

from pathlib import Path

import pytest

from storage.whole_file import whole_file, write_whole


def test_a_file_is_replaced_whole_and_a_failure_leaves_the_old_one_alone(tmp_path: Path) -> None:
    target = tmp_path / "report.html"
    write_whole(target, "old ä")

    def fail() -> None:
        with whole_file(target) as partial:
            partial.write_text("half", "utf-8")
            assert target.read_text("utf-8") == "old ä"
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert [one.name for one in tmp_path.iterdir()] == ["report.html"]
    assert target.read_text("utf-8") == "old ä"

    write_whole(target, "new")
    assert target.read_text("utf-8") == "new"
    assert [one.name for one in tmp_path.iterdir()] == ["report.html"]


def test_a_link_that_lies_in_the_way_is_not_followed(tmp_path: Path) -> None:
    mine, target = tmp_path / "mine", tmp_path / "report.html"
    mine.write_text("mine", "utf-8")
    with whole_file(target) as partial:
        pass_through = partial
        partial.write_text("once", "utf-8")
    pass_through.symlink_to(mine)
    target.unlink()
    target.symlink_to(mine)

    write_whole(target, "new")

    assert (mine.read_text("utf-8"), target.read_text("utf-8")) == ("mine", "new")
    assert not target.is_symlink()
