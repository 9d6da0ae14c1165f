"""What a store's URL says: a DuckDB file, or a DuckLake with its catalogue and its data.

It opens nothing.

`duckdb:///ABS/PATH.duckdb`, `ducklake:sqlite:///ABS/catalog.sqlite?data=URL`,
`ducklake:postgresql://USER@HOST[:PORT]/DB?data=URL`.
"""

import os
import re
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import SplitResult, parse_qs, unquote, urlsplit

from storage.errors import InputError

# for messages
_FORMS = (
    "duckdb:///ABSOLUTE/PATH.duckdb, ducklake:sqlite:///ABSOLUTE/catalog.sqlite?data=URL or "
    "ducklake:postgresql://USER@HOST[:PORT]/DB?data=URL"
)

# of Linux: a name's and a path's bytes, with room for what is written beside a store
_LONGEST_PART, _LONGEST_PATH = 255, 3800
# s3://BUCKET/PREFIX; keys come from the environment
_BUCKET = re.compile(r"s3://[\w.-]+(/[^?#]*)?")
# &password=, a libpq string's password=, #anything
_PARAMETER = re.compile(r"#|(?:^|[?&;\s])(?!data=)[^=?&;#\s]*=")


@dataclass(frozen=True)
class LakePlace:
    """Where a lake's catalogue and its data lie."""

    catalogue: str
    """As DuckLake takes it: `sqlite:PATH`, or `postgres:` and a libpq string, which never holds a
    password.
    """
    data: str
    """A folder or an object store's prefix, with a slash at its end."""
    catalogue_file: Path | None
    """The SQLite catalogue; none for Postgres."""

    @property
    def data_folder(self) -> Path | None:
        """The folder of the data; none for an object store."""
        return None if "://" in self.data else Path(self.data)


def is_lake(url: str) -> bool:
    """Whether the URL names a DuckLake."""
    return url.startswith("ducklake:")


def file_of(url: str) -> Path:
    """The file of a `duckdb:///` URL, links followed.

    Raises InputError for another form, and where a link on the way leads to nothing: the disk
    behind it may be away, and a store made there would be another one.
    """
    prefix = "duckdb:///"
    if not url.startswith(prefix) or len(url) == len(prefix):
        raise InputError(f"A store is {_FORMS}; found {shown(url)!r}. Set REGENESIS_STORE.")
    # locks follow the file, whatever its name
    named = Path(url.removeprefix(prefix)).expanduser()
    _refuse_unopenable(named)
    file = named.resolve()
    if "?" in str(file):
        raise InputError(
            "A store's path holds no ?, before which DuckDB puts the ending of its log; found"
            f" {shown(url)!r}. Name another folder or file."
        )
    for link in (named, *named.parents):
        if link.is_symlink() and not link.exists():
            raise InputError(
                f"A link to a store leads to one that is there; {str(link)!r} leads to"
                f" {str(link.readlink())!r}, which is not. Mount its disk, remove the link, or name"
                " another store."
            )
    return file


def _refuse_unopenable(path: Path) -> None:
    """What DuckDB or the system can give to no file."""
    shown_path = repr(str(path)[:200])
    try:
        str(path).encode()
    except UnicodeEncodeError as error:
        raise InputError(
            f"A store's path is UTF-8, as DuckDB needs it; found {shown_path}. Name another."
        ) from error
    longest = max((len(os.fsencode(part)) for part in path.parts), default=0)
    if longest > _LONGEST_PART or len(os.fsencode(path)) > _LONGEST_PATH:
        raise InputError(
            f"A store's path has at most {_LONGEST_PATH} bytes, and {_LONGEST_PART} for each folder"
            f" and the file; found {shown_path}. Name another."
        )


def lake_of(url: str) -> LakePlace:
    """Catalogue and data of a `ducklake:` URL; raises InputError for another form or a password."""
    parts = _split(url)
    # parse_qs reads a form, in which + is a blank
    query = parse_qs(parts.query.replace("+", "%2B"))
    if parts.password is not None or "password" in query:
        raise InputError(
            f"A store's URL holds no password; found one in {shown(url)!r}. Set PGPASSWORD, or use"
            " a passfile."
        )
    if set(query) != {"data"} or len(query["data"]) != 1 or parts.fragment:
        raise InputError(
            f"A lake's URL says where its files lie, and no more: ?data=URL; found {shown(url)!r}."
        )
    data = _data_of(query["data"][0], url)
    if parts.scheme == "sqlite":
        file = Path(
            unquote(parts.path.removeprefix("/") if parts.path.startswith("//") else parts.path)
        )
        if parts.netloc or not file.is_absolute() or file.name in ("", "/"):
            raise InputError(
                f"A SQLite catalogue is an absolute path; found {shown(url)!r}. Set"
                " REGENESIS_STORE."
            )
        file = file.resolve()
        return LakePlace(f"sqlite:{file}", data, file)
    return LakePlace(f"postgres:{_libpq(parts, url)}", data, None)


def shown(url: str) -> str:
    """The URL as it may be printed: nothing that could be a password, wherever somebody put one.

    Hides what lies between a colon and the last @, and what follows the first parameter that is not
    `data`.
    """
    begin, at = url.find("//") + 2 if "//" in url else 0, url.rfind("@")
    colon = url.find(":", begin, max(at, begin)) + 1  # of USER:PASSWORD; 0 for none
    parameter = _PARAMETER.search(url)
    hidden = min(colon or len(url), parameter.end() if parameter else len(url))
    if hidden == len(url):
        return url
    after = url[at:] if colon and not (parameter and parameter.start() < at) else ""
    later = _PARAMETER.search(after)
    return f"{url[:hidden]}…{after[: later.end()] + '…' if later else after}"


def _split(url: str) -> SplitResult:
    try:
        parts = urlsplit(url.removeprefix("ducklake:"))
        _ = parts.port
    except ValueError as error:
        raise InputError(
            f"A store is {_FORMS}; found {shown(url)!r} ({error}). Set REGENESIS_STORE."
        ) from error
    if not is_lake(url) or parts.scheme not in ("sqlite", "postgresql"):
        raise InputError(f"A store is {_FORMS}; found {shown(url)!r}. Set REGENESIS_STORE.")
    return parts


def _data_of(data: str, url: str) -> str:
    place = data.removeprefix("file://")
    if not _BUCKET.fullmatch(place) and (not Path(place).is_absolute() or "\\" in place):
        raise InputError(  # a backslash is a slash to DuckLake
            "A lake's files lie in an absolute folder without backslashes or at"
            f" s3://BUCKET/PREFIX; found {shown(url)!r}."
        )
    return place.rstrip("/") + "/"


def _libpq(parts: SplitResult, url: str) -> str:
    database = unquote(parts.path.strip("/"))
    if not parts.username or not parts.hostname or not database or "/" in database:
        raise InputError(
            f"A Postgres catalogue is postgresql://USER@HOST[:PORT]/DB; found {shown(url)!r}."
        )
    settings = {
        "host": unquote(parts.hostname),
        "port": parts.port,
        "user": unquote(parts.username),
        "dbname": database,
    }
    return " ".join(
        f"{name}={_libpq_value(str(value))}"
        for name, value in settings.items()
        if value is not None
    )


def _libpq_value(value: str) -> str:
    escaped = value.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"
