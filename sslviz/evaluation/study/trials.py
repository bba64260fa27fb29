"""The trainings of a study: every run measured once, and what was measured kept."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from sslviz.data import Images
from sslviz.evaluation.study.measure import measure, pace
from sslviz.evaluation.study.plan import Arm, runs_of
from sslviz.evaluation.study.table import untrained_name
from sslviz.runs import Checkpoint, Run
from sslviz.runtime.files import atomic_write
from sslviz.runtime.peak_memory import peak_memory
from sslviz.runtime.progress import progress_bar, watched

MEASURED = "measured.json"
FIRST_STEPS, TIMED_STEPS = (
    3,
    10,
)  # the first ones start threads and fill caches; ten more tell the rate to a few percent
ONLY_THE_LAST = 10**9  # epochs between two checkpoints or evaluations: none but the first and the last


@dataclass(frozen=True, eq=False)
class Trials:
    """How are the arms of one study trained and measured?

    - out: the folder of the study
    - train, watched: the pictures that are trained on, and those that a training is watched by
    - scored, fit: the pictures that are scored, and those that probes are fitted on
    - columns: what probes read
    - seeds: how many
    - precision: as of `pretrain`
    - measured: {run, or untrained encoder: numbers} so far; kept in a file that is replaced whole
    """

    out: Path
    train: Images
    watched: Images
    scored: Images
    fit: Images | None
    columns: Sequence[str]
    seeds: int
    precision: str
    measured: dict[str, dict[str, Any]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        path = self.out / MEASURED
        self.measured.update(json.loads(path.read_text()) if path.exists() else {})

    def timed(self, arm: Arm, seconds: float) -> Arm:
        """The arm with as many steps as it takes in so many seconds, by its rate in a run that is thrown away."""
        with TemporaryDirectory(prefix=".warm-up-", dir=self.out) as folder:
            for name, steps in (("first", FIRST_STEPS), ("timed", TIMED_STEPS)):
                run = self._pretrain(replace(arm, steps=steps), Path(folder) / name, 0, progress=False)
            steps = int(seconds * pace(run)["images_per_second"] / arm.batch_size)
        if not steps:
            raise ValueError(f"{arm.name} takes no step in the {seconds:g} s that --seconds allows.")
        return replace(arm, steps=steps)

    def measure_untrained(self, arms: Sequence[Arm], image_size: int) -> None:
        """Measures the encoders of all arms as they are before training, with every seed."""
        from sslviz.encoders import create_encoder

        for encoder in dict.fromkeys(arm.encoder for arm in arms if not arm.reason):
            spec = create_encoder(encoder, image_size=image_size).spec
            for seed in range(self.seeds):
                name = untrained_name(encoder, seed)
                if name not in self.measured:
                    self._keep(name, self._measure(Checkpoint(name, 0, spec, None, seed)))

    def train_all(self, arms: Sequence[Arm], progress: bool) -> None:
        """Trains and measures every run that was not yet measured, one after the other."""
        runs = list(runs_of(arms, self.seeds))
        total = sum(arm.rendered for arm, _ in runs)
        with progress_bar(f"study {self.out.name}", total, "views", shown=progress) as advance:
            for i, (arm, seed) in enumerate(runs):
                advance(0, note=f"run {i + 1} of {len(runs)}: {arm.run(seed)}")
                report = _reporter(advance, arm.rendered)
                if arm.run(seed) not in self.measured:
                    with watched(report):
                        self._keep(arm.run(seed), self._trial(arm, seed, progress))
                report("", 1.0)

    def _trial(self, arm: Arm, seed: int, progress: bool) -> dict[str, Any]:
        """Trains one run, or the rest of one that was interrupted, and measures it."""
        from sslviz.training.monitor import Diverged

        try:
            with peak_memory() as peak:
                run = self._pretrain(arm, self.out / arm.run(seed), seed, progress=progress)
                memory = peak()
        except Diverged as error:
            return {"failed": str(error)}
        return {**self._measure(run.last), **pace(run), "memory_gb": memory}

    def _pretrain(self, arm: Arm, out: Path, seed: int, *, progress: bool) -> Run:
        from sslviz.training.pretrain import pretrain

        rarely = {"eval_every": ONLY_THE_LAST, "checkpoint_every": ONLY_THE_LAST, "precision": self.precision}
        options: dict[str, Any] = {**arm.training, **rarely, "settings": arm.settings, "steps": arm.steps}
        options |= {"encoder": arm.encoder, "held_out": self.watched, "seed": seed, "resume": True}
        return pretrain(self.train, arm.method, out=out, progress=progress, **options)

    def _measure(self, checkpoint: Checkpoint) -> dict[str, Any]:
        return measure(checkpoint, self.scored, self.fit, self.columns)

    def _keep(self, name: str, numbers: dict[str, Any]) -> None:
        self.measured[name] = numbers
        with atomic_write(self.out / MEASURED) as file:
            file.write(json.dumps(self.measured, indent=1).encode())


def _reporter(advance: Callable[..., None], total: int) -> Callable[[str, float], None]:
    """Moves a bar by the share of `total` that is reported done."""
    done = 0

    def report(_: str, share: float) -> None:
        nonlocal done
        now = int(share * total)
        advance(now - done)
        done = now

    return report
