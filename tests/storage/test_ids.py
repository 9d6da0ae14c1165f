"""Ids are the same on every machine and in every version: a changed one would generate everything anew."""

from uuid import UUID

from storage.ids import canonical, content_id


def test_an_id_stays_what_it_was_when_it_was_first_given() -> None:
    given = content_id("paths", UUID(int=7), 'a\ud800 é"', {"b": 1.5, "a": [None, True]}, 3)

    assert str(given) == "1a167deb-29dd-f6be-b723-2cc584937a1b"


def test_parts_are_written_in_one_way() -> None:
    assert canonical({"b": 1, "a": [UUID(int=1), "é"]}) == (
        '{"a":["00000000-0000-0000-0000-000000000001","\\u00e9"],"b":1}'
    )


def test_no_two_lists_of_parts_give_the_same_id() -> None:
    assert len({content_id("paths", *parts) for parts in [("a", "b"), ("ab",), ("a,b",), (["a", "b"],)]}) == 4
