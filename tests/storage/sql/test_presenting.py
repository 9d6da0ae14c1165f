"""Whatever steers or hides is made visible on a terminal; what writing needs is left alone."""

import json
import sys
import unicodedata

from storage.sql.presenting import as_csv, as_table, escaped, json_line, terminal_text

JOINERS = {"\u200c", "\u200d"}  # Persian and emoji are spelled with them
SEEN = {
    *map(chr, range(0x600, 0x606)),
    "\u06dd",
    "\u070f",
    "\u0890",
    "\u0891",
    "\u08e2",
    "\U000110bd",
    "\U000110cd",
}


def steering() -> list[str]:
    """Every character that Unicode calls a control, a format character, a surrogate or a separator
    of lines.
    """
    kinds = {"Cc", "Cf", "Cs", "Zl", "Zp"}
    return [
        one for one in map(chr, range(sys.maxunicode + 1)) if unicodedata.category(one) in kinds
    ]


def test_no_character_that_steers_or_hides_reaches_a_terminal() -> None:
    hostile = [one for one in steering() if one not in JOINERS | SEEN]
    text = "".join(hostile)

    assert not set(escaped(text)) & set(hostile)
    assert not set(terminal_text(text)) & (set(hostile) - {"\n", "\t"})
    assert not set(json_line(text)) & set(hostile)
    assert not set(as_table(["n"], [[one] for one in hostile[:200]]).replace("\n", "")) & set(
        hostile
    )


def test_other_characters_stay_as_they_are() -> None:
    steers = set(steering()) - JOINERS - SEEN
    others = (
        one
        for one in map(chr, range(0x20000))
        if one not in steers and unicodedata.category(one) != "Cn"
    )

    assert [hex(ord(one)) for one in others if not escaped(one) == terminal_text(one) == one] == []


def test_a_line_of_json_reads_back() -> None:
    text = "\U000e0041\u202e\x1b"

    assert json.loads(json_line(text)) == text


def test_a_csv_file_keeps_the_exact_characters() -> None:
    assert as_csv([["\u202eabc", "\u0627\u061c"]]) == "\u202eabc,\u0627\u061c\n"
