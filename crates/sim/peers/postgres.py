"""PostgreSQL: a server of our own in a folder of our own, over its unix socket, which is its fastest
interface, and the view over TCP on loopback as well, which is the only way to ask Portolan.

The system's service, if there is one, is left alone. PostgreSQL refuses to run as root, so root
runs it as the user that Debian's package makes. The server ends with `close`.
"""

import os
import pwd
import secrets
import shutil
import signal
import socket
import subprocess
import time
from pathlib import Path

import psycopg

from questions import FROM_VIEW, LIVE, VIEW

READY_S = 60
USER = "postgres"
LOOPBACK = "127.0.0.1"
TABLE = """CREATE TABLE open_ports (
    host_id text, host_name text, enterprise_project_id text, category text, asset bigint,
    port integer, type text, laddr text, pid integer, path text, container_name text)"""
# One for the counts and one for the hosts of a port; each holds all that its question needs.
INDEXES = (
    "CREATE INDEX ON open_ports (category, port, type, asset)",
    "CREATE INDEX ON open_ports (category, port, host_id, type, enterprise_project_id)"
    " INCLUDE (asset)",
)


def programs() -> Path:
    """Where the newest installed server's programs are."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/postgres"), key=version_of)
    if not found:
        raise RuntimeError("no PostgreSQL server in /usr/lib/postgresql: install postgresql")
    return found[-1].parent


def version_of(program: Path) -> int:
    return int(program.parent.parent.name)


def free_port() -> int:
    """A port that was free just now; should another take it, PostgreSQL says so and ends."""
    with socket.socket() as asked:
        asked.bind((LOOPBACK, 0))
        return asked.getsockname()[1]


def settings() -> dict[str, str]:
    """What the documentation recommends for a machine of its own, and loopback only."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") >> 20
    cores = len(os.sched_getaffinity(0))
    return {
        "listen_addresses": LOOPBACK,
        "shared_buffers": f"{memory // 4}MB",
        "effective_cache_size": f"{memory // 2}MB",
        "work_mem": "256MB",
        "maintenance_work_mem": "1GB",
        "random_page_cost": "1.1",
        "max_parallel_workers_per_gather": str(cores),
        "jit": "off",
        # Loading is not measured; a crash would only mean to load again.
        "fsync": "off",
        "max_wal_size": "16GB",
    }


def asker(base: psycopg.Connection):
    """How a connection is asked: each statement prepared once, values as the server has them."""
    cursor = base.cursor(binary=True)
    return lambda sql: cursor.execute(sql, prepare=True).fetchall()


class Postgres:
    note = (
        "unix socket, prepared statements, binary results; two covering indexes, VACUUM ANALYZE,"
        " a quarter of memory as shared_buffers, parallel workers on all cores"
    )

    def __init__(self, folder: Path):
        self._folder = folder / "postgres"
        self._folder.mkdir(mode=0o700)
        self._as_user = {}
        if os.geteuid() == 0:
            shutil.chown(self._folder, USER, USER)
            account = pwd.getpwnam(USER)
            self._as_user = {"user": account.pw_uid, "group": account.pw_gid, "extra_groups": []}
        data = self._folder / "data"
        # The socket is in a folder that nobody else enters; a port is for everyone on the machine.
        self._password = secrets.token_hex()
        word = self._folder / "password"
        word.write_text(self._password)
        word.chmod(0o600)
        if self._as_user:
            shutil.chown(word, USER, USER)
        make = [programs() / "initdb", "-D", data, "-U", USER, "--no-sync", f"--pwfile={word}"]
        make += ["--auth-local=trust", "--auth-host=scram-sha-256"]
        # Bytes compare faster than any language's order, and Portolan's order is that of bytes.
        make += ["--locale=C", "--encoding=UTF8"]
        self._run(make)
        self._port = free_port()
        start = [programs() / "postgres", "-D", data, "-k", self._folder, "-p", str(self._port)]
        for name, value in settings().items():
            start += ["-c", f"{name}={value}"]
        with (self._folder / "log").open("w") as log:
            self._server = subprocess.Popen(
                start, cwd=self._folder, stdout=log, stderr=log, **self._as_user
            )
        try:
            self._base = self._ready()
            self._over_tcp = self._connect(LOOPBACK)
        except BaseException:
            self._end()
            raise
        self.name = f"PostgreSQL {self._base.info.server_version // 10_000}"

    def load(self, rows: Path) -> None:
        self._base.execute(TABLE)
        copy = "COPY open_ports FROM STDIN (FORMAT csv, HEADER)"
        with rows.open("rb") as file, self._base.cursor().copy(copy) as into:
            while block := file.read(1 << 20):
                into.write(block)
        for index in (*INDEXES, "VACUUM ANALYZE open_ports"):
            self._base.execute(index)
        self._base.execute(VIEW)
        self._base.execute("CREATE UNIQUE INDEX ON counts (category, port, type)")
        self._base.execute("VACUUM ANALYZE counts")

    def parts(self) -> list:
        view = f"{self.name}, materialized view"
        return [
            (self.name, LIVE, asker(self._base)),
            (view, FROM_VIEW, asker(self._base)),
            (f"{view}, over TCP", FROM_VIEW, asker(self._over_tcp)),
        ]

    def refresh(self) -> None:
        """What has to be done before the view shows what has changed."""
        self._base.execute("REFRESH MATERIALIZED VIEW CONCURRENTLY counts")

    def close(self) -> None:
        self._over_tcp.close()
        self._base.close()
        self._end()

    def _run(self, command: list) -> None:
        done = subprocess.run(
            command, cwd=self._folder, capture_output=True, text=True, **self._as_user
        )
        if done.returncode != 0:
            raise RuntimeError(f"{command[0]} failed: {done.stderr}")

    def _connect(self, host: str) -> psycopg.Connection:
        return psycopg.connect(
            host=host,
            port=self._port,
            user=USER,
            password=self._password,
            dbname="postgres",
            autocommit=True,
        )

    def _ready(self) -> psycopg.Connection:
        until = time.monotonic() + READY_S
        while True:
            try:
                return self._connect(str(self._folder))
            except psycopg.OperationalError as error:
                if self._server.poll() is not None or time.monotonic() > until:
                    said = (self._folder / "log").read_text()
                    raise RuntimeError(f"PostgreSQL is not ready: {error}; {said}") from error
            time.sleep(0.05)

    def _end(self) -> None:
        # The fast shutdown: sessions are ended and not waited for.
        self._server.send_signal(signal.SIGINT)
        try:
            self._server.wait(READY_S)
        except subprocess.TimeoutExpired:
            self._server.kill()
            self._server.wait()
