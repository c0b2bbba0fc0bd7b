"""Clients that read page by page while agents report.

Arguments: the server's address. The last line says that all of it held.
"""

import itertools
import sys
import threading

import requests
from hss_client import ADMIN_TOKEN, client, run
from huaweicloudsdkhss.v5 import ListPortStatisticsRequest

SERVER = sys.argv[1]
NATIVE = f"{SERVER}/portolan/v1/projects/p1"
SESSION = requests.Session()
SESSION.headers["X-Auth-Token"] = ADMIN_TOKEN
# Rows of a (port, type) that are there throughout, and those that come and go between them.
STAYING = [(port, kind) for port in range(10_000, 10_400, 2) for kind in ("TCP", "UDP")]
COMING = [(port, kind) for port in range(10_001, 10_400, 2) for kind in ("TCP", "UDP")]
HOSTS = 40
# Reads that must hold, and how many are made at most until two of them have differed.
ROUNDS = 10
ROUNDS_MAX = 1000


def post(session, reports):
    answer = session.post(f"{NATIVE}/reports", json={"reports": reports}, timeout=60)
    results = answer.json()["results"]
    assert [result["status"] for result in results] == ["accepted"] * len(reports), results


def report(host_id, sequence, ports, enterprise_project_id):
    return {
        "host": {"host_id": host_id, "enterprise_project_id": enterprise_project_id},
        "generation": 1,
        "sequence": sequence,
        "observed_at": "2026-11-24T02:13:00Z",
        "coverage": {"privileged": True},
        "open_ports": [{"type": kind, "laddr": "0.0.0.0", "port": port} for port, kind in ports],
    }


class Reporting:
    """Sends `next_reports(turn)` again and again while it is entered; a failure is told at the end."""

    def __init__(self, next_reports):
        self.next_reports, self.failure, self.over = next_reports, None, threading.Event()
        self.thread = threading.Thread(target=self.send)

    def send(self):
        session = requests.Session()
        session.headers["X-Auth-Token"] = ADMIN_TOKEN
        try:
            for turn in itertools.count(1):
                self.next_reports(session, turn)
                if self.over.is_set():
                    return
        except Exception as error:
            self.failure = error

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.over.set()
        self.thread.join()
        assert self.failure is None, self.failure

    def rounds(self, read):
        """Reads again and again, until what was read has changed."""
        seen = set()
        for done in range(1, ROUNDS_MAX + 1):
            seen.add(tuple(read()))
            assert self.failure is None, self.failure
            if done >= ROUNDS and len(seen) > 1:
                return
        raise AssertionError("nothing changed meanwhile")


def until_empty(hss, enterprise_project_id):
    """As the Terraform provider pages: it never reads how many there are."""
    rows = []
    while True:
        query = {"limit": 100, "offset": len(rows), "enterprise_project_id": enterprise_project_id}
        page = hss.list_port_statistics(ListPortStatisticsRequest(**query)).data_list
        if not page:
            return rows
        rows += [(row.port, row.type, row.num) for row in page]


def pages_until_the_list_is_empty():
    project = "paged"
    post(SESSION, [report("paged-all", 1, STAYING, project)])
    hss = client(SERVER)

    def more_or_fewer(session, turn):
        # A third of the hosts each has a third of the ports, another third in the next turn.
        third = STAYING[turn % 3 :: 3]
        post(session, [report(f"paged-{host}", turn, third, project) for host in range(turn % 2, HOSTS, 2)])

    def read():
        rows = until_empty(hss, project)
        assert [(port, kind) for port, kind, _ in rows] == STAYING
        return rows

    with Reporting(more_or_fewer) as reporting:
        reporting.rounds(read)


def by_cursor(path, **query):
    rows = []
    cursor = {}
    while True:
        answer = SESSION.get(f"{NATIVE}/{path}", params={**query, **cursor}, timeout=60)
        assert answer.status_code == 200, answer.text
        page = answer.json()
        rows += page["data_list"]
        if page["next_cursor"] is None:
            return rows
        cursor = {"cursor": page["next_cursor"]}


def each_once(rows, staying, coming):
    assert len(set(rows)) == len(rows), "a row is told twice"
    assert set(staying) <= set(rows), set(staying) - set(rows)
    assert set(rows) <= set(staying) | set(coming), "a row that never was"
    return rows


def follows_the_cursor_of_rows_that_come_and_go():
    project = "cursor"
    post(SESSION, [report("cursor-all", 1, STAYING, project)])

    def come_and_go(session, turn):
        rows = COMING[turn % 3 :: 3] if turn % 4 else []
        post(session, [report("cursor-some", turn, rows, project)])

    def read():
        rows = by_cursor("statistics", limit=100, enterprise_project_id=project)
        return each_once([(row["port"], row["type"]) for row in rows], STAYING, COMING)

    with Reporting(come_and_go) as reporting:
        reporting.rounds(read)


def follows_the_cursor_of_hosts_that_come_and_go():
    project = "hosts"
    staying = [f"host-{number:03}" for number in range(0, 200, 2)]
    coming = [f"host-{number:03}" for number in range(1, 200, 20)]
    post(SESSION, [report(host_id, 1, [(22, "TCP")], project) for host_id in staying])

    def come_and_go(session, turn):
        post(session, [report(host_id, turn, [(22, "TCP")], project) for host_id in coming])
        for host_id in coming:
            gone = session.delete(f"{NATIVE}/hosts/{host_id}", timeout=60)
            assert gone.status_code == 204, gone.text

    def read():
        rows = by_cursor("hosts", limit=7, enterprise_project_id=project)
        return each_once([row["host_id"] for row in rows], staying, coming)

    with Reporting(come_and_go) as reporting:
        reporting.rounds(read)


if __name__ == "__main__":
    run((
        pages_until_the_list_is_empty,
        follows_the_cursor_of_rows_that_come_and_go,
        follows_the_cursor_of_hosts_that_come_and_go,
    ))
