"""Gathers the measures of all rounds, and prints them."""

from __future__ import annotations

from dataclasses import dataclass, field
from statistics import median

from measure import Usage

_HEAD = ("contender", "median", "min", "ratio", "cpu", "peak", "exit", "shows")
_MEGABYTE = 1_000_000


@dataclass(slots=True)
class Row:
    """One contender: a measure a round, and what it shows. `part` marks a part of the row before it."""

    name: str
    usages: list[Usage] = field(default_factory=list)
    shows: str = ""
    part: bool = False

    @property
    def peak(self) -> int:
        """The largest process of all rounds, in bytes."""
        return max(usage.peak for usage in self.usages)


@dataclass(slots=True)
class Table:
    """Rows in the order in which they were first measured; all ratios are to the row named `unit`."""

    unit: str
    rows: dict[str, Row] = field(default_factory=dict)

    def add(self, name: str, usage: Usage, part: bool = False) -> Row:
        """Take the next measure of a contender."""
        row = self.rows.setdefault(name, Row(name, part=part))
        row.usages.append(usage)
        return row

    def note(self, name: str, shows: str) -> None:
        """Take what a contender shows, or why it was not measured."""
        self.rows.setdefault(name, Row(name)).shows = shows

    def ratio(self, name: str, unit: str | None = None, cpu: bool = False) -> float | None:
        """Give the median over the rounds of the contender's time by the unit's in the same round.

        It is wall time, or with `cpu` processor time; None where one of them was not measured.
        """
        rows = [self.rows.get(one) for one in (name, unit or self.unit)]
        if any(row is None or not row.usages for row in rows):
            return None
        pairs = zip(*(row.usages for row in rows if row), strict=True)
        times = ((usage.cpu, other.cpu) if cpu else (usage.seconds, other.seconds) for usage, other in pairs)
        return float(median(time / base for time, base in times))

    def render(self) -> str:
        """Lay the table out in columns: seconds, ratios and MB (10^6 bytes) to the right, the rest to the left."""
        lines = [_HEAD, *(self._cells(row) for row in self.rows.values())]
        widths = [max(len(line[column]) for line in lines) for column in range(len(_HEAD))]
        last = len(_HEAD) - 1
        return "\n".join(
            "  ".join(
                cell.ljust(width) if column in (0, last) else cell.rjust(width)
                for column, (cell, width) in enumerate(zip(line, widths, strict=True))
            ).rstrip()
            for line in lines
        )

    def succeeded(self, name: str) -> bool:
        """Tell whether a contender was measured and ended with 0 each time."""
        row = self.rows.get(name)
        return row is not None and bool(row.usages) and not any(usage.code for usage in row.usages)

    def failures(self) -> list[str]:
        """Name each exit code other than 0 once, with the last line of the complaint."""
        found: dict[str, None] = {}
        for row in self.rows.values():
            for usage in row.usages:
                if usage.code and not row.part:
                    found[f"{row.name}: exit {usage.code}: {usage.complaint or 'nothing on standard error'}"] = None
        return list(found)

    def as_json(self) -> dict[str, object]:
        """Give all measures: seconds, cpu seconds, peak bytes and exit codes by round."""
        return {
            row.name: {
                "seconds": [round(usage.seconds, 4) for usage in row.usages],
                "cpu": [round(usage.cpu, 4) for usage in row.usages],
                "peak": [usage.peak for usage in row.usages],
                "exit": [usage.code for usage in row.usages],
                "shows": row.shows,
            }
            for row in self.rows.values()
        }

    def _cells(self, row: Row) -> tuple[str, ...]:
        name = f"  {row.name}" if row.part else row.name
        if not row.usages:
            return (name, "-", "-", "-", "-", "-", "-", row.shows)
        seconds = [usage.seconds for usage in row.usages]
        ratio = self.ratio(row.name)
        codes = "/".join(str(code) for code in sorted({usage.code for usage in row.usages}))
        cpu = median(usage.cpu for usage in row.usages)
        times = (_seconds(median(seconds)), _seconds(min(seconds)), "-" if ratio is None else f"{ratio:.2f}")
        return (name, *times, _seconds(cpu), f"{row.peak / _MEGABYTE:.0f} MB", codes, row.shows)


def _seconds(seconds: float) -> str:
    """Write seconds, small ones as milliseconds."""
    return f"{seconds:.2f} s" if seconds >= 1 else f"{seconds * 1000:.0f} ms"


def wanted(name: str, value: float | None, limit: float | None, goal: str = "") -> str:
    """Write one line that holds a ratio against the most that the project allows itself, if there is a limit."""
    if value is None:
        return f"{name}: not measured"
    if limit is None:
        return f"{name}: {value:.2f}"
    return f"{name}: {value:.2f} ({'met' if value <= limit else 'MISSED'}: at most {limit:.2f}{goal})"
