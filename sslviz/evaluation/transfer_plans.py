"""Plans of transfer: how a question is put to a checkpoint, how long that takes here, and what is made shorter for it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING, Any

from sslviz.catalog import Entry
from sslviz.runs import Checkpoint, Run
from sslviz.transfer.budget import MINUTES, TrainingPace, training_pace

if TYPE_CHECKING:
    from sslviz.evaluation.worth import Asked


@dataclass(frozen=True)
class Plan:
    """How one question is put to one checkpoint.

    - arguments: keywords of its function
    - stored: whether the answer lies in the run folder
    - seconds: about how long it takes, unless it is stored
    - shortened: what is asked in place of the defaults, which would take too long here
    """

    arguments: dict[str, Any]
    stored: bool
    seconds: float = 0.0
    shortened: dict[str, Any] = field(default_factory=dict)

    @property
    def sentence(self) -> str:
        """About how long it takes, and what was made shorter for that; empty where it is stored."""
        if self.stored:
            return ""
        said = f"about {_minutes(self.seconds)} here"
        if not self.shortened:
            return said
        less = ", ".join(f"{name.replace('_', ' ')} {_listed(value)}" for name, value in self.shortened.items())
        return f"{said}, shortened to {less}, as the defaults would take this encoder more than {MINUTES:.0f} min"


def stored_plan(run: Run, checkpoint: Checkpoint, entry: Entry, asked: Asked) -> Plan | None:
    """How a question was put whose answer lies in the run folder, the longest way first; None where none does."""
    from sslviz.explanations.cache import is_cached

    if asked.obstacle(entry):
        return None
    images, given = asked.images_for(entry), asked.arguments(entry)
    for way in _ways(entry):
        if is_cached(run, entry.compute, checkpoint, images, **given, **way):
            return Plan(given | way, True, shortened=way)
    return None


def plan(
    run: Run,
    checkpoint: Checkpoint,
    entry: Entry,
    asked: Asked,
    pace: Callable[[Checkpoint], TrainingPace] = training_pace,
) -> Plan:
    """How a question is put to a checkpoint: as it is stored, or the longest way that fits into `MINUTES` here.

    ValueError where it cannot be asked.
    """
    if obstacle := asked.obstacle(entry):
        raise ValueError(obstacle)
    if stored := stored_plan(run, checkpoint, entry, asked):
        return stored
    images, given, ways = asked.images_for(entry), asked.arguments(entry), _ways(entry)
    passes = [entry.budget.passes(checkpoint, images, **given, **way) for way in ways]
    measured = pace(checkpoint)
    seconds = [measured.seconds(one) for one in passes]
    i = next((i for i, one in enumerate(seconds) if one <= 60 * MINUTES), len(ways) - 1)
    return Plan(given | ways[i], False, seconds[i], ways[i])


def _ways(entry: Entry) -> list[dict[str, Any]]:
    """What is asked in place of the defaults: nothing, or what makes it shorter and shorter."""
    return [{}, *map(dict, entry.budget.shorter)]


def _minutes(seconds: float) -> str:
    if seconds < 100:
        return f"{max(5, 5 * round(seconds / 5))} s"
    return f"{seconds / 60:.0f} min" if seconds < 6000 else f"{seconds / 3600:.1f} h"


def _listed(value: Any) -> str:
    return "/".join(f"{one:g}" for one in value) if isinstance(value, tuple) else f"{value:g}"


def plans_of(
    runs: Sequence[Run], entries: Sequence[Entry], asked: Asked
) -> tuple[dict[str, dict[Entry, Plan]], list[str]]:
    """({run: {entry: how it is put to the run's last checkpoint}}, a sentence for each that cannot be asked)."""
    problems: list[str] = []
    return {run.name: _plans_of_one(run, entries, asked, problems) for run in runs}, problems


def _plans_of_one(run: Run, entries: Sequence[Entry], asked: Asked, problems: list[str]) -> dict[Entry, Plan]:
    plans: dict[Entry, Plan] = {}
    pace = cache(lambda: training_pace(run.last))
    for entry in entries:
        try:
            plans[entry] = plan(run, run.last, entry, asked, lambda _: pace())
        except ValueError as error:
            problems.append(no_answer(run, entry, error))
    return plans


def plan_lines(plans: dict[str, dict[Entry, Plan]]) -> list[str]:
    """A line for each question that is not stored, about how long it takes and what was made shorter, and all in all."""
    asked = [(run, entry, one) for run, of_run in plans.items() for entry, one in of_run.items() if not one.stored]
    lines = [f"{run}: {entry.name}: {one.sentence}." for run, entry, one in asked]
    total = [
        f"In total about {_minutes(sum(one.seconds for *_, one in asked))}, if the machine has nothing else to do."
    ]
    return lines + total * (len(lines) > 1)


def shortened_of(plans: dict[str, dict[Entry, Plan]]) -> dict[str, dict[str, dict[str, Any]]]:
    """{run: {question: what was asked in place of the defaults}}."""
    return {
        run: {entry.name: one.shortened for entry, one in of_run.items() if one.shortened}
        for run, of_run in plans.items()
        if any(one.shortened for one in of_run.values())
    }


def no_answer(run: Run, entry: Entry, error: ValueError) -> str:
    """That and why an entry could not be answered of a run, in a sentence."""
    return f"{run.name}: no {entry.name}: {error}"
