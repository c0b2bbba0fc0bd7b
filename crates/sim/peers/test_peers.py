"""What can be tried without a server: the questions to SQLite, the comparison, sums and tables."""

import tempfile
import unittest
from pathlib import Path

import table
from measure import Measured, Spread, faster, rounds, turn
from questions import FROM_VIEW, LIVE, Difference, Form, ask, columns, compare
from sqlite import Sqlite

HEAD = "host_id,host_name,enterprise_project_id,category,asset,port,type,laddr,pid,path,container_name\n"
# Host a has 22 on both families and two containers with 80; host b has 22 and 123/UDP, host c both
# types of 22. In b, one container has 80 on two addresses.
ROWS = """\
a,web,0,host,0,22,TCP,0.0.0.0,1,/usr/sbin/sshd,
a,web,0,host,0,22,TCP,::,1,/usr/sbin/sshd,
a,web,0,container,1,80,TCP,172.17.0.2,2,"/opt/a,b",one
a,web,0,container,2,80,TCP,172.17.0.3,3,/usr/sbin/nginx,two
b,db,ep-1,host,3,22,TCP,0.0.0.0,1,/usr/sbin/sshd,
b,db,ep-1,host,3,123,UDP,0.0.0.0,,,
b,db,ep-1,container,4,80,TCP,172.17.0.2,4,/usr/sbin/nginx,three
b,db,ep-1,container,4,80,TCP,fd00::2,4,/usr/sbin/nginx,three
c,app,0,host,5,22,TCP,0.0.0.0,1,/usr/sbin/sshd,
c,app,0,host,5,22,UDP,0.0.0.0,9,/opt/odd,
"""


def counts(*rows) -> dict:
    data = [dict(zip(("port", "type", "num"), row)) for row in rows]
    return {"total_num": len(data), "data_list": data}


def hosts(*rows) -> dict:
    data = [dict(zip(("host_id", "type", "enterprise_project_id", "num"), row)) for row in rows]
    return {"total_num": len(data), "data_list": data}


ANSWERS = {
    "first page": counts((22, "TCP", 3), (22, "UDP", 1), (123, "UDP", 1)),
    "port 123": counts((123, "UDP", 1)),
    "containers": counts((80, "TCP", 3)),
    "hosts of port 22": hosts(
        ("a", "TCP", "0", 1), ("b", "TCP", "ep-1", 1), ("c", "TCP", "0", 1), ("c", "UDP", "0", 1)
    ),
}


class FakePortolan:
    """Portolan's answers, and turns that get slower, as on a machine that others use."""

    answers = ANSWERS

    def __init__(self):
        self.turns = 0

    def turn(self, _question) -> float:
        self.turns += 1
        return float(self.turns)


class Questions(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        rows = Path(folder.name) / "rows.csv"
        rows.write_text(HEAD + ROWS)
        self.base = Sqlite(Path(folder.name))
        self.addCleanup(self.base.close)
        self.base.load(rows)

    def check_all(self, questions):
        for question, forms in questions.items():
            for form in forms:
                with self.subTest(question=question, form=form.name):
                    total, rows = ask(self.base.query, form)
                    compare(question, total, rows, ANSWERS[question])

    def test_every_form_of_every_question_counts_assets_once(self):
        self.assertEqual(list(LIVE), list(ANSWERS))
        self.check_all(LIVE)

    def test_the_view_answers_the_same(self):
        # SQLite knows no materialized views; the questions are the same to a table.
        self.base.query(
            "CREATE TABLE counts AS SELECT category, port, type, COUNT(DISTINCT asset) AS num"
            " FROM open_ports GROUP BY category, port, type"
        )
        self.check_all(FROM_VIEW)

    def test_a_page_has_ten_rows_and_the_total_all(self):
        self.base.query(
            "WITH RECURSIVE n(i) AS (SELECT 1000 UNION ALL SELECT i + 1 FROM n WHERE i < 1019)"
            " INSERT INTO open_ports (category, asset, port, type) SELECT 'host', 0, i, 'TCP' FROM n"
        )
        for form in LIVE["first page"]:
            total, rows = ask(self.base.query, form)
            self.assertEqual((total, len(rows)), (23, 10), form.name)

    def test_the_slower_form_is_not_kept(self):
        slow = Form("slow", "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n"
                    " WHERE i < 300000) SELECT 123, 'UDP', 1 FROM n GROUP BY 1, 2", "all rows")
        quick = LIVE["port 123"][0]
        kept = faster(self.base.query, "port 123", [slow, quick], FakePortolan())
        self.assertEqual(kept, quick)


class Comparing(unittest.TestCase):
    def test_any_other_number_is_a_difference(self):
        right = [(22, "TCP", 3), (22, "UDP", 1), (123, "UDP", 1)]
        compare("first page", 3, right, ANSWERS["first page"])
        # ClickHouse gives texts, with the total behind.
        compare("first page", "3", [[str(v) for v in (*row, 3)] for row in right],
                ANSWERS["first page"])
        for total, rows in (
            (4, right),
            (3, right[:2]),
            (3, right[::-1]),
            (3, [(22, "TCP", 4), *right[1:]]),
            (3, [(22, "UDP", 3), *right[1:]]),
        ):
            with self.assertRaises(Difference):
                compare("first page", total, rows, ANSWERS["first page"])

    def test_a_host_id_of_digits_stays_a_text(self):
        answer = hosts(("0012", "TCP", "0", 1))
        compare("hosts of port 22", 1, [("0012", "TCP", "0", 1)], answer)
        with self.assertRaises(Difference):
            compare("hosts of port 22", 1, [("12", "TCP", "0", 1)], answer)

    def test_only_the_last_question_is_about_hosts(self):
        named = {question for question in LIVE if columns(question)[0] == "host_id"}
        self.assertEqual(named, {"hosts of port 22"})


class Summing(unittest.TestCase):
    def test_a_ratio_is_of_neighbouring_turns(self):
        # Portolan takes 2, 3 and 4 s after its warm-up, the database always 12 s.
        measured = rounds("x", "port 123", "f", lambda: 12.0, FakePortolan(), 3)
        self.assertEqual(measured.ratio, Spread(4.0, 3.0, 6.0))
        self.assertEqual(measured.portolan, Spread(3.0, 2.0, 4.0))
        self.assertEqual(measured.theirs, Spread(12.0, 12.0, 12.0))

    def test_a_turn_is_the_median_of_what_fits_and_one_asking_at_least(self):
        took = iter([0.03, 0.01, 0.02, 9.0])
        self.assertEqual(turn(lambda: next(took)), 0.02)
        self.assertEqual(turn(lambda: next(took)), 9.0)

    def test_times_have_three_digits(self):
        for seconds, text in (
            (12.483, "12.5 s"), (0.841, "841 ms"), (0.0175, "17.5 ms"),
            (0.00056, "560 us"), (0.00000417, "4.17 us"), (0.0, "0.00 us"), (1234.5, "1,234 s"),
        ):
            self.assertEqual(table.shown(seconds), text)

    def test_the_tables_are_markdown(self):
        spread = Spread(0.02, 0.01, 0.03)
        line = Measured("SQLite", "containers", "one statement", spread, spread, Spread(1, 1, 1))
        text = table.figures([line]) + table.loaded([("SQLite", 2.0, 5_000_000, "in process")])
        rows = text.splitlines()
        self.assertEqual({row.count("|") for row in rows[:3]}, {7})
        self.assertEqual({row.count("|") for row in rows[3:]}, {5})
        self.assertIn("20.0 ms (10.0 ms to 30.0 ms)", rows[2])
        self.assertEqual(rows[-1], "| SQLite | 2.00 s | 5 MB | in process |")
        unknown = table.loaded([("a view", 2.0, None, "a refresh")]).splitlines()
        self.assertEqual(unknown[-1], "| a view | 2.00 s |  | a refresh |")


if __name__ == "__main__":
    unittest.main()
