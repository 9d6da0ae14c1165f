"""A file that is there whole or not at all."""

import os
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def whole_file(target: Path) -> Generator[Path]:
    """Where to write what takes the target's name when the block ends; where it fails, nothing.

    A reader of the target sees the old file or the new one.
    """
    partial = target.with_name(f".{target.name}.{os.getpid()}.part")
    partial.unlink(missing_ok=True)  # never through a link: it may lead to a file of somebody's
    try:
        yield partial
        partial.replace(target)
    finally:
        partial.unlink(missing_ok=True)


def write_whole(target: Path, text: str) -> None:
    """The text in UTF-8, as `whole_file` does it."""
    with whole_file(target) as partial:
        partial.write_text(text, "utf-8")


def sync(path: Path) -> None:
    """Have a file's bytes, or a folder's names, outlast a crash of the machine."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
