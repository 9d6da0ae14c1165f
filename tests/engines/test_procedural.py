"""The embedded sets give fresh questions for as long as a set has them."""

from itertools import islice

from tasks.engines.procedural import drawn_questions


def test_a_long_draw_goes_on_with_other_questions() -> None:
    one_digit = {"min_terms": 2, "max_terms": 3, "min_digits": 1, "max_digits": 1}

    texts = {drawn.text for drawn in islice(drawn_questions("products", one_digit, 1), 1000)}

    assert len(texts) > 350
