"""Measures Portolan beside databases that could be asked the same: the same fleet, the same four
questions, the same answers, one client each, in turns.

Prints Markdown tables on stdout, and what it does on stderr. Ends with an error when a database and
Portolan differ in any number. Everything it makes is in one temporary folder, and goes with it.
"""

import argparse
import importlib
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import table
from measure import measure, timed
from portolan import Portolan

# A module is imported only when its database is asked, so that one that is missing stops no other.
PEERS = {
    "postgres": ("postgres", "Postgres"),
    "sqlite": ("sqlite", "Sqlite"),
    "duckdb": ("duck", "Duck"),
    "clickhouse": ("click", "Click"),
}


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--fleet-bench", type=Path, required=True, help="built with --release")
    parser.add_argument("--portolan", type=Path, required=True, help="built with --release")
    parser.add_argument("--hosts", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--only", choices=PEERS, action="append", help="may be given again")
    # Not /tmp, which may be memory; and a place that PostgreSQL's user can reach.
    parser.add_argument("--work-dir", type=Path, default=Path("/var/tmp"))
    return parser.parse_args()


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def bytes_of(folder: Path) -> int:
    """What a folder's files occupy: blocks, not lengths."""
    return sum(file.lstat().st_blocks * 512 for file in folder.rglob("*"))


def beside(name: str, folder: Path, rows: Path, portolan, rounds: int) -> tuple[list, list]:
    """Measures one database; its lines of both tables."""
    module, kind = PEERS[name]
    folder = folder / name
    folder.mkdir(mode=0o711)
    peer = getattr(importlib.import_module(module), kind)(folder)
    try:
        seconds, _ = timed(lambda: peer.load(rows))
        loaded = [(peer.name, seconds, bytes_of(folder), peer.note)]
        say(f"{peer.name}: ready after {table.shown(seconds)}")
        measured = []
        for part, questions, query in peer.parts():
            measured += measure(part, query, questions, portolan, rounds)
            say(f"{part}: measured")
        if hasattr(peer, "refresh"):
            seconds, _ = timed(peer.refresh)
            note = "a refresh, without which it shows the past"
            loaded.append((f"{peer.name}, materialized view", seconds, None, note))
    finally:
        peer.close()
    shutil.rmtree(folder)
    return loaded, measured


def run(args: argparse.Namespace, folder: Path) -> None:
    hosts = ["--hosts", str(args.hosts)]
    rows = folder / "rows.csv"
    with rows.open("wb") as file:
        subprocess.run([args.fleet_bench, "rows", *hosts], stdout=file, check=True)
    say(f"rows of {args.hosts} hosts written: {rows.stat().st_size / 1e6:,.0f} MB")
    answers = [args.fleet_bench, "answers", "--portolan", args.portolan, "--work-dir", folder]
    loaded, measured = [], []
    with Portolan([*answers, *hosts]) as portolan:
        for name in args.only or PEERS:
            one_loaded, one_measured = beside(name, folder, rows, portolan, args.rounds)
            loaded += one_loaded
            measured += one_measured
        print(f"{portolan.hosts:,} hosts, {portolan.open_ports:,} open ports\n")
    print(table.figures(measured))
    print(table.loaded(loaded), end="")


def main() -> None:
    # So that a SIGTERM leaves no server and no folder behind.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    args = arguments()
    with tempfile.TemporaryDirectory(prefix="portolan-peers-", dir=args.work_dir) as folder:
        path = Path(folder)
        path.chmod(0o711)
        run(args, path)


if __name__ == "__main__":
    main()
