"""The codes in the tables, each with the sentence that explains it, from codes.toml.

A row is added there before a code is stored anywhere; the glossary of the database is read from it.
"""

import tomllib
from importlib import resources

# in a file of its own, because people who read a report look codes up there too
CODES: dict[str, dict[str, str]] = tomllib.loads(
    resources.files("storage.views").joinpath("codes.toml").read_text("utf-8")
)
REASONS, FAILURES = CODES["reason"], CODES["failure"]
