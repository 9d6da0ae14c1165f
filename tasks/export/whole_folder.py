"""A folder that is there whole or not at all: written under a name beside its own, then renamed."""

import os
import shutil
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from storage.errors import InputError


def refuse_used_target(target: Path) -> None:
    """Raise InputError unless a new folder can be here: nothing is there, or an empty folder."""
    try:
        used = target.is_symlink() or (
            target.exists() and (not target.is_dir() or any(target.iterdir()))
        )
    except OSError as error:
        raise _unwritable(target, error) from error
    if used:
        raise InputError(
            f"An export goes to a new or empty folder; {str(target)!r} is there and not empty. Name"
            " another, or remove it first."
        )


@contextmanager
def whole_folder(target: Path) -> Generator[Path]:
    """A path at which the block makes a folder; it becomes `target` when the block ends well.

    Raises InputError where the place can't be written.
    """
    refuse_used_target(target)
    # beside the target, on its disk, so that the rename is one step
    partial = target.with_name(f".{target.name}.part-{os.getpid()}")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        yield partial
        partial.rename(target)
    except OSError as error:
        raise _unwritable(target, error) from error
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def files_of(folder: Path) -> list[str]:
    """Names of the files in it, in order, relative to it."""
    return sorted(str(file.relative_to(folder)) for file in folder.rglob("*") if file.is_file())


def _unwritable(target: Path, error: OSError) -> InputError:
    return InputError(
        f"An export goes to a folder that can be written; {str(target)!r} can't be"
        f" ({error.strerror or error}). Name another."
    )
