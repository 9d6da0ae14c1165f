"""The only module that reads the environment: where things lie, and secrets.

`REGENESIS_HOME` (default `.regenesis/`), `REGENESIS_STORE`, `REGENESIS_ENDPOINTS`,
`REGENESIS_CONFIG`, `REGENESIS_MLFLOW` (URL of a tracking server; its user and password are MLflow's
own variables), `REGENESIS_TIMEZONE`, `REGENESIS_MLFLOW_UI_URL` (where a person opens MLflow).
"""

import hashlib
import os
import re
from dataclasses import dataclass
from pathlib import Path
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from tzlocal import get_localzone_name

from storage.errors import InputError
from storage.locks import RUN_LOCK
from storage.store.store_url import file_of
from storage.whole_file import whole_file

_READ_OTHERWISE = re.compile(r"%[0-9A-Fa-f]{2}")  # a%20b and a%2Fb, in a URL, are a b and a/b
# outside the home, whose own path is what cannot be read
_LINKS = Path("~/.cache/regenesis/places")


@dataclass(frozen=True)
class Environment:
    """Absolute places, resolved once."""

    home: Path
    store_url: str
    endpoints: tuple[str, ...]
    config: Path | None

    @property
    def models(self) -> Path:
        """Prepared base models."""
        return self.home / "models"

    @property
    def adapters(self) -> Path:
        """Adapters and full weights, by content hash."""
        return self.home / "adapters"

    @property
    def run_lock(self) -> Path:
        """The lock of whatever works on the store: next to its file, or in the home for a lake."""
        file = (
            file_of(self.store_url)
            if self.store_url.startswith("duckdb:///")
            else self.home / "store"
        )
        return file.with_name(RUN_LOCK)

    @property
    def reports(self) -> Path:
        return self.home / "reports"

    @property
    def logs(self) -> Path:
        return self.home / "logs"


def read_environment(home: str | Path | None = None) -> Environment:
    """Places from the environment; an explicit `home` wins. Creates at most a link."""
    root = Path(home or os.environ.get("REGENESIS_HOME") or ".regenesis").expanduser().absolute()
    # DuckDB 1.5.5 takes a path apart at its first ?
    if "?" in str(root):
        raise InputError(
            "REGENESIS_HOME is a path without ?, before which DuckDB puts the ending of its log;"
            f" found {str(root)!r}. Name another folder, or move it."
        )
    root = _plain(root)
    config = os.environ.get("REGENESIS_CONFIG")
    endpoints = os.environ.get("REGENESIS_ENDPOINTS", "")
    return Environment(
        home=root,
        store_url=os.environ.get("REGENESIS_STORE") or f"duckdb:///{root / 'regenesis.duckdb'}",
        endpoints=tuple(url.strip().rstrip("/") for url in endpoints.split(",") if url.strip()),
        config=Path(config).expanduser().absolute() if config else None,
    )


def tracking_url(home: Path) -> str:
    """Where MLflow's records go: the server of REGENESIS_MLFLOW, or a database in the home."""
    return os.environ.get("REGENESIS_MLFLOW", "").rstrip("/") or f"sqlite:///{home / 'mlflow.db'}"


def _plain(folder: Path) -> Path:
    """The folder under a name that MLflow and Prefect read in a URL as it is.

    Its own name, or a link in the user's cache.

    For a link it is made where it is not there, so that the link leads somewhere.
    """
    if not _READ_OTHERWISE.search(str(folder)):
        return folder
    link = _LINKS.expanduser() / hashlib.sha256(os.fsencode(folder)).hexdigest()[:16]
    try:
        if _READ_OTHERWISE.search(str(link)):
            raise OSError(0, "its path holds them, too")
        folder.mkdir(parents=True, exist_ok=True)
        link.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not (link.is_symlink() and link.readlink() == folder):
            # made aside and renamed: two processes at once both end with a whole link
            fresh = link.with_name(f"{link.name}.{os.getpid()}")
            fresh.symlink_to(folder)
            fresh.replace(link)
        return link
    except OSError as error:
        raise InputError(
            f"REGENESIS_HOME {str(folder)!r} holds %20 or the like, which MLflow and Prefect read"
            f" as in a URL; it can't be reached by a link in {str(link.parent)!r}"
            f" ({error.strerror}). Name another folder."
        ) from error


def make_home(environment: Environment) -> None:
    """Create the home and prove that it can be written; raises InputError when it can't."""
    probe = environment.home / f".writable-{os.getpid()}"
    try:
        environment.home.mkdir(parents=True, exist_ok=True)
        # permissions do not tell: a full quota, a read-only mount and an ACL all look writable
        probe.touch()
        probe.unlink()
    except OSError as error:
        raise InputError(
            f"REGENESIS_HOME must be a folder that can be written; {str(environment.home)!r} is not"
            f" ({error.strerror}). Set REGENESIS_HOME or pass --home with another folder."
        ) from error


def private_folder(folder: Path) -> None:
    """Make a folder that no other user may enter, or close one that is there; logs hold tokens."""
    folder.mkdir(parents=True, exist_ok=True)
    folder.chmod(0o700)


def write_secret(file: Path, text: str) -> None:
    """A whole file that only its user may read, or none."""
    with (
        whole_file(file) as part,
        # the mode from the beginning: a chmod afterwards would leave a moment in which others can
        # read it
        os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT, 0o600), "w", encoding="utf-8") as opened,
    ):
        opened.write(text)


def mlflow_pages() -> str:
    """Where a person opens MLflow; empty where no server shows it."""
    return os.environ.get("REGENESIS_MLFLOW_UI_URL", "").rstrip("/")


def time_zone() -> ZoneInfo:
    """The zone of nights and windows: REGENESIS_TIMEZONE, else TZ, else this machine's own."""
    setting, name = _zone_name()
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:  # OSError: "Europe" is a folder
        raise InputError(
            f"{setting} takes a name of the time zone database, such as Europe/Berlin or UTC; found"
            f" {name!r}. Set REGENESIS_TIMEZONE."
        ) from error


def _zone_name() -> tuple[str, str]:
    """What says the zone, and its name.

    Other programs take what is no name (TZ=JST-9) as UTC or as a rule.
    """
    for setting in ("REGENESIS_TIMEZONE", "TZ"):
        name = os.environ.get(setting, "").removeprefix(":" if setting == "TZ" else "")
        if name and not name.startswith("/"):  # a path, such as /etc/localtime, is read below
            return setting, name
    try:
        return "This machine's time zone", get_localzone_name() or "UTC"
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise InputError(
            f"This machine's time zone can't be told ({error}). Set REGENESIS_TIMEZONE."
        ) from error


def secret(name: str) -> str | None:
    """A secret from the environment, never stored or logged."""
    return os.environ.get(name) or None
