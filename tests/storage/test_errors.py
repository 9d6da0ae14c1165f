"""What is told of one error inside another."""

from hypothesis import given
from hypothesis import strategies as st

from storage.errors import first_line


@given(message=st.text(st.characters() | st.sampled_from("\n\r\t \x0b\u2028"), max_size=40))
def test_of_any_message_one_line_is_told_and_of_none_the_kind(message: str) -> None:
    told = first_line(ValueError(message))

    assert len(told.splitlines()) == 1
    assert told in message or (told == "ValueError" and not message.strip())
