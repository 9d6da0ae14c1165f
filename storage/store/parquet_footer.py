"""Whether a Parquet file's footer is what it claims to be, before a reader believes it.

A footer is one record of Thrift's compact protocol. DuckDB makes room for as many items as a list
claims, beyond its limit of memory, and follows groups of columns as deep as they go. What heads a
page of data is such a record too, but has no lists, and DuckDB bounds its sizes and its depth.
"""

MOST_ITEMS = 1_000
"""Of one list; 256 kB have room for about 800 columns and their description."""
MOST_ITEMS_OF_ALL = 30_000
"""Of all lists together; DuckDB takes up to 1 kB per item."""
_MOST_NESTED = 16
"""Records in records; an honest footer has six."""
_MOST_FIELD = 1_000
"""Of a field's number: a reader counts in 16 bits and begins again beyond."""
_STOP, _TRUE, _FALSE, _BYTE, _SHORT, _INT, _LONG, _DOUBLE, _TEXT, _LIST = range(10)
_RECORD = 12
_COLUMN = (4, 1, 3)  # row groups, their columns, what describes a column
_OTHER_LISTS: dict[tuple[int, ...], int] = {
    (*_COLUMN, 2): _INT,  # encodings
    (*_COLUMN, 3): _TEXT,  # the column's path
    (*_COLUMN, 16, 2): _LONG,  # how many values are repeated
    (*_COLUMN, 16, 3): _LONG,  # how many values are there
    (*_COLUMN, 17, 2): _INT,  # kinds of shapes on the globe
    (4, 1, 8, 2, 1): _TEXT,  # the path of an encrypted column
}
"""Lists of something else than records, by the fields that lead there.

A reader takes the items for what it expects, whatever the list says of them.
"""


def check_thrift(footer: bytes) -> None:
    """Raises ValueError for a footer that claims what it does not have, or is nested deep."""
    walk = _Walk(footer)
    walk.record(())
    if walk.at != len(footer):
        raise ValueError(f"the footer ends after {walk.at:,} of its {len(footer):,} bytes")


class _Walk:
    """Passes over a record, value by value."""

    def __init__(self, footer: bytes) -> None:
        self.footer, self.at, self.items = footer, 0, 0

    def record(self, path: tuple[int, ...]) -> None:
        if len(path) > _MOST_NESTED:
            raise ValueError(f"the footer's records are nested deeper than {_MOST_NESTED}")
        field = 0
        while kind := (head := self._byte()) & 15:
            # the distance from the last field, or 0 and then the field's number, its sign last
            field = field + (head >> 4) if head >> 4 else self._number() >> 1
            if not 0 < field <= _MOST_FIELD:
                raise ValueError(f"the footer has no field {field}")
            if kind not in (_TRUE, _FALSE):  # a field's truth is in its kind
                self._value(kind, (*path, field))

    def _value(self, kind: int, path: tuple[int, ...]) -> None:
        if kind == _RECORD:
            self.record(path)
        elif kind == _LIST:
            self._list(path)
        elif kind in (_SHORT, _INT, _LONG):
            self._number()
        elif kind in (_BYTE, _DOUBLE, _TEXT):
            self._skip({_BYTE: 1, _DOUBLE: 8}.get(kind) or self._number())
        else:
            raise ValueError(f"the footer has a value of kind {kind} at byte {self.at:,}")

    def _list(self, path: tuple[int, ...]) -> None:
        head = self._byte()
        kind, count = head & 15, head >> 4
        if count == 15:  # too many for four bits
            count = self._number()
        if kind != _OTHER_LISTS.get(path, _RECORD):
            raise ValueError(f"the footer has a list of kind {kind} as field {path}")
        self.items += count
        if count > MOST_ITEMS or self.items > MOST_ITEMS_OF_ALL:
            raise ValueError(
                f"a footer's list has at most {MOST_ITEMS:,} items, all lists together"
                f" {MOST_ITEMS_OF_ALL:,}; found {count:,} and {self.items:,}"
            )
        for _ in range(count):
            self._value(kind, path)

    def _number(self) -> int:
        """Seven bits per byte, the last ones first; of 64 bits at most."""
        number = 0
        for shift in range(0, 70, 7):
            byte = self._byte()
            number |= (byte & 127) << shift
            if byte < 128:
                return number
        raise ValueError(f"the footer has a number without end at byte {self.at:,}")

    def _byte(self) -> int:
        self._skip(1)
        return self.footer[self.at - 1]

    def _skip(self, length: int) -> None:
        self.at += length
        if self.at > len(self.footer):
            raise ValueError(f"the footer of {len(self.footer):,} bytes claims {self.at:,}")
