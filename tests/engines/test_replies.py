"""What a server's reply means."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.engines.server.replies import Text, Trouble, read_reply, seconds_to_wait


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("", 0.0),
        ("3", 3.0),
        ("-1", 0.0),
        ("nan?", 0.0),
        ("nan", 0.0),
        ("Fri, 02 Jan 2026 00:00:05 -0000", 5.0),
        ("1e9", 300.0),
        ("Fri, 02 Jan 2026 00:00:05 GMT", 5.0),
        ("Thu, 01 Jan 2026 00:00:00 GMT", 0.0),
    ],
)
def test_retry_after_is_a_number_or_a_date(header: str, seconds: float) -> None:
    assert seconds_to_wait(header, now=datetime(2026, 1, 2, tzinfo=UTC)) == seconds


@given(st.binary(max_size=200), st.sampled_from([200, 400, 401, 404, 429, 500, 503]))
def test_no_bytes_make_the_reader_fail(body: bytes, status: int) -> None:
    assert isinstance(read_reply(status, body, 3), Text | Trouble)


@given(
    st.recursive(
        st.none() | st.integers() | st.text(), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner)
    )
)
def test_no_json_makes_the_reader_fail(value: object) -> None:
    import json

    assert isinstance(read_reply(200, json.dumps({"choices": [value]}).encode(), 3), Text | Trouble)


def test_a_reply_without_usage_is_still_a_completion() -> None:
    reply = read_reply(200, b'{"choices": [{"text": "four words are here", "finish_reason": null}]}', 3)

    assert isinstance(reply, Text)
    assert (reply.prompt_tokens, reply.completion_tokens, reply.finish_reason) == (3, 4, "stop")
