"""Workload: how many passes and answers some work takes that is not stored yet, and about how long that is."""

from __future__ import annotations

from dataclasses import dataclass

from sslviz.catalog import Entry
from sslviz.runtime.progress import duration

# Seconds of an answer: a part for resampling, which costs the same whatever is resampled, and one that grows about with
# the root of the numbers looked at.  By two measurements on 2 cores: 29 answers of 180 images of 128 dimensions took 12 s,
# 91 answers of 1,610 images of 1,280 dimensions 182 s.
RESAMPLING, READING, NUMBERS = 0.3, 1.7, 1610 * 1280
ON_DEMAND = 8.0  # times as long as the others take those for which the app waits to be asked, such as the map


def answer_seconds(entry: Entry, n: int, width: int) -> float:
    """About how long an answer takes on n images, those fitted on included, of so many dimensions."""
    return (ON_DEMAND if entry.on_demand else 1.0) * (RESAMPLING + READING * (n * width / NUMBERS) ** 0.5)


@dataclass(frozen=True)
class Workload:
    """What has yet to be computed, and about how long that takes.

    - forward: pictures that go through an encoder
    - backward: those of them whose gradient comes back to the pixels
    - encoding: seconds that these passes take
    - answers: that are computed from features; they take a second or so each
    - statistics: seconds that these take
    - stored: answers that are only read
    - at_most: those of the forward passes that may not be needed, as what they serve ends once it has told enough
    - drawing: seconds that drawing the pictures takes that encoders are shown

    Workloads add up.

    Example:
        >>> (Workload(12_400, encoding=190.0) + Workload(answers=31, statistics=50.0, stored=4)).line
        '12,400 forward passes and 31 answers to compute: about 4 min, 21 % of it statistics; 4 answers are stored.'
        >>> Workload(stored=4).line
        'Everything is stored; nothing to compute.'
    """

    forward: int = 0
    backward: int = 0
    encoding: float = 0.0
    answers: int = 0
    statistics: float = 0.0
    stored: int = 0
    at_most: int = 0
    drawing: float = 0.0

    def __add__(self, other: Workload) -> Workload:
        return Workload(*(a + b for a, b in zip(vars(self).values(), vars(other).values(), strict=True)))

    @property
    def seconds(self) -> float:
        """How long all of it takes."""
        return self.drawing + self.encoding + self.statistics

    @property
    def line(self) -> str:
        """In a sentence: the passes, the answers, the time, and which share of it statistics and drawing take."""
        if not (self.forward or self.answers):
            return "Everything is stored; nothing to compute."
        back = f", {self.backward:,} of them with the gradient," if self.backward else ""
        most = "at most " if self.at_most else ""
        parts = [f"{most}{self.forward:,} forward passes{back}"] * bool(self.forward)
        parts += [f"{self.answers:,} {'answer' if self.answers == 1 else 'answers'}"] * bool(self.answers)
        shares = [f"{self.statistics / self.seconds:.0%} of it statistics"] if self.answers and self.seconds else []
        shares += [f"{self.drawing / self.seconds:.0%} drawing pictures"] if self.drawing else []
        share = f", {' and '.join(shares)}" if shares else ""
        known = f"; {self.stored:,} {'answer is' if self.stored == 1 else 'answers are'} stored" if self.stored else ""
        said = " and ".join(parts)
        return f"{said[:1].upper()}{said[1:]} to compute: {duration(self.seconds)}{share.replace('%', ' %')}{known}."
