"""What a server's reply means."""

import json
import re
from datetime import UTC, datetime

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from tasks.engines.server.replies import Text, Trouble, read_reply, seconds_to_wait
from tasks.rules.answers.final_answer import NotStated, final_answer
from tasks.rules.answers.finish_reasons import is_natural_stop


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


@settings(deadline=None)
@given(st.binary(max_size=200), st.sampled_from([200, 400, 401, 404, 429, 500, 503]))
def test_no_bytes_make_the_reader_fail(body: bytes, status: int) -> None:
    assert isinstance(read_reply(status, body, 3), Text | Trouble)


@settings(deadline=None)
@given(
    st.recursive(
        st.none() | st.integers() | st.text(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    )
)
def test_no_json_makes_the_reader_fail(value: object) -> None:
    import json

    assert isinstance(read_reply(200, json.dumps({"choices": [value]}).encode(), 3), Text | Trouble)


def test_a_reply_without_usage_is_still_a_completion() -> None:
    reply = read_reply(
        200, b'{"choices": [{"text": "four words are here", "finish_reason": null}]}', 3
    )

    assert isinstance(reply, Text)
    assert (reply.prompt_tokens, reply.completion_tokens, reply.finish_reason) == (3, 4, "stop")


NATURAL_ENDS = ("stop", "STOP", "eos_token", "stop_sequence", "end_turn", "eos")
CUTS = (
    "length",
    "LENGTH",
    "model_length",
    "max_tokens",
    "MAX_TOKENS",
    "content_filter",
    "tool_calls",
    "recitation",
)


def completion(**fields: object) -> bytes:
    choice = {"text": "so it is 5", "finish_reason": "stop", **fields}
    return json.dumps(
        {"choices": [choice], "usage": {"prompt_tokens": 3, "completion_tokens": 4}}
    ).encode()


@pytest.mark.parametrize("said", NATURAL_ENDS)
def test_a_natural_end_is_a_stop_whatever_a_server_calls_it(said: str) -> None:
    reply = read_reply(200, completion(finish_reason=said), 3)

    assert isinstance(reply, Text)
    assert reply.finish_reason == "stop"


@settings(deadline=None)
@given(st.sampled_from(CUTS) | st.text(min_size=1, max_size=30))
def test_every_other_end_is_a_cut_and_kept_as_the_server_said_it(said: str) -> None:
    reply = read_reply(200, completion(finish_reason=said), 3)
    assume(said not in ("abort", "error") and not is_natural_stop(said))

    assert isinstance(reply, Text)
    assert reply.finish_reason == re.sub("[\x00\ud800-\udfff]", "\ufffd", said)
    assert final_answer("Count. The answer is 5", reply.finish_reason) == NotStated("cut_off")


@settings(deadline=None)
@given(
    st.fixed_dictionaries(
        {},
        optional=dict.fromkeys(
            ("prompt_tokens", "completion_tokens", "total_tokens"), st.none() | st.just("x")
        ),
    )
    | st.none()
    | st.just([])
)
def test_usage_without_figures_is_estimated_as_where_it_is_missing(usage: object) -> None:
    body = json.dumps({"choices": [{"text": "four words are here"}], "usage": usage}).encode()

    assert read_reply(200, body, 3) == Text("four words are here", "stop", 3, 4)


@pytest.mark.parametrize(
    "words",
    [
        "This model's maximum context length is 8 tokens. However, you requested 12 tokens",
        "The input (8600 tokens) is longer than the model's context length (2048 tokens).",
        "request (8600 tokens) exceeds the available context size (1024 tokens), try increasing it",
        "Requested tokens (8600) exceed context window of 512",
        "Input validation error: `inputs` must have less than 1024 tokens. Given: 8600",
        (
            "Input validation error: `inputs` tokens + `max_new_tokens` must be <= 2048. Given:"
            " 8600 `inputs` tokens"
        ),
    ],
)
def test_a_prompt_that_is_too_long_is_told_in_every_servers_words(words: str) -> None:
    reply = read_reply(400, json.dumps({"error": {"message": words}}).encode(), 3)

    assert isinstance(reply, Trouble)
    assert (reply.kind, reply.reason) == ("refused", "prompt_too_long")


SAID = "prompt: Input should be a valid string"


@pytest.mark.parametrize(
    "shape",
    [
        {"error": {"message": SAID, "type": "BadRequestError", "code": 422}},
        {"error": SAID, "error_type": "validation"},
        {"message": SAID, "object": "error"},
        {"detail": SAID},
        {"detail": [{"type": "string_type", "loc": ["body", "prompt"], "msg": SAID, "input": [1]}]},
        {"type": "about:blank", "title": SAID, "status": 422},
        {"title": "Unprocessable", "detail": {"message": SAID}},
        {"errors": [], "error": {"error": {"detail": SAID}}},
        [{"error": {"code": 422, "message": SAID}}],
        SAID,
    ],
)
@pytest.mark.parametrize("status", [200, 400, 422, 500, 502])
def test_a_servers_words_are_shown_wherever_it_puts_them(shape: object, status: int) -> None:
    reply = read_reply(status, json.dumps(shape).encode(), 3)

    assert isinstance(reply, Trouble)
    assert SAID in reply.message
