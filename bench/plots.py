"""The pictures of docs/performance.md and docs/cost.md, drawn from the tables that stand there.

``PYTHONPATH=functions:. .venv/bin/python -m bench.plots`` draws them into docs/pictures/bench; a test
compares them with the tables.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Final

from bench.growth import DOCUMENT, cells

FOLDER: Final = DOCUMENT.parent / "pictures" / "bench"
COSTS: Final = DOCUMENT.with_name("cost.md")
LEFT, RIGHT, TOP, ROW, HEIGHT = 250, 70, 34, 24, 260
"""Pixels: where labels end, what is left free, a bar's place, the height of lines."""
WIDTH: Final = 760
STYLE: Final = (
    "text{font:13px system-ui,sans-serif;fill:#333}.title{font-weight:600}.end{text-anchor:end}"
    ".mid{text-anchor:middle}.bar,.dot{fill:#4478b6}.over{fill:#b6622c}.axis{stroke:#999;fill:none}"
    ".limit{stroke:#c0392b;stroke-width:2}.line{stroke:#4478b6;stroke-width:2;fill:none}"
    "@media(prefers-color-scheme:dark){text{fill:#ddd}.bar,.dot{fill:#7fb0e8}.over{fill:#e8a06f}"
    ".limit{stroke:#ff7b6b}.line{stroke:#7fb0e8}}"
)

type Table = Sequence[Sequence[str]]


@dataclass(frozen=True, slots=True)
class Bar:
    """One bar: its label, how long it is, and how long it may be."""

    label: str
    value: float
    limit: float | None = None

    @property
    def reach(self) -> float:
        """How far it and its mark go."""
        return max(self.value, self.limit or 0)

    @property
    def is_over(self) -> bool:
        """Whether it is longer than it may be."""
        return self.limit is not None and self.value > self.limit


def table(document: Path, mark: str) -> Table:
    """The rows of the table behind a mark, without its head; cells as plain text."""
    return cells(document.read_text(encoding="utf-8").replace("`", "").replace("**", ""), mark)


def number(cell: str) -> float:
    """A cell's number."""
    return float(cell.replace(",", ""))


def bars(title: str, unit: str, rows: Sequence[Bar]) -> str:
    """A picture of bars, with a mark where each of them has its limit."""
    scale = (WIDTH - LEFT - RIGHT) / max(row.reach for row in rows)
    drawn = []
    for place, row in enumerate(rows):
        y, kind = TOP + place * ROW, "bar over" if row.is_over else "bar"
        size = f'width="{row.value * scale:.1f}" height="{ROW - 8}"'
        drawn += [
            words("end", LEFT - 8, y + 15, row.label),
            f'<rect class="{kind}" x="{LEFT}" y="{y + 3}" {size}/>',
            words("", LEFT + row.reach * scale + 6, y + 15, f"{row.value:,g}"),
        ]
        if row.limit is not None:
            drawn.append(f'<path class="limit" d="M{LEFT + row.limit * scale:.1f} {y} V{y + ROW - 2}"/>')
    told = "; ".join(f"{row.label}: {row.value:,g}" for row in rows)
    return picture(f"{title}, {unit}", told, drawn, TOP + len(rows) * ROW + 10)


def lines(title: str, unit: str, places: Sequence[str], series: Mapping[str, Sequence[float]]) -> str:
    """A picture of lines over named places, each with its name at its end."""
    highest = max(max(values) for values in series.values())
    step = (WIDTH - 60 - LEFT) / (len(places) - 1)
    at = [60 + step * place for place in range(len(places))]
    base = free = TOP + HEIGHT
    drawn = [
        f'<path class="axis" d="M60 {TOP} V{base} H{at[-1]:.0f}"/>',
        words("end", 54, TOP + 10, f"{highest:,g}"),
        words("end", 54, base, "0"),
        *(words("mid", x, base + 20, name) for x, name in zip(at, places, strict=True)),
    ]
    for name, values in sorted(series.items(), key=lambda one: one[1][-1]):
        points = [(x, base - value / highest * HEIGHT) for x, value in zip(at, values, strict=True)]
        free = min(free - 15, int(points[-1][1]) + 4)
        drawn.append(f'<polyline class="line" points="{" ".join(f"{x:.0f},{y:.1f}" for x, y in points)}"/>')
        drawn += [f'<circle class="dot" cx="{x:.0f}" cy="{y:.1f}" r="3"/>' for x, y in points]
        drawn.append(words("", at[-1] + 10, free, f"{name}: {values[-1]:,g}"))
    told = "; ".join(f"{name}: {', '.join(map('{:,g}'.format, values))}" for name, values in series.items())
    return picture(f"{title}, {unit}", told, drawn, base + 36)


def words(kind: str, x: float, y: float, text: str) -> str:
    """A text in the drawing."""
    return f'<text class="{kind}" x="{x:.0f}" y="{y:.0f}">{escape(text)}</text>'


def picture(title: str, told: str, drawn: Sequence[str], height: int) -> str:
    """A drawing with its title and, for who does not see it, its numbers."""
    size = f'viewBox="0 0 {WIDTH} {height}" role="img" aria-labelledby="t d"'
    names = f'<title id="t">{escape(title)}</title><desc id="d">{escape(told)}</desc>'
    head = [f'<svg xmlns="http://www.w3.org/2000/svg" {size}>', names, f"<style>{STYLE}</style>"]
    return "\n".join((*head, words("title", 8, 20, title), *drawn, "</svg>", ""))


def starts() -> str:
    """Cold starts, each with the stricter of its limits."""
    rows = {row[0]: row for row in table(DOCUMENT, "starts")}
    bases = {"empty": number(rows["an empty handler"][1]), "usual": number(rows["the usual stack"][1])}

    def limit(cell: str) -> float | None:
        words = [word.split() for word in cell.split(", ") if word]
        return min((bases[base] * float(times) for base, times in words), default=None)

    drawn = [Bar(name, number(row[1]), limit(row[4])) for name, row in rows.items()]
    return bars("A cold start", "ms of the processor; the mark is the limit", drawn)


def memory() -> str:
    """The first answer at each size of memory."""
    places = ("256 MB", "512 MB", "1024 MB", "1769 MB")
    series = {row[0]: [number(cell) for cell in row[1:]] for row in table(DOCUMENT, "memory")}
    return lines("The first answer", "ms on the wall", places, series)


GROWING: Final = ("POST …/code", "an event about a number", "GET /v1/numbers, 2", "GET /v1/numbers/{id}")


def growth() -> str:
    """Round trips, units and calls of some operations, over all stores."""
    rows = {row[0]: row[1:] for row in table(DOCUMENT, "growth")}
    places = ("10", "1,000", "100,000", "own 1", "own 10,000")
    series = {name: [sum(map(number, cell.split(" · "))) for cell in rows[name]] for name in GROWING}
    return lines("What an operation asks for", "round trips, units and calls, by records", places, series)


def rate() -> str:
    """How long many numbers take, and how long they must."""
    drawn = []
    for row in table(DOCUMENT, "rate"):
        took, least = (round(number(cell) / 3600, 2) for cell in row[2:4])
        drawn += [Bar(row[0], took), Bar("at least", least)]
    return bars("Until the last number is connected", "hours at 5 calls in 30 s", drawn)


GOAL: Final = 4.2


def costs() -> str:
    """What a million webhooks about numbers cost, ours and the usual stack's."""
    drawn = [
        Bar(row[0].rpartition("about numbers, ")[2].removeprefix("the same, "), number(row[-1]), GOAL)
        for row in table(COSTS, "usual")
        if "onboardings" not in row[0]
    ]
    return bars("A million webhooks about numbers", "dollars; the mark is the goal", drawn)


PICTURES: Final = {"starts": starts, "memory": memory, "growth": growth, "rate": rate, "costs": costs}


def main() -> None:
    """Draw them all."""
    FOLDER.mkdir(exist_ok=True)
    for name, draw in PICTURES.items():
        (FOLDER / f"{name}.svg").write_text(draw(), encoding="utf-8")


if __name__ == "__main__":
    main()
