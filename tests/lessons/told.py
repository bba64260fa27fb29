"""What the cells of a lesson told, as it is stored: numbers as they are printed, tables, verdicts, curves of figures."""

import base64
import re
from functools import cache
from pathlib import Path

import nbformat
import numpy as np

NOTEBOOKS = {path.stem[:2]: path for path in sorted((Path(__file__).parents[2] / "notebooks").glob("*.ipynb"))}
NUMBER = r"-?\d[\d,]*(?:\.\d+)?(?:e[-+]?\d+)?"
READING = re.compile(rf"({NUMBER})(%?)(?: \[({NUMBER}), ({NUMBER})\])?(?:\s+vs ({NUMBER}))?")
VERDICTS = "healthy", "complete collapse", "cluster collapse", "dimensional collapse", "projector-only collapse"


class Reading(float):
    """A number as it is printed, `0.83 [0.81, 0.85]  vs 0.33 pixels`, with `low`, `high` and `control`."""

    def __new__(cls, words):
        value, percent, *rest = READING.search(words).groups()
        value, *rest = (
            float(number.replace(",", "")) / (100 if percent else 1)
            for number in (value, *(one or value for one in rest))
        )
        self = super().__new__(cls, value)
        self.low, self.high, self.control = rest
        return self


class Told(str):
    """All that the cells of a lesson printed and drew, as text; a curve of a figure is a line `~ name, axis: y y y`."""

    def score(self, start):
        """The score in the line that begins so."""
        return Reading(re.search(rf"^{re.escape(start)}(.*)$", self, re.M)[1])

    def scores(self, pattern):
        """{first group: score in the second} of all that is found."""
        return {name: Reading(words) for name, words in re.findall(pattern, self, re.M)}

    def table(self, header, column):
        """{row: score or words} of one column of the table whose header begins so."""
        lines = self[self.index(header) :].split("\n")
        rows = [[cell.strip() for cell in line.strip()[1:-1].split("|")] for line in lines[: lines.index("")]]
        at = rows[0].index(column)
        return {row[0]: Reading(row[at]) if READING.search(row[at]) else row[at] for row in rows[2:] if len(row) > at}

    def groups(self, pattern):
        """The groups of the first match."""
        return re.search(pattern, self, re.M).groups()

    def all(self, pattern):
        """The groups of all matches."""
        return re.findall(pattern, self, re.M)

    def curve(self, name, axis="y", figure=0):
        """The values of a curve, in the first figure that has one of this name; -1: in the last."""
        line = self.all(rf"^~ {re.escape(name)}, {axis}: (.*)$")[figure]
        return [float(y) for y in line.split()]

    def verdicts(self):
        """{run: verdict}, of a list of verdicts."""
        return dict(re.findall(rf"^(?:- )?(?:\*\*)?([\w-]+)(?:\*\*)?[: ]+({'|'.join(VERDICTS)})", self, re.M))


def numbers(values):
    """The numbers of an array of a figure's JSON, packed or not."""
    if isinstance(values, dict):
        return np.frombuffer(base64.b64decode(values["bdata"]), values["dtype"]).tolist()
    return values or []


def words_of(output):
    """What an output says as text: printed, as Markdown, and the short curves of figures."""
    data = output.get("data", {})
    lines = [output.get("text", ""), data.get("text/markdown", "")]
    for trace in data.get("application/vnd.plotly.v1+json", {"data": []})["data"]:
        y = numbers(trace.get("y"))
        if trace.get("name") and 1 < len(y) <= 20 and all(isinstance(v, int | float) for v in y):
            lines.append(f"~ {trace['name']}, {trace.get('yaxis', 'y')}: {' '.join(f'{v:.6f}' for v in y)}")
    return "\n".join(lines)


@cache
def lesson(number):
    """(its prose on one line, what its cells told)."""
    cells = nbformat.read(NOTEBOOKS[number], as_version=4).cells
    prose = " ".join(" ".join(cell.source for cell in cells if cell.cell_type == "markdown").split())
    return prose, Told("\n\n".join(words_of(output) for cell in cells for output in cell.get("outputs", [])) + "\n\n")
