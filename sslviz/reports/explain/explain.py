"""What do these encoders go by, and is that to be believed?  Maps of each run, their evidence and their controls, kept."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from sslviz.data import Images
from sslviz.data.sampling import sample_rows
from sslviz.evaluation.diagnose import scored_and_fit
from sslviz.explanations.targets.question import row_of
from sslviz.runs import Checkpoint, Run

if TYPE_CHECKING:
    from sslviz.explanations.attention.attention import Attention
    from sslviz.explanations.attention.untargeted import Look
    from sslviz.explanations.attribution.attribution import Attribution
    from sslviz.explanations.faithfulness.faithfulness import Faithfulness

MEASURED = 16  # images that the evidence is measured on: an interval needs 8, and more say little more
STEPS = 16  # of deletion and insertion
PAIRED = "Sentences compare map and control image by image, which shows smaller differences than the intervals do."


@dataclass(frozen=True, eq=False)
class Explained:
    """What does one checkpoint go by?

    `maps` and `untrained` are the method's, of the checkpoint and of the same encoder re-initialised; `looks` where it
    looks without being asked about any number; `truth` the evidence for the maps, by the name of the method, and for
    each of the looks, by theirs.  `attention` is there for transformers; `note` says why it is not.
    """

    maps: Attribution
    untrained: Attribution
    looks: dict[str, Look]
    truth: dict[str, Faithfulness]
    attention: Attention | None
    note: str

    def results(self) -> dict[str, Any]:
        """All that has scores, by the name under which it is printed."""
        found: dict[str, Any] = {self.maps.method: self.maps}
        found |= {f"faithfulness of {name}": truth for name, truth in self.truth.items()}
        return found | ({"attention": self.attention} if self.attention else {})

    def sentence(self, name: str) -> str:
        """What may be said of it in one sentence?"""
        method = self.maps.method.replace("_", " ")
        return f"{name}: {method}, explaining {self.maps.target}: {self.truth[self.maps.method].verdict}."


def explain(
    runs: Sequence[Run],
    images: Images,
    *,
    method: str = "integrated_gradients",
    target: str | None = None,
    everything: Images | None = None,
    seed: int = 0,
    progress: bool = True,
) -> dict[str, Explained]:
    """What do the last checkpoints of these runs go by, on these images, and is it to be believed?

    Returns {run: Explained}.  `target` is "self", "self_cosine", "loss", "unit:N", "component:N", "similarity:ID" (of an
    image of `everything`, by default `images`) or "COLUMN=VALUE" of its table (near those images and not the others).
    Every finished map is kept in its run folder and read from there the next time.  ValueError for two runs of one
    name, and for what `attribute` refuses.
    """
    from sslviz.runtime.progress import progress_bar, watched

    if len({run.name for run in runs}) < len(runs):
        raise ValueError(
            f"Runs are told apart by name, but two are called the same: {', '.join(r.name for r in runs)}."
        )
    found = {}
    with progress_bar("explaining", len(runs), "runs", shown=progress) as advance:
        for run in runs:

            def tell(title: str, share: float, name: str = run.name) -> None:
                advance(0, note=f"{name}: {title} {share:.0%}")

            with watched(tell):
                found[run.name] = _explained(run, images, method, target, everything or images, seed)
            advance()
    return found


def chosen(images: Images, ids: Sequence[str] = (), *, most: int = MEASURED) -> tuple[Images, list[int] | None]:
    """Which images are measured, and the numbers of those to show?  (None: any.)

    `ids` if there are any, and others to make up `most`, so that what is said does not hang on a few; of a table with
    splits the others are those that are scored.  ValueError for an id that is not there.
    """
    first = [row_of(images, id_) for id_ in dict.fromkeys(ids)]
    scored, _ = scored_and_fit(images)
    where = {id_: row for row, id_ in enumerate(images.ids)}
    others = [where[id_] for id_ in scored.ids[sample_rows(len(scored), most)] if where[id_] not in first]
    rows = np.array(first + others[: max(0, most - len(first))])
    return images.rows(rows), list(range(len(first))) or None


def _explained(run: Run, images: Images, method: str, target: str | None, everything: Images, seed: int) -> Explained:
    from sslviz.explanations.attribution.attribution import attribute
    from sslviz.explanations.cache import kept
    from sslviz.explanations.faithfulness.faithfulness import faithfulness
    from sslviz.explanations.targets.from_images import target_from_text

    checkpoint, blank = run.last, run.last.untrained()
    asked = target_from_text(target, checkpoint, images, everything)
    maps = kept(run, attribute, checkpoint, images, method=method, target=asked, seed=seed)
    asked_blank = target_from_text(target, blank, images, everything)
    untrained = kept(run, attribute, blank, images, method=method, target=asked_blank, seed=seed)
    # What is watched while pixels go: the number explained, or how near the features stay to themselves.
    measured = "cosine" if asked is None or isinstance(asked, str) else asked

    def evidence(one: Any, control: np.ndarray) -> Faithfulness:
        controls = {"untrained": control}
        return kept(
            run, faithfulness, one, checkpoint, images, target=measured, steps=STEPS, controls=controls, seed=seed
        )

    truth = {method: evidence(maps, untrained.maps)}
    attention, looks, note = _looks(run, checkpoint, images)
    truth |= {name: evidence(look, look.untrained) for name, look in looks.items()}
    return Explained(maps, untrained, looks, truth, attention, note)


def _looks(run: Run, checkpoint: Checkpoint, images: Images) -> tuple[Attention | None, dict[str, Look], str]:
    """Attention of a transformer; of any other encoder with a grid its activations; and why there is no attention."""
    from sslviz.explanations.attention.attention import attention
    from sslviz.explanations.attention.capture import capture_attention
    from sslviz.explanations.attention.untargeted import ACTIVATIONS, activation, of_attention
    from sslviz.explanations.cache import kept

    try:
        with capture_attention(checkpoint.encoder()):
            pass
    except ValueError as error:
        note = str(error)
    else:
        found = kept(run, attention, checkpoint, images)
        return found, of_attention(found), ""
    try:
        return None, {name: kept(run, activation, checkpoint, images, method=name) for name in ACTIVATIONS}, note
    except ValueError as error:  # an encoder that ends in no grid still has its attribution
        return None, {}, f"{note} {error}"
