"""Where a dry run may write: what is there is read, the rest goes into a folder of its own.

That folder is thrown away with all that was made in it: a home, a store, a prepared model.
"""

import shutil
import tempfile
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from storage.environment import Environment, make_home, read_environment
from storage.open_store import Store, existing_store, open_store, store_exists


@contextmanager
def places_of_run(*, dry_run: bool) -> Generator[Environment]:
    """The user's home, made where it is not there; of a dry run one that is thrown away."""
    places = read_environment()
    if not dry_run:
        make_home(places)
        yield places
        return
    with tempfile.TemporaryDirectory(prefix="regenesis-dry-run-") as folder:
        yield _thrown_away(places, Path(folder))


def store_of_run(places: Environment, *, dry_run: bool) -> Store:
    """The store at these places; a dry run takes one that is there only as it is."""
    there = dry_run and store_exists(places.store_url)
    return (
        existing_store(places.store_url, as_it_is=True) if there else open_store(places.store_url)
    )


def _thrown_away(places: Environment, folder: Path) -> Environment:
    """The user's store where there is one, and links to the models that are prepared."""
    models = folder / "models"
    models.mkdir()
    for one in places.models.glob("*"):
        if one.name.startswith("."):  # .digests: small files, to which more may be added
            shutil.copytree(one, models / one.name)
        else:
            (models / one.name).symlink_to(one)
    there = store_exists(places.store_url)
    url = places.store_url if there else f"duckdb:///{folder / 'regenesis.duckdb'}"
    return replace(places, home=folder, store_url=url)
