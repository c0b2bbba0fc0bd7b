"""The figures as Markdown tables, as they go into the project's documents."""

from measure import Measured, Spread

HEAD = (
    "| database | question | asked in | answer time | Portolan beside it | ratio |\n"
    "|---|---|---|---:|---:|---:|\n"
)
LOADED_HEAD = "| database | prepared in | on disk | note |\n|---|---:|---:|---|\n"


def shown(seconds: float) -> str:
    """Three digits, in the unit that suits: `841 ms`, `4.17 us`."""
    for unit, factor in (("s", 1.0), ("ms", 1e3), ("us", 1e6)):
        if seconds * factor >= 1.0 or unit == "us":
            return f"{digits(seconds * factor)} {unit}"
    raise AssertionError("the last unit is always taken")


def digits(number: float) -> str:
    """Three digits, or all before the point."""
    if number >= 99.95:
        return f"{number:,.0f}"
    return f"{number:.1f}" if number >= 9.995 else f"{number:.2f}"


def megabytes(size: int) -> str:
    return f"{size / 1e6:,.0f} MB"


def spread(value: Spread, show) -> str:
    return f"{show(value.median)} ({show(value.lowest)} to {show(value.highest)})"


def figures(measured: list[Measured]) -> str:
    """A line a question and database."""
    lines = [
        f"| {m.database} | {m.question} | {m.form} | {spread(m.theirs, shown)} "
        f"| {spread(m.portolan, shown)} | {spread(m.ratio, digits)} |\n"
        for m in measured
    ]
    return HEAD + "".join(lines)


def loaded(lines: list[tuple[str, float, int | None, str]]) -> str:
    """How long each database took to be ready for questions, and what it needs on disk."""
    rows = [
        f"| {name} | {shown(seconds)} | {'' if size is None else megabytes(size)} | {note} |\n"
        for name, seconds, size, note in lines
    ]
    return LOADED_HEAD + "".join(rows)
