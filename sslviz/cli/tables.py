"""How do scores look in a terminal?  Each beside its interval and its strongest control, in 80 columns."""

from __future__ import annotations

from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from sslviz.diagnostics.result import CheckpointKey
from sslviz.evaluation.summary import sentence


def print_scores(results: dict[str, dict[str, Any]], sentences: list[str] | None = None) -> None:
    """A table of every score beside its interval and its strongest control, and a sentence for each run.

    The sentences are what one would say of diagnostics, unless they are given.
    """
    console = Console()
    for name, of_run in results.items():
        untold: set[str] = set()
        table = Table(title=escape(name), title_justify="left", title_style="bold", box=None, padding=(0, 1, 0, 0))
        for heading in ("score", "  value [95 %]", "control"):
            table.add_column(heading, no_wrap=True)
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
    for text in sentences or [sentence(name, of_run) for name, of_run in results.items()]:
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
