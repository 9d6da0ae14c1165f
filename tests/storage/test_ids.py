"""Ids are the same on every machine and in every version.

A changed id would generate everything again.
"""

import hashlib
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from storage.ids import Part, canonical, content_id


def test_an_id_stays_what_it_was_when_it_was_first_given() -> None:
    given = content_id("paths", UUID(int=7), 'a\ud800 é"', {"b": 1.5, "a": [None, True]}, 3)

    assert str(given) == "1a167deb-29dd-f6be-b723-2cc584937a1b"


def test_parts_are_written_in_one_way() -> None:
    assert canonical({"b": 1, "a": [UUID(int=1), "é"]}) == (
        '{"a":["00000000-0000-0000-0000-000000000001","\\u00e9"],"b":1}'
    )


@given(
    st.lists(
        st.one_of(
            st.text(),
            st.integers(),
            st.booleans(),
            st.none(),
            st.uuids(),
            st.floats(),
            st.lists(st.text()),
        )
    )
)
def test_the_parts_of_an_id_are_written_as_canonical_json(parts: list[Part]) -> None:
    written = canonical(["paths", *parts]).encode()

    assert content_id("paths", *parts).bytes == hashlib.blake2b(written, digest_size=16).digest()


def test_no_two_lists_of_parts_give_the_same_id() -> None:
    assert (
        len(
            {
                content_id("paths", *parts)
                for parts in [("a", "b"), ("ab",), ("a,b",), (["a", "b"],)]
            }
        )
        == 4
    )
