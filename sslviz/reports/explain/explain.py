"""Explanations of runs: maps of the last checkpoint of each, their evidence and their controls, cached in its folder."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from sslviz.data import Images
from sslviz.data.sampling import sample_rows
from sslviz.evaluation.questions import scored_and_fit
from sslviz.evaluation.workload import Workload
from sslviz.explanations.targets.question import row_of
from sslviz.reports.explain.expected_passes import evidence_parameters, explain_workload
from sslviz.runs import Checkpoint, Run

if TYPE_CHECKING:
    from sslviz.explanations.attention.attention_result import Attention
    from sslviz.explanations.attention.untargeted import Look
    from sslviz.explanations.attribution.attribution import Attribution
    from sslviz.explanations.faithfulness.faithfulness import Faithfulness

MEASURED = 16  # images that the evidence is measured on: an interval needs 8, and more say little more; see `chosen`
PAIRED = "Sentences compare map and control image by image, which shows smaller differences than the intervals do."


@dataclass(frozen=True, eq=False)
class Explained:
    """What one checkpoint goes by.

    - maps: of the checkpoint, by the method
    - untrained: the same of the encoder re-initialised
    - untargeted: where it attends or answers, of no number in particular, {method: Look}
    - faithfulness: the evidence for the maps, by the name of the method, and for each of `untargeted`, by theirs
    - attention: of transformers, else None
    - no_attention: why there is none
    """

    maps: Attribution
    untrained: Attribution
    untargeted: dict[str, Look]
    faithfulness: dict[str, Faithfulness]
    attention: Attention | None
    no_attention: str

    def results(self) -> dict[str, Any]:
        """All that has scores, by the name under which it is printed."""
        results: dict[str, Any] = {self.maps.method: self.maps}
        results |= {f"faithfulness of {name}": result for name, result in self.faithfulness.items()}
        return results | ({"attention": self.attention} if self.attention else {})

    def sentence(self, name: str) -> str:
        """What may be said of it in one sentence."""
        method = self.maps.method.replace("_", " ")
        return f"{name}: {method}, explaining {self.maps.target}: {self.faithfulness[self.maps.method].verdict}."


def explain(
    runs: Sequence[Run],
    images: Images,
    *,
    method: str = "integrated_gradients",
    target: str | None = None,
    everything: Images | None = None,
    precision: str = "auto",
    seed: int = 0,
    progress: bool = True,
) -> dict[str, Explained]:
    """What do the last checkpoints of these runs go by, on these images, and is it to be believed?

    Returns {run: Explained}.  `target` is a text as `question_in_text` reads it; the images and columns that it names are
    those of `everything`, by default `images`.  `precision` is that of the evidence, which only looks, as of `embed`; maps
    take gradients, which are in float32.  Every finished result is stored in its run folder and read from there the next
    time.  ValueError for two runs of one name, and for what `attribute` refuses.
    """
    from sslviz.runtime.progress import say, watched, weighted_bar

    if len({run.name for run in runs}) < len(runs):
        raise ValueError(
            f"Runs are told apart by name, but two are called the same: {', '.join(r.name for r in runs)}."
        )
    among = everything or images
    asked: dict[str, Any] = {"method": method, "target": target, "everything": among}
    asked |= {"precision": precision, "seed": seed}
    work = {run.name: explain_workload(run, images, **asked) for run in runs} if progress else {}
    total = sum(work.values(), Workload())
    if progress:
        say(total.line)
    explained = {}
    with weighted_bar("explaining", total.seconds, shown=progress) as step:
        for run in runs:
            with step(run.name, work.get(run.name, Workload()).seconds) as tell:

                def report(title: str, share: float, name: str = run.name) -> None:
                    tell(f"{name}: {title} {share:.0%}")

                with watched(report):
                    explained[run.name] = _explained(run, images, **asked)
    return explained


def chosen(images: Images, ids: Sequence[str] = (), *, most: int = MEASURED) -> tuple[Images, list[int] | None]:
    """The images that are measured, and the numbers of those to show (None: any).

    `ids` if there are any, and others to make up `most`, so that what is said does not hang on a few.  Of a table with
    splits the others are those that are scored.  ValueError for an id that is not there.

    No rule stops the evidence before all of them are measured.  Counted for an audit of 1,610 pictures by
    EfficientNet-Lite0, 50 of them corrupted: 5,248 of 23,088 forward passes explain, 328 a picture, and 1,088 take a
    gradient.  Had all maps stopped at 8 pictures, 11 % of the passes were saved, 15 % with a gradient as two more; of 500
    pictures 14 % and 18 %.  And a stop at 8 is no valid one: a bootstrap interval of 8 normal numbers holds their mean in
    0.88 of draws, of 16 in 0.94; of exponential ones in 0.80 and 0.88.
    """
    first = [row_of(images, id_) for id_ in dict.fromkeys(ids)]
    scored, _ = scored_and_fit(images)
    where = {id_: row for row, id_ in enumerate(images.ids)}
    others = [where[id_] for id_ in scored.ids[sample_rows(len(scored), most)] if where[id_] not in first]
    rows = np.array(first + others[: max(0, most - len(first))])
    return images.rows(rows), list(range(len(first))) or None


def _explained(
    run: Run, images: Images, *, method: str, target: str | None, everything: Images, precision: str, seed: int
) -> Explained:
    from sslviz.explanations.attribution.attribution import attribute
    from sslviz.explanations.cache import cached_result
    from sslviz.explanations.faithfulness.encoder_measures import PerturbedAnswers
    from sslviz.explanations.faithfulness.faithfulness import faithfulness
    from sslviz.explanations.targets.from_images import target_from_text

    checkpoint, blank = run.last, run.last.untrained()
    own, of_blank = (target_from_text(target, one, images, everything, precision) for one in (checkpoint, blank))
    maps = cached_result(run, attribute, checkpoint, images, method=method, target=own, seed=seed)
    untrained = cached_result(run, attribute, blank, images, method=method, target=of_blank, seed=seed)

    answers = PerturbedAnswers(checkpoint, images, precision)

    def measure(maps: Any, control: np.ndarray) -> Faithfulness:
        asked = evidence_parameters(own, control, precision, seed)
        return cached_result(run, faithfulness, maps, checkpoint, images, answers=answers, **asked)

    measured = {method: measure(maps, untrained.maps)}
    attention, untargeted, no_attention = _untargeted(run, checkpoint, images)
    measured |= {name: measure(result, result.untrained) for name, result in untargeted.items()}
    return Explained(maps, untrained, untargeted, measured, attention, no_attention)


def _untargeted(run: Run, checkpoint: Checkpoint, images: Images) -> tuple[Attention | None, dict[str, Look], str]:
    """Attention of a transformer; of any other encoder with a grid its activations; and why there is no attention."""
    from sslviz.explanations.attention.attention import attention
    from sslviz.explanations.attention.capture import capture_attention
    from sslviz.explanations.attention.untargeted import ACTIVATIONS, activation, untargeted_attention
    from sslviz.explanations.cache import cached_result

    try:
        with capture_attention(checkpoint.encoder()):
            pass
    except ValueError as error:
        reason = str(error)
    else:
        result = cached_result(run, attention, checkpoint, images)
        return result, untargeted_attention(result), ""
    try:
        activations = {name: cached_result(run, activation, checkpoint, images, method=name) for name in ACTIVATIONS}
    except ValueError as error:  # an encoder that ends in no grid still has its attribution
        return None, {}, f"{reason} {error}"
    return None, activations, reason
