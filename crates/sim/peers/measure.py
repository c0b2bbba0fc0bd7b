"""Asks in turns, and sums up.

Portolan and a database take turns, round by round, so that a noisy machine is noisy for both; a
ratio is of two neighbouring turns. A turn of a database is at least one asking and lasts at least
`TURN_S`; the turn's time is the median of its askings. Every answer is compared, outside the time.
"""

import statistics
import time
from dataclasses import dataclass

from questions import NOTHING, Form, ask, compare

TURN_S = 0.05
# Askings of each form before the rounds, the first to warm up; the faster form is kept.
TRIES = 3


@dataclass(frozen=True)
class Spread:
    """Median, lowest and highest of all rounds."""

    median: float
    lowest: float
    highest: float

    @staticmethod
    def of(values: list[float]) -> "Spread":
        return Spread(statistics.median(values), min(values), max(values))


@dataclass(frozen=True)
class Measured:
    """One question to one database, times in seconds."""

    database: str
    question: str
    form: str
    theirs: Spread
    portolan: Spread
    ratio: Spread


def timed(work) -> tuple[float, object]:
    """How long something took, in seconds, and what came of it."""
    started = time.perf_counter()
    result = work()
    return time.perf_counter() - started, result


def asking(query, question: str, form: Form, portolan) -> float:
    """One asking whose answer is right; its time."""
    seconds, (total, rows) = timed(lambda: ask(query, form))
    compare(question, total, rows, portolan.answers[question])
    return seconds


def turn(once) -> float:
    """The median of as many askings as fit, and of one at least."""
    took = [once()]
    while sum(took) < TURN_S:
        took.append(once())
    return statistics.median(took)


def faster(query, question: str, forms: list[Form], portolan) -> Form:
    """The form that the database answers faster, once warm; all must be answered rightly."""
    best = {}
    for form in forms:
        took = [asking(query, question, form, portolan) for _ in range(TRIES)]
        best[form] = min(took[1:])
    return min(best, key=best.get)


def rounds(database: str, question: str, form: str, once, portolan, count: int) -> Measured:
    """Turn about: Portolan, the database."""
    portolan.turn(question)
    pairs = [(portolan.turn(question), turn(once)) for _ in range(count)]
    return Measured(
        database,
        question,
        form,
        Spread.of([theirs for _, theirs in pairs]),
        Spread.of([mine for mine, _ in pairs]),
        Spread.of([theirs / mine for mine, theirs in pairs]),
    )


def measure(database: str, query, questions: dict, portolan, count: int) -> list[Measured]:
    """All questions to one database."""
    measured = []
    for question, forms in questions.items():
        form = faster(query, question, forms, portolan)
        once = lambda: asking(query, question, form, portolan)
        measured.append(rounds(database, question, form.name, once, portolan, count))
    nothing = lambda: timed(lambda: query("SELECT 1"))[0]
    return measured + [rounds(database, NOTHING, "SELECT 1", nothing, portolan, count)]
