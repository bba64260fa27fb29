"""Draws of a few labelled images: stratified, nested from few labels to many, and without overlap where there is room."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from sslviz.statistics import group_sizes


def label_draws(
    codes: np.ndarray, shots: Sequence[int], draws: int, seed: int, groups: np.ndarray | None = None
) -> dict[int, np.ndarray]:
    """The rows that are labelled when k of each class are: {k: (draws, classes * k) row numbers}, class by class.

    - codes: class of each row, 0 to classes - 1, (n,)
    - shots: the numbers k; those that the smallest class cannot fill are not in the answer
    - draws: how often it is drawn
    - groups: which rows show one object, (n,); then a draw holds at most one row of each object

    The images of a class are dealt to the draws like cards, one at a time.  So the k rows of a draw are among its rows
    for every larger k.  No two draws share a row as long as the class has draws * k of them.  Beyond that a draw goes
    on with rows of the others.  ValueError for shots or draws that are not whole positive numbers, and where no shot is
    left.
    """
    shots = _checked(shots, draws)
    rng = np.random.default_rng(seed)
    units = _units(codes, groups, rng)
    smallest = int(np.argmin([len(of_class) for of_class in units]))
    most = len(units[smallest])
    dealt = [_dealt(of_class, shots[-1], draws, rng) for of_class in units]
    if shots[0] > most:
        raise ValueError(
            f"{shots[0]} labels a class cannot be drawn, as class number {smallest} has {most} images to draw from; "
            "ask for fewer labels, or give more images."
        )
    return {
        k: np.array([np.concatenate([hands[draw][:k] for hands in dealt]) for draw in range(draws)])
        for k in shots
        if k <= most
    }


def unfilled(
    codes: np.ndarray, units: np.ndarray | None, asked: Sequence[int], drawn: Sequence[int], classes: np.ndarray, n: int
) -> dict[str, int]:
    """{why a number of labels is left out: the n images that are not scored at it}, of numbers that nobody can draw."""
    counts = group_sizes(codes, units)
    why = f"as {classes[counts.argmin()]} has {counts.min()} to draw from"
    return {f"at {k} labels a class, {why}": n for k in sorted({*asked} - {*drawn})}


def _checked(shots: Sequence[int], draws: int) -> list[int]:
    """The shots in their order, each once."""
    numbers = [*shots]
    if not numbers or any(isinstance(k, bool) or k != int(k) or k < 1 for k in numbers):
        raise ValueError(f"Shots are whole numbers of labels a class, each at least 1, such as (1, 5); got {numbers}.")
    if draws != int(draws) or draws < 1:
        raise ValueError(f"At least one draw of labels is needed; got draws={draws}.")
    return sorted({int(k) for k in numbers})


def _units(codes: np.ndarray, groups: np.ndarray | None, rng: np.random.Generator) -> list[list[np.ndarray]]:
    """For each class what can be drawn: the rows of one object, of which a draw takes one.

    An object that was met in several classes is drawn for one of them, the one with the fewest objects so far.
    """
    classes = int(codes.max()) + 1
    if groups is None:
        return [[np.array([row]) for row in np.flatnonzero(codes == c)] for c in range(classes)]
    order = np.argsort(groups, kind="stable")
    objects = np.split(order, np.flatnonzero(np.diff(np.unique(groups, return_inverse=True)[1][order])) + 1)
    order = rng.permutation(len(objects))
    order = order[np.argsort([len(np.unique(codes[objects[i]])) > 1 for i in order], kind="stable")]
    units: list[list[np.ndarray]] = [[] for _ in range(classes)]
    for i in order:  # those of a single class first, so that the others can fill the gaps
        rows = objects[i]
        c = min(np.unique(codes[rows]), key=lambda c: len(units[c]))
        units[c].append(rows[codes[rows] == c])
    return units


def _dealt(units: list[np.ndarray], most: int, draws: int, rng: np.random.Generator) -> list[np.ndarray]:
    """The rows of one class in the order in which each draw takes them, `most` at the most: one of every unit."""
    deck = rng.permutation(len(units))
    sizes = np.array([len(rows) for rows in units])
    starts, rows = np.cumsum(sizes) - sizes, np.concatenate(units) if units else np.zeros(0, int)
    hands = []
    for draw in range(draws):
        own = np.zeros(len(deck), bool)
        own[draw::draws] = True
        order = np.concatenate([deck[own], rng.permutation(deck[~own])])[:most]
        hands.append(rows[starts[order] + rng.integers(sizes[order])])
    return hands
