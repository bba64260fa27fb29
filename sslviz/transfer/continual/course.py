"""The course: tasks taught one after another to copies of one encoder, and what is right after each."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

from sslviz.diagnostics.probes.standardization import standardization
from sslviz.diagnostics.result import pictures_of
from sslviz.features import Features
from sslviz.features.embed import embed_pixels, feature_source, to_device
from sslviz.runs import Checkpoint
from sslviz.transfer.continual.heads import Head, Space, fitted_head, linear_cka
from sslviz.transfer.continual.learner import Learner, Penalty, learn
from sslviz.transfer.continual.remedies import (
    DISTILLATION_STRENGTH,
    EWC_STRENGTH,
    FISHER_PICTURES,
    MEMORY,
    Reservoir,
    fisher_diagonal,
    held_features,
    held_weights,
)
from sslviz.transfer.continual.tasks import Lesson


class Stage(NamedTuple):
    """What a learner makes of all tasks at one time.

    - scored: its features of the scored pictures, (n, d)
    - heads: of each task, fitted to its features as they are
    - right: whether each scored picture is read rightly by its task's own head, (n,); NaN without a head
    - refitted: the same by the fitted heads, (n,) bool
    """

    scored: np.ndarray
    heads: list[Head]
    right: np.ndarray
    refitted: np.ndarray


class Course:
    """The tasks, the checkpoint they start from, and how long each is taught.

    - fit, scored: pictures of all tasks
    - start: the learner before any training
    """

    def __init__(
        self, checkpoint: Checkpoint, fit: Lesson, scored: Lesson, tasks: list[list[str]], steps: int, seed: int
    ) -> None:
        self.checkpoint, self.fit, self.scored = checkpoint, fit, scored
        self.tasks, self.steps, self.seed = tasks, steps, seed
        encoder = to_device(checkpoint.encoder())
        first = standardization(embed_pixels(encoder, fit.images.pixels[fit.of_task(0)]))
        self.start = Learner(encoder, first.center, first.scale, tasks)

    def teach(self, learner: Learner, task: int, head: Head, advance: Callable[..., None], **given: Any) -> Stage:
        """Trains on one task, whose own head begins as this one."""
        learner.set_head(task, head)
        rng = np.random.default_rng([self.seed, task])  # every way is taught in the same order
        learn(learner, self.fit, self.fit.of_task(task), self.steps, rng, advance=advance, **given)
        return self.stage(learner, task)

    def stage(self, learner: Learner, task: int = -1) -> Stage:
        """What is right by own heads up to this task, none by default, and by heads fitted again."""
        own = [learner.head(t) if t <= task else None for t in range(len(self.tasks))]
        return self.read(learner.space(self.fit, self.scored), own)

    def read(self, space: Space, own: Sequence[Head | None]) -> Stage:
        """The stage of a space, with the heads that the learner has of its own."""
        right, again = np.full(len(self.scored.task), np.nan), np.zeros(len(self.scored.task), bool)
        heads, units = [], self.fit.images.units
        for t, head in enumerate(own):
            rows, fit_rows = self.scored.of_task(t), self.fit.of_task(t)
            heads.append(
                fitted_head(
                    space.fit[fit_rows], self.fit.code[fit_rows], self.seed, None if units is None else units[fit_rows]
                )
            )
            again[rows] = heads[t].read(space.scored[rows]) == self.scored.code[rows]
            if head is not None:
                right[rows] = head.read(space.scored[rows]) == self.scored.code[rows]
        return Stage(space.scored, heads, right, again)

    def in_sequence(self, way: str, first: Learner, begun: Stage, advance: Callable[..., None]) -> Iterator[Stage]:
        """The stages after each task; `first` and `begun` are the learner and its stage after the first."""
        learner, stage = copy.deepcopy(first), begun
        rng = np.random.default_rng([self.seed, len(self.tasks)])
        memory, held = Reservoir(MEMORY, rng), list[Penalty]()
        yield stage
        for task in range(1, len(self.tasks)):
            given: dict[str, Any] = {}
            if way == "replay":
                memory.add(rng.permutation(self.fit.of_task(task - 1)))
                given = {"replayed": memory.rows}
            elif way == "ewc":
                held.append(self.weights_held(learner, task - 1, rng))
                given = {"penalties": tuple(held)}
            elif way == "distillation":
                given = {"penalties": (held_features(learner, DISTILLATION_STRENGTH),)}
            stage = self.teach(learner, task, stage.heads[task], advance, **given)
            yield stage

    def weights_held(self, learner: Learner, task: int, rng: np.random.Generator) -> Penalty:
        """EWC's penalty for a task that was just learnt."""
        rows = rng.permutation(self.fit.of_task(task))[:FISHER_PICTURES]
        weights = dict(learner.encoder.named_parameters())

        def logits(x: Any) -> Any:
            return learner.heads[task](learner.features(x))

        x = learner.inputs(self.fit.images.pixels[np.sort(rows)])
        return held_weights(weights, fisher_diagonal(logits, weights, x, rng), EWC_STRENGTH)

    def jointly(self, before: Stage, advance: Callable[..., None]) -> Stage:
        """The stage after all tasks were taught together, for as many steps as they take one after another."""
        learner = copy.deepcopy(self.start)
        for task, head in enumerate(before.heads):
            learner.set_head(task, head)
        rng, every = np.random.default_rng([self.seed, 0]), np.arange(len(self.fit.task))
        learn(learner, self.fit, every, self.steps * len(self.tasks), rng, advance=advance)
        return self.stage(learner, len(self.tasks) - 1)

    def untrained(self) -> Stage:
        """The stage of the same encoder with fresh random weights."""
        fresh = self.checkpoint.untrained(seed=int(self.checkpoint.path is None and self.checkpoint.seed == 0))
        encoder = to_device(fresh.encoder())
        space = Space(*(embed_pixels(encoder, one.images.pixels) for one in (self.fit, self.scored)))
        return self.read(space, [None] * len(self.tasks))

    def run(self, ways: list[str], advance: Callable[..., None]) -> dict[str, Any]:
        """All ways, joint training and the encoders that are not trained further: the fields of `Continual`."""
        before, first = self.stage(self.start), copy.deepcopy(self.start)
        begun = self.teach(first, 0, before.heads[0], advance)  # the first task is learnt in the same way by all
        stages = {way: list(self.in_sequence(way, first, begun, advance)) for way in ways}
        joint, fresh = self.jointly(before, advance), self.untrained()
        rows = self.scored.of_task(0)

        def alike(stage: Stage) -> float:
            return linear_cka(begun.scored[rows], stage.scored[rows])

        return {
            "right": {way: np.array([stage.right for stage in found]) for way, found in stages.items()},
            "refitted": {way: np.array([stage.refitted for stage in found]) for way, found in stages.items()},
            "frozen": before.refitted,
            "untrained": fresh.refitted,
            "joint": joint.right.astype(bool),
            "joint_refitted": joint.refitted,
            "drift": {way: np.array([alike(stage) for stage in found]) for way, found in stages.items()},
            "untrained_drift": alike(fresh),
            **self.pictures(),
        }

    def pictures(self) -> dict[str, Any]:
        """The fields of `Fitted`."""
        both = (self.scored.images, self.fit.images)
        nothing = (np.zeros((len(images), 1)) for images in both)
        sources = (feature_source(self.checkpoint, images, "pooled") for images in both)
        return pictures_of(
            *(
                Features(x, im.ids, im.table, source, im.group)
                for x, im, source in zip(nothing, both, sources, strict=True)
            )
        )
