"""DuckDB, in this process."""

from pathlib import Path

import duckdb

from questions import LIVE

COLUMNS = {
    "host_id": "VARCHAR",
    "host_name": "VARCHAR",
    "enterprise_project_id": "VARCHAR",
    "category": "ENUM('container', 'host')",
    "asset": "UBIGINT",
    "port": "USMALLINT",
    "type": "ENUM('TCP', 'UDP')",
    "laddr": "VARCHAR",
    "pid": "UINTEGER",
    "path": "VARCHAR",
    "container_name": "VARCHAR",
}


class Duck:
    name = f"DuckDB {duckdb.__version__}"
    note = "in process, all cores; sorted by (category, port, type, asset), types as ENUM"

    def __init__(self, folder: Path):
        self._base = duckdb.connect(str(folder / "fleet.duckdb"))
        self._base.execute("SET memory_limit = '8GB'")

    def load(self, rows: Path) -> None:
        casts = ", ".join(f"CAST({name} AS {kind}) AS {name}" for name, kind in COLUMNS.items())
        # Sorted, because a scan then passes over whole row groups of other ports.
        self._base.execute(
            f"CREATE TABLE open_ports AS SELECT {casts}"
            " FROM read_csv(?, header = true, all_varchar = true)"
            " ORDER BY category, port, type, asset",
            [str(rows)],
        )
        self._base.execute("CHECKPOINT")

    def query(self, sql: str) -> list:
        return self._base.execute(sql).fetchall()

    def parts(self) -> list:
        return [(self.name, LIVE, self.query)]

    def close(self) -> None:
        self._base.close()
