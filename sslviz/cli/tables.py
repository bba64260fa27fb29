"""How do scores look in a terminal?  Each beside its interval and its strongest control, in 80 columns."""

from __future__ import annotations

from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from sslviz.diagnostics.result import CheckpointKey
from sslviz.evaluation.study.table import StudyResult
from sslviz.evaluation.summary import sentence
from sslviz.statistics import Score


def print_scores(results: dict[str, dict[str, Any]], sentences: list[str] | None = None) -> None:
    """A table of every score beside its interval and its strongest control, and a sentence for each run.

    The sentences are what one would say of diagnostics, unless they are given.
    """
    console = Console()
    for name, of_run in results.items():
        untold: set[str] = set()
        table = Table(title=escape(name), title_justify="left", title_style="bold", box=None, padding=(0, 1, 0, 0))
        for heading in ("score", "  value [95 %]"):
            table.add_column(heading, no_wrap=True)
        table.add_column("control")  # which goes to the next line where the numbers need the room
        for diagnostic, result in of_run.items():
            table.add_row(f"[bold]{escape(diagnostic)}[/bold]")
            scores = result.scores()
            for score_name, score in scores.items():
                mark = {True: "✓", False: "✗", None: " "}[score.beats_control]
                table.add_row(f"  {score_name}", f"{mark} {score.text}", score.control_text)
            untold |= {f"{diagnostic}: {score}" for score in scores.values() if score.reason}
        console.print(table)
        for text in sorted(untold):
            console.print(text, highlight=False, markup=False)
        console.print()
    for text in filter(None, map(sentence, results, results.values()) if sentences is None else sentences):
        console.print(text, highlight=False, markup=False)
    console.print("\n✓ the whole interval beats the strongest control   ✗ it does not", style="dim", highlight=False)


def print_columns(rows: list[tuple[str, str, str]]) -> None:
    """A line for each column that is asked about: its name, its kind and its classes."""
    if not rows:
        print("There is no column with classes to ask about.")
        return
    table = Table(box=None, padding=(0, 1, 0, 0))
    for heading in ("column", "kind", "asked about"):
        table.add_column(heading, overflow="fold")
    for row in rows:
        table.add_row(*map(escape, row))
    Console().print(table)


def print_through_training(results: dict[str, dict[str, Any]]) -> None:
    """A table for each run: a score in each row, a checkpoint in each column."""
    console = Console()
    runs: dict[str, dict[str, dict[str, Any]]] = {}
    for text, of_checkpoint in results.items():
        key = CheckpointKey.parse(text)
        runs.setdefault(key.run, {})["last" if key.step is None else str(key.step)] = of_checkpoint
    for name, steps in runs.items():
        title = f"{escape(name)} through training, by step"
        table = Table(title=title, title_justify="left", title_style="bold", box=None, padding=(0, 1, 0, 0))
        table.add_column("score", no_wrap=True)
        for step in steps:
            table.add_column(step, justify="right")
        for diagnostic in dict.fromkeys(key for of_step in steps.values() for key in of_step):
            scores = {step: of_step[diagnostic].scores() for step, of_step in steps.items() if diagnostic in of_step}
            for score in dict.fromkeys(key for of_step in scores.values() for key in of_step):
                values = [scores[s][score].value_text if score in scores.get(s, {}) else "" for s in steps]
                table.add_row(f"{diagnostic} {score}", *values)
        console.print(table)
        console.print()


def print_study(result: StudyResult) -> None:
    """A row for each arm: every score above that of the untrained encoder, how fast it was, and what is left out."""
    console = Console()
    names = list(dict.fromkeys(name for arm in result.arms.values() for name in arm.scores))
    table = Table(box=None, padding=(0, 1, 0, 0))
    for heading in ("arm", "images/s", "seconds", "GB", *(name.removeprefix("linear:") for name in names), "verdict"):
        table.add_column(heading, overflow="fold")
    for name, arm in result.arms.items():
        if arm.runs:
            pace = (
                f"{arm.pace('images_per_second'):,.0f}",
                f"{arm.pace('seconds'):,.1f}",
                f"{arm.pace('memory_gb'):.2f}",
            )
            marks = {True: "✓", False: "✗", None: " "}
            cells = [
                f"{marks[arm.beats_untrained(key) if arm.scores[key].higher_is_better else None]} "
                f"{_with_reach(arm.scores[key])}\n[dim]  {_with_reach(arm.control(key))}[/dim]"
                for key in names
            ]
            table.add_row(escape(name), *pace, *cells, escape(arm.verdict))
    console.print(table)
    seeds, budget = result.arguments["seeds"], _budget(result)
    console.print(
        f"\n{budget}; {seeds} {'seed' if seeds == 1 else 'seeds'}, ± the reach of the 95 % interval over them."
    )
    console.print(
        "kNN of the first column, a linear probe of each, RankMe; below each the untrained encoder.", style="dim"
    )
    console.print("✓ the interval lies above that of the untrained encoder   ✗ it does not", style="dim")
    for name, arm in result.arms.items():
        if arm.reason:
            console.print(f"{name}: {arm.reason}", highlight=False, markup=False)


def _with_reach(score: Score) -> str:
    """A value and how far its interval reaches: "0.83 ±0.02"."""
    if score.low is None:
        return score.value_text
    reach = score.value - score.low
    return f"{score.value_text} ±{reach:.2f}" if score.value < 10 else f"{score.value_text} ±{reach:.1f}"


def _budget(result: StudyResult) -> str:
    arguments = result.arguments
    if arguments["views"] is not None:
        return f"{arguments['views']:,.0f} views a run"
    steps = ", ".join(f"{name} {arm.arm.steps:,} steps" for name, arm in result.arms.items() if arm.arm.steps)
    return f"{arguments['seconds']:g} seconds asked of each run, for which a warm-up gave {steps}"
