"""Streams in which images of a target come, and what a head reads of each, adapted in one way or another."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from sslviz.features.columns import place_in_class
from sslviz.statistics import MIN_PER_CLASS
from sslviz.transfer.adapting import TENT_BATCH, Source, batches, by_coral, by_statistics, by_tent, histogram_entropy
from sslviz.transfer.two_domains import Head, Space, TwoDomains, fitted_head

NONE, TRAINED_THERE = "none", "head fitted on the target"
STREAMS = ("balanced", "label_shift", "class_sorted")  # in which the images of the target come
ONE_CLASS = 0.85  # of the images in a stream with label shift
SORTED_BATCH = 128  # images that are adapted together where they come class by class
MAJORITIES = 10  # classes at most that are the most frequent one in turn: a readout that says one class wins in one

Streams = dict[str, list[np.ndarray]]  # rows of the target in the order in which they come, of one or several streams


def target_streams(truth: np.ndarray, seed: int) -> Streams:
    """The rows of each stream; no image comes twice in one."""
    place, counts = place_in_class(truth, seed), np.bincount(truth)
    rng = np.random.default_rng(seed)
    balanced = rng.permutation(np.flatnonzero(place < max(counts.min(), MIN_PER_CLASS)))
    shifted = []
    for one in rng.permutation(len(counts))[:MAJORITIES]:
        members, others = (rng.permutation(np.flatnonzero(rows)) for rows in (truth == one, truth != one))
        n = min(len(members) / ONE_CLASS, len(others) / (1 - ONE_CLASS))
        stream = [members[: max(1, round(n * ONE_CLASS))], others[: max(1, round(n * (1 - ONE_CLASS)))]]
        shifted.append(rng.permutation(np.concatenate(stream)))
    by_class = np.argsort(truth[balanced], kind="stable")
    return {"balanced": [balanced], "label_shift": shifted, "class_sorted": [balanced[by_class]]}


def read_streams(
    two: TwoDomains, space: Space, streams: Streams, ways: Sequence[str], seed: int
) -> tuple[dict[str, dict[str, np.ndarray]], dict[str, dict[str, float]]]:
    """Whether each image of each stream is read rightly, and the entropy of the answers' histogram, by each way."""
    head, there = (fitted_head(images, two.label, seed) for images in (space.fitted, space.target_fitted))
    source, truth, x = Source(space.fitted.x), two.codes(space.target_scored), space.target_scored.x
    correct: dict[str, dict[str, np.ndarray]] = {stream: {} for stream in streams}
    histogram: dict[str, dict[str, float]] = {stream: {} for stream in streams}
    for stream, parts in streams.items():
        for way in ways:
            read = [_logits(way, x[rows], source, head, stream).argmax(axis=1) for rows in parts]
            right = [head.classes[a] == two.classes[truth[r]] for a, r in zip(read, parts, strict=True)]
            correct[stream][way] = _in_order(right, parts, streams["balanced"][0], stream)
            histogram[stream][way] = float(np.mean([histogram_entropy(a, len(head.classes)) for a in read]))
        right = [there.correct(x[rows], truth[rows], two.classes) for rows in parts]
        correct[stream][TRAINED_THERE] = _in_order(right, parts, streams["balanced"][0], stream)
    return correct, histogram


def _in_order(right: list[np.ndarray], parts: list[np.ndarray], balanced: np.ndarray, stream: str) -> np.ndarray:
    """All streams of one kind, one after the other; the images that came class by class in the order of the balanced ones."""
    whole = np.concatenate(right)
    if stream != "class_sorted":
        return whole
    return whole[np.argsort(parts[0])][np.argsort(np.argsort(balanced))]


def _logits(way: str, x: np.ndarray, source: Source, head: Head, stream: str) -> np.ndarray:
    """The head's logits of a stream of rows, adapted; of all of them at once, or a batch at a time where sorted."""
    if way == NONE:
        return head.logits(x)
    batch = SORTED_BATCH if stream == "class_sorted" else len(x)
    if way == "tent":
        return by_tent(x, source, head, batch=min(batch, TENT_BATCH))
    adapted = {"statistics": by_statistics, "coral": by_coral}[way]
    return head.logits(np.concatenate([adapted(rows, source) for rows in batches(x, batch)]))
