"""What stands in the fenced blocks of a documentation page."""

import re


def blocks_of(text: str, language: str = "") -> list[str]:
    """The blocks of a language; with none those without one, which hold what a user types."""
    fenced = re.findall(r"^```(\w*)\n(.*?)^```", text, flags=re.DOTALL | re.MULTILINE)
    return [block for named, block in fenced if named == language]
