"""The questions, as SQL, and what a right answer to each is.

A count is of distinct assets per (port, type), both address families together; a total is of all
rows before paging. Every question that has a page and a total may be asked in two ways, in one
statement with a window or in two statements; each database is asked in its faster one.
The SQL is what all four databases understand; the table is `open_ports`, a row an open port.
"""

from dataclasses import dataclass

COUNTED = ("port", "type", "num")
HOSTS = ("host_id", "type", "enterprise_project_id", "num")
NUMBERS = {"port", "num"}

# What is sent where nothing is asked: the cost of an asking by itself.
NOTHING = "nothing"


class Difference(Exception):
    """A database and Portolan do not answer the same."""


@dataclass(frozen=True)
class Form:
    """One way to ask: `total` says whether it is the page's last column, a statement of its own, or
    the number of rows, where all rows come at once."""

    name: str
    page: str
    total: str


IN_PAGE = "in the page"
ALL_ROWS = "all rows"


def paged(select: str, rest: str, total: str) -> list[Form]:
    """Both ways to ask for a page and a total."""
    return [
        Form("one statement", f"{select}, COUNT(*) OVER () AS total {rest}", IN_PAGE),
        Form("page, then total", f"{select} {rest}", total),
    ]


def counted(category: str) -> list[Form]:
    """The first page of a category's counts, and how many there are."""
    return paged(
        "SELECT port, type, COUNT(DISTINCT asset) AS num",
        f"FROM open_ports WHERE category = '{category}'"
        " GROUP BY port, type ORDER BY port, type LIMIT 10",
        "SELECT COUNT(*) FROM (SELECT DISTINCT port, type FROM open_ports"
        f" WHERE category = '{category}') AS counted",
    )


LIVE = {
    "first page": counted("host"),
    "port 123": [
        Form(
            "one statement",
            "SELECT port, type, COUNT(DISTINCT asset) AS num FROM open_ports"
            " WHERE category = 'host' AND port = 123 GROUP BY port, type ORDER BY port, type",
            ALL_ROWS,
        )
    ],
    "containers": counted("container"),
    "hosts of port 22": paged(
        "SELECT host_id, type, enterprise_project_id, COUNT(DISTINCT asset) AS num",
        "FROM open_ports WHERE category = 'host' AND port = 22"
        " GROUP BY host_id, type, enterprise_project_id ORDER BY host_id, type LIMIT 10",
        "SELECT COUNT(*) FROM (SELECT DISTINCT asset, type FROM open_ports"
        " WHERE category = 'host' AND port = 22) AS counted",
    ),
}

# The counts beforehand. It does not know the hosts, so it cannot answer the last question.
VIEW = (
    "CREATE MATERIALIZED VIEW counts AS SELECT category, port, type, COUNT(DISTINCT asset) AS num"
    " FROM open_ports GROUP BY category, port, type"
)


def of_view(category: str) -> list[Form]:
    """The same as `counted`, from the view."""
    return paged(
        "SELECT port, type, num",
        f"FROM counts WHERE category = '{category}' ORDER BY port, type LIMIT 10",
        f"SELECT COUNT(*) FROM counts WHERE category = '{category}'",
    )


FROM_VIEW = {
    "first page": of_view("host"),
    "port 123": [
        Form(
            "one statement",
            "SELECT port, type, num FROM counts WHERE category = 'host' AND port = 123"
            " ORDER BY port, type",
            ALL_ROWS,
        )
    ],
    "containers": of_view("container"),
}


def columns(question: str) -> tuple[str, ...]:
    """The columns of a question's rows, as Portolan names them."""
    return HOSTS if question == "hosts of port 22" else COUNTED


def ask(query, form: Form) -> tuple[int, list]:
    """Asks; the total and the rows, as the database gives them. This is what is timed."""
    rows = query(form.page)
    if form.total == IN_PAGE:
        return (rows[0][-1] if rows else 0), rows
    if form.total == ALL_ROWS:
        return len(rows), rows
    return query(form.total)[0][0], rows


def compare(question: str, total, rows: list, portolan: dict) -> None:
    """Raises `Difference` unless a database's answer is Portolan's, every number of it."""
    names = columns(question)
    mine = [tuple(row[name] for name in names) for row in portolan["data_list"]]
    theirs = [
        tuple(int(value) if name in NUMBERS else str(value) for name, value in zip(names, row))
        for row in rows
    ]
    if int(total) != portolan["total_num"]:
        raise Difference(f"{question}: total {total}, Portolan {portolan['total_num']}")
    if theirs != mine:
        raise Difference(f"{question}: rows {theirs}, Portolan {mine}")
