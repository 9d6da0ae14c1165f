"""A writer to be killed: appends batches and notes each one, durably, as soon as the store has acknowledged it.

Arguments: store URL, note file, writer's name, first batch. Every batch holds paths of its own with their verdicts,
and paths that every other writer of the same batch number writes too.
"""

import os
import sys

from storage.records import Path, Record, Verdict
from storage.repository import open_store
from tests.storage.examples import make, uid

OWN, SHARED = 20, 5


def batch(writer: str, number: int) -> list[Record]:
    """The batch's records, always the same."""
    records: list[Record] = []
    for key in [(writer, number, n) for n in range(OWN)] + [("shared", number, n) for n in range(SHARED)]:
        records += [make(Path, key, draw=number % 4), make(Verdict, key, path_id=uid(Path, key), draw=number % 4)]
    return records


def main(url: str, notes: str, writer: str, first: str) -> None:
    store = open_store(url, busy_seconds=0.2)
    descriptor = os.open(notes, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    number = int(first)
    while True:
        store.append(batch(writer, number))
        os.write(descriptor, f"{number}\n".encode())
        number += 1


if __name__ == "__main__":
    main(*sys.argv[1:])
