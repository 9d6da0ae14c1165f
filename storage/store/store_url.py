"""What a store's URL says: a DuckDB file, or a DuckLake with its catalogue and its data. It opens nothing.

`duckdb:///ABS/PATH.duckdb`, `ducklake:sqlite:///ABS/catalog.sqlite?data=URL`,
`ducklake:postgresql://USER@HOST[:PORT]/DB?data=URL`.
"""

from dataclasses import dataclass
from pathlib import Path
from urllib.parse import SplitResult, parse_qs, unquote, urlsplit

from storage.errors import InputError

_FORMS = (
    "duckdb:///ABSOLUTE/PATH.duckdb, ducklake:sqlite:///ABSOLUTE/catalog.sqlite?data=URL or "
    "ducklake:postgresql://USER@HOST[:PORT]/DB?data=URL"
)


@dataclass(frozen=True)
class LakePlace:
    """Where a lake's catalogue and its data lie."""

    catalogue: str
    """As DuckLake takes it: `sqlite:PATH`, or `postgres:` and a libpq string, which never holds a password."""
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
    """The file behind the path in a `duckdb:///` URL, links followed; raises InputError for another form."""
    prefix = "duckdb:///"
    if not url.startswith(prefix) or len(url) == len(prefix):
        raise InputError(f"A store is {_FORMS}; found {shown(url)!r}. Set REGENESIS_STORE.")
    return Path(url.removeprefix(prefix)).expanduser().resolve()  # locks follow the file, whatever its name


def lake_of(url: str) -> LakePlace:
    """The catalogue and data in a `ducklake:` URL; raises InputError for another form, or where it holds a password."""
    parts = _split(url)
    query = parse_qs(parts.query)
    if parts.password is not None or "password" in query:
        raise InputError(
            f"A store's URL holds no password; found one in {shown(url)!r}. Set PGPASSWORD, or use a passfile."
        )
    if set(query) != {"data"} or len(query["data"]) != 1 or parts.fragment:
        raise InputError(f"A lake's URL says where its files lie, and no more: ?data=URL; found {shown(url)!r}.")
    data = _data_of(query["data"][0], url)
    if parts.scheme == "sqlite":
        file = Path(unquote(parts.path.removeprefix("/") if parts.path.startswith("//") else parts.path))
        if parts.netloc or not file.is_absolute() or file.name in ("", "/"):
            raise InputError(f"A SQLite catalogue is an absolute path; found {shown(url)!r}. Set REGENESIS_STORE.")
        file = file.resolve()
        return LakePlace(f"sqlite:{file}", data, file)
    return LakePlace(f"postgres:{_libpq(parts, url)}", data, None)


def shown(url: str) -> str:
    """The URL as it may be printed: without a password, should it hold one."""
    head, at, tail = url.rpartition("@")
    user = head.rpartition("://")
    secret = at and ":" in user[2]
    return f"{user[0]}{user[1]}{user[2].partition(':')[0]}:…@{tail}" if secret else url


def _split(url: str) -> SplitResult:
    try:
        parts = urlsplit(url.removeprefix("ducklake:"))
        _ = parts.port
    except ValueError as error:
        raise InputError(f"A store is {_FORMS}; found {shown(url)!r} ({error}). Set REGENESIS_STORE.") from error
    if not is_lake(url) or parts.scheme not in ("sqlite", "postgresql"):
        raise InputError(f"A store is {_FORMS}; found {shown(url)!r}. Set REGENESIS_STORE.")
    return parts


def _data_of(data: str, url: str) -> str:
    place = data.removeprefix("file://")
    if not (place.startswith("s3://") and len(place) > len("s3://")) and not Path(place).is_absolute():
        raise InputError(f"A lake's files lie in an absolute folder or at s3://BUCKET/PREFIX; found {shown(url)!r}.")
    return place.rstrip("/") + "/"


def _libpq(parts: SplitResult, url: str) -> str:
    database = unquote(parts.path.strip("/"))
    if not parts.username or not parts.hostname or not database or "/" in database:
        raise InputError(f"A Postgres catalogue is postgresql://USER@HOST[:PORT]/DB; found {shown(url)!r}.")
    settings = {"host": unquote(parts.hostname), "port": parts.port, "user": unquote(parts.username),
                "dbname": database}  # fmt: skip
    return " ".join(f"{name}={_libpq_value(str(value))}" for name, value in settings.items() if value is not None)


def _libpq_value(value: str) -> str:
    escaped = value.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"
