"""DuckDB reads exports by exactly the statements that docs/EXPORT.md tells.

Arguments: the server's address, the document, and a folder with the four exports that it names. The
last line says that all of it held.
"""

import collections
import datetime
import os
import sys

import duckdb
import requests
from hss_client import READER_TOKEN, run

SERVER, DOCUMENT, FOLDER = sys.argv[1:]
NATIVE = f"{SERVER}/portolan/v1/projects/p1"


def statements():
    with open(DOCUMENT, encoding="utf-8") as document:
        return [line.strip() for line in document if line.startswith("    SELECT ")]


REACHED, PROGRAMS, HAPPENED, OPENED = statements()


def get(path, **query):
    answer = requests.get(f"{NATIVE}/{path}", headers={"X-Auth-Token": READER_TOKEN}, params=query, timeout=60)
    assert answer.status_code == 200, answer.text
    return answer.json()


def open_ports():
    for host in get("hosts", limit=200)["data_list"]:
        for port in get(f"hosts/{host['host_id']}")["data_list"]:
            yield host["host_id"], port


def changes():
    page = get("changes", limit=200)
    assert page["next_cursor"] is None
    return page["changes"]


def moment(text):
    return datetime.datetime.fromisoformat(text).replace(tzinfo=None)


def equal(statement, expected):
    got = duckdb.sql(statement).fetchall()
    assert expected and got == expected, f"{statement}: {got!r} instead of {expected!r}"


def counts_hosts_of_ports_that_can_be_reached():
    hosts = collections.defaultdict(set)
    for host_id, port in open_ports():
        if port["exposure"] in ("public", "any"):
            hosts[port["port"], port["type"]].add(host_id)
    rows = [(port, kind, len(ids)) for (port, kind), ids in hosts.items()]
    equal(REACHED, sorted(rows, key=lambda row: (-row[2], row[0], row[1])))


def counts_open_ports_of_programs():
    programs = collections.Counter(port["path"] for _, port in open_ports())
    # Nothing is known comes last.
    rows = sorted(programs.items(), key=lambda row: (-row[1], row[0] is None, row[0] or ""))
    equal(PROGRAMS, rows)


def counts_what_happened():
    kinds = collections.defaultdict(list)
    for change in changes():
        kinds[change["kind"]].append(moment(change["at"]))
    assert {"baseline", "opened", "closed"} <= set(kinds), kinds
    equal(HAPPENED, [(kind, len(at), max(at)) for kind, at in sorted(kinds.items())])


def lists_what_was_opened():
    opened = [change for change in changes() if change["kind"] == "opened"]
    rows = [(moment(row["at"]), row["host_id"], row["type"], row["port"], row["path"]) for row in opened]
    equal(OPENED, sorted(rows, key=lambda row: row[:4]))


if __name__ == "__main__":
    os.chdir(FOLDER)
    run((
        counts_hosts_of_ports_that_can_be_reached,
        counts_open_ports_of_programs,
        counts_what_happened,
        lists_what_was_opened,
    ))
