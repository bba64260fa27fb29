"""Inquiry: what is asked of checkpoints on which images, the evidence for it, and how much of it is yet to be computed."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from sslviz.catalog import Entry
from sslviz.data import Images
from sslviz.diagnostics.result import ResultKey
from sslviz.evaluation.answers import DEFAULT_LAYOUT, Columns, storage_key
from sslviz.evaluation.pace import measured_pace
from sslviz.evaluation.questions import Questions
from sslviz.evaluation.workload import Workload, answer_seconds
from sslviz.features.diagnosed import read_evidence, recorded_pairs
from sslviz.features.evidence import Evidence, asked_stimuli
from sslviz.features.passes import Passes, Place, drawing_seconds, stimulus_passes
from sslviz.runs import Checkpoint, Run
from sslviz.runtime.memory_cache import MemoryCache


@dataclass(frozen=True, eq=False)
class Inquiry:
    """What is asked of checkpoints.

    - images, fit, target: those scored, those fitted on and those of another domain, or None
    - questions: of which columns
    - stimuli: what encoders are shown on request
    - attributes: whether further controls are asked for
    - expected_pairs: {"label~attribute": {class: value}}
    - layout: by which method maps are laid out
    - precision: in which encoders are to look, as of `embed`
    - drawn: pictures that were drawn for one checkpoint, for those that come after it
    """

    images: Images
    fit: Images | None
    target: Images | None
    questions: Questions
    stimuli: Collection[str]
    attributes: bool
    expected_pairs: Mapping[str, Mapping[str, str]]
    layout: str = DEFAULT_LAYOUT
    precision: str = "auto"
    drawn: MemoryCache = field(default_factory=lambda: MemoryCache(0))

    def gather(self, run: Run, checkpoint: Checkpoint) -> Evidence:
        """The evidence of a checkpoint: embedded, or read where it is stored."""
        from sslviz.features.stored import gather

        return gather(
            run,
            checkpoint,
            self.images,
            self.fit,
            requested=self.stimuli,
            attributes=self.attributes,
            expected_pairs=self.expected_pairs,
            target=self.target,
            precision=self.precision,
            drawn=self.drawn,
        )

    def in_turn(
        self, first: tuple[str, Evidence] | None
    ) -> Iterator[tuple[Entry, Columns, ResultKey, Evidence | None]]:
        """(entry, columns, key of the result, evidence of the other checkpoint) of all that one checkpoint is asked.

        - first: name and evidence of the checkpoint that this one is compared with; None: it is the first
        """
        for entry, columns in self.questions.of_checkpoints:
            yield entry, columns, ResultKey(entry.name, columns), None
        if first is not None:
            for entry in self.questions.of_pairs:
                yield entry, (), ResultKey(entry.name, (first[0],)), first[1]

    def workloads(self, checkpoints: Iterable[tuple[str, Run, Checkpoint]]) -> dict[str, Workload]:
        """{checkpoint: what has yet to be computed of it}; only a pace that is not known yet is measured.

        Where pictures have yet to be shown, all answers count as to be computed: what they are stored under depends on
        the features.
        """
        asked = list(asked_stimuli(self.images, self.fit, self.target, self.stimuli, self.attributes))
        written: set[Place] = set()
        found: dict[str, Workload] = {}
        first: tuple[str, Evidence] | None = None
        drawn = 0.0  # seconds that drawing takes for those before, which draw it for this one too
        for name, run, checkpoint in checkpoints:
            shown = [
                (one, pictures, [*stimulus_passes(run, checkpoint, one, pictures, encoders, written, self.precision)])
                for one, pictures, encoders in asked
            ]
            passes = [one for *_, of_one in shown for one in of_one]
            evidence = None if any(one.pictures for one in passes) else self._read(run, checkpoint)
            work = self._workload(run, passes, evidence, first, compared=bool(found))
            drawing = sum(drawing_seconds(*one) for one in shown)
            found[name] = replace(work, drawing=max(0.0, drawing - drawn))
            drawn = max(drawn, drawing)
            first = first or (None if evidence is None else (name, evidence))
        return found

    def is_stored(
        self, run: Run, entry: Entry, evidence: Evidence, columns: Columns, other: Evidence | None = None
    ) -> bool:
        """Whether the answer would only be read."""
        return run.result_path(storage_key(entry, evidence, columns, other=other, layout=self.layout)).exists()

    def seconds(
        self, run: Run, entry: Entry, evidence: Evidence, columns: Columns, other: Evidence | None = None
    ) -> float:
        """About how long the answer takes; 0 where it is stored or cannot be had."""
        if self.is_stored(run, entry, evidence, columns, other) or not _can_be_had(entry, evidence):
            return 0.0
        return answer_seconds(entry, self._n, evidence.features.x.shape[1])

    @property
    def _n(self) -> int:
        return len(self.images) + (0 if self.fit is None else len(self.fit))

    def _workload(
        self,
        run: Run,
        passes: Sequence[Passes],
        evidence: Evidence | None,
        first: tuple[str, Evidence] | None,
        *,
        compared: bool,
    ) -> Workload:
        """What one checkpoint takes; without evidence nothing of it is stored."""
        if evidence is None:
            pace = measured_pace(run, self.images, self.precision)
            entries = [entry for entry, _ in self.questions.of_checkpoints]
            entries += self.questions.of_pairs if compared else []
            statistics = sum(answer_seconds(entry, self._n, pace.width) for entry in entries)
            forward = sum(one.pictures for one in passes)
            at_most = sum(one.pictures for one in passes if one.at_most)
            return Workload(forward, 0, pace.seconds(forward), len(entries), statistics, at_most=at_most)
        asked = [one for one in self.in_turn(first) if _can_be_had(one[0], evidence)]
        costs = [self.seconds(run, entry, evidence, columns, other) for entry, columns, _, other in asked]
        return Workload(answers=sum(map(bool, costs)), statistics=sum(costs), stored=costs.count(0.0))

    def _read(self, run: Run, checkpoint: Checkpoint) -> Evidence:
        """The evidence, all of which is stored."""
        pairs = {**recorded_pairs(run, self.images.digest), **self.expected_pairs}
        digests = {name: None if of is None else of.digest for name, of in (("fit", self.fit), ("target", self.target))}
        recorded = {**digests, "expected_pairs": pairs, "attributes": self.attributes}
        return read_evidence(run, checkpoint, self.images.digest, recorded).grouped_by(self.images.group)


def _can_be_had(entry: Entry, evidence: Evidence) -> bool:
    """Whether there is all that the entry looks at."""
    return all(evidence.given(name) is not None for name in entry.inputs)
