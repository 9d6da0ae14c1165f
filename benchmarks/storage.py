"""Is the store as fast as bare DuckDB? Runs lineage_store.py; `--full` for 10,000,000 paths.

A benchmark beside this file that imports the package `storage` finds this file first, so it then
stands for it.
"""

from pathlib import Path

if __name__ == "__main__":
    from lineage_store import main

    main()
else:
    __path__ = [str(Path(__file__).resolve().parents[1] / "storage")]
