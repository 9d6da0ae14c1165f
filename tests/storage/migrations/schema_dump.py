"""Prints a store file as SQL, to be kept as tests/data/schemas/schema_N.sql when schema N + 1 is
begun.

`python -m tests.storage.migrations.schema_dump FILE.duckdb > tests/data/schemas/schema_N.sql`
"""

import re
import sys
from graphlib import TopologicalSorter

import duckdb


def main(path: str) -> None:
    with duckdb.connect(path, read_only=True) as connection:
        print("-- A store as this schema made it. Never edited: later versions must read it.\n")
        tables = connection.execute(
            "SELECT table_name, sql FROM duckdb_tables() WHERE NOT internal ORDER BY table_name"
        ).fetchall()
        for _, sql in tables:
            print(sql)
        for table, _ in tables:
            for row in connection.execute(
                f"SELECT COLUMNS(*)::VARCHAR FROM {table} ORDER BY ALL"
            ).fetchall():
                values = (
                    "NULL" if value is None else "'" + value.replace("'", "''") + "'"
                    for value in row
                )
                print(f"INSERT INTO {table} VALUES ({', '.join(values)});")
        views = dict(
            connection.execute(
                "SELECT view_name, sql FROM duckdb_views() WHERE NOT internal"
            ).fetchall()
        )
        uses = {
            name: views.keys() & set(re.findall(r"\w+", sql)) - {name}
            for name, sql in views.items()
        }
        for name in TopologicalSorter(uses).static_order():
            print(views[name].strip())


if __name__ == "__main__":
    main(*sys.argv[1:])
