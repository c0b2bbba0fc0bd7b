"""ClickHouse, in this process (chdb)."""

from pathlib import Path

import chdb
from chdb.session import Session

from questions import LIVE

COLUMNS = (
    "host_id String, host_name String, enterprise_project_id LowCardinality(String),"
    " category LowCardinality(String), asset UInt64, port UInt16, type LowCardinality(String),"
    " laddr String, pid Nullable(UInt32), path LowCardinality(String), container_name String"
)


class Click:
    name = f"ClickHouse {chdb.engine_version} (chdb {chdb.__version__})"
    note = "in process, all cores; MergeTree ordered by (category, port, type, asset), merged"

    def __init__(self, folder: Path):
        self._base = Session(str(folder / "clickhouse"))
        self._base.query("CREATE DATABASE fleet ENGINE = Atomic")
        self._base.query("USE fleet")

    def load(self, rows: Path) -> None:
        self._base.query(
            f"CREATE TABLE open_ports ({COLUMNS})"
            " ENGINE = MergeTree ORDER BY (category, port, type, asset)"
        )
        self._base.query(
            "INSERT INTO open_ports SELECT *"
            f" FROM file('{rows}', 'CSVWithNames', '{COLUMNS}')"
        )
        self._base.query("OPTIMIZE TABLE open_ports FINAL")

    def query(self, sql: str) -> list:
        text = self._base.query(sql, "TSV").bytes().decode()
        return [line.split("\t") for line in text.splitlines()]

    def parts(self) -> list:
        return [(self.name, LIVE, self.query)]

    def close(self) -> None:
        self._base.close()
