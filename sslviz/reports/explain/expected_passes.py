"""How maps are measured, and how many pictures `explain` will show to encoders for it, counted before it does."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from sslviz.data import Images
from sslviz.evaluation.pace import measured_pace
from sslviz.evaluation.workload import Workload
from sslviz.explanations.passes import Passes
from sslviz.runs import Run

if TYPE_CHECKING:
    from sslviz.encoders import Encoder
    from sslviz.explanations.targets.targets import Target


STEPS = 8  # of deletion and insertion


def evidence_parameters(
    target: str | Target | None, control: np.ndarray, precision: str = "auto", seed: int = 0
) -> dict[str, Any]:
    """How maps are measured: on the number explained, or else on how near the features stay to themselves."""
    similarity = "cosine" if target is None or isinstance(target, str) else target
    beside = {"control_maps": {"untrained": control}, "precision": precision, "seed": seed}
    return {"target": similarity, "steps": STEPS, **beside}


def explain_passes(
    run: Run,
    images: Images,
    *,
    method: str = "integrated_gradients",
    target: str | None = None,
    everything: Images | None = None,
    precision: str = "auto",
    seed: int = 0,
) -> Passes:
    """About how many pictures go through the run's encoder and its control for `explain` with these arguments?

    Exactly as many, but for the few by which an encoder is checked, and for what depends on the pictures: the steps of
    integrated gradients, and the patches of a transformer that stand out.  What lies in the run folder is left out.  Where
    the number explained compares with other images, what lies there cannot be told before these are embedded, and all is
    counted.  ValueError as for `explain`.
    """
    import torch

    from sslviz.explanations.attribution.attribution import attribute
    from sslviz.explanations.attribution.methods import attribution_passes
    from sslviz.explanations.targets.from_images import target_from_text, text_passes
    from sslviz.explanations.targets.targets import Target, unit

    among = images if everything is None else everything
    encoder, compared = run.last.encoder(), text_passes(target, images, among)
    # Of a number that compares, any other that embeds nothing stands in: it takes as many passes.
    explained = unit(0) if compared.forward else target_from_text(target, run.last, images, among, precision)
    if isinstance(explained, Target) and not explained.references:
        explained.value(torch.zeros(1, encoder.dim))  # says whether there is such a number before anything is announced
    expected = attribution_passes(method, images, encoder, target=explained)
    count = _Count(run, encoder, images, explained, precision, seed)
    maps = [
        count.result(
            expected, attribute, checkpoint, known=not compared.forward, method=method, target=explained, seed=seed
        )
        for checkpoint in (run.last, run.last.untrained())
    ]
    count.evidence(maps[0], maps[1] and maps[1].maps, encoder.image_size**2)
    _count_untargeted(count)
    return 2 * compared + count.passes


def explain_workload(run: Run, images: Images, **asked: Any) -> Workload:
    """How much `explain` has yet to compute with these arguments, and about how long that takes."""
    passes = explain_passes(run, images, **asked)
    if not passes.forward:
        return Workload()
    seconds = measured_pace(run, images, asked.get("precision", "auto")).seconds(passes.answers)
    return Workload(passes.forward, passes.backward, seconds)


class _Count:
    """What is stored is read; of what is not, the passes are added up."""

    def __init__(
        self, run: Run, encoder: Encoder, images: Images, target: str | Target | None, precision: str, seed: int
    ) -> None:
        self.run, self.encoder, self.images, self.target = run, encoder, images, target
        self.precision, self.seed = precision, seed
        self.passes = Passes()
        self.grids: set[int] = set()  # the cells of maps whose controls will be at hand

    def result(self, passes: Passes, compute: Callable[..., Any], *given: Any, known: bool = True, **asked: Any) -> Any:
        """The stored result; None where there is none."""
        from sslviz.explanations.cache import cached_result, is_cached

        call = (self.run, compute, *given, self.images)
        if known and is_cached(*call, **asked):
            return cached_result(*call, **asked)
        self.passes += passes
        return None

    def evidence(self, maps: Any, control: Any, cells: int) -> None:
        """The same for the evidence of maps of so many cells; of maps that are not there yet there is none."""
        from sslviz.explanations.faithfulness.encoder_measures import faithfulness_passes
        from sslviz.explanations.faithfulness.faithfulness import faithfulness

        asked, before = evidence_parameters(self.target, control, self.precision, self.seed), self.passes
        expected = faithfulness_passes(
            len(self.images),
            cells,
            2,
            steps=asked["steps"],
            first=not self.grids,
            controls=cells not in self.grids,
        )
        known = maps is not None and control is not None
        self.result(expected, faithfulness, maps, self.run.last, known=known, **asked)
        if self.passes != before:
            self.grids.add(cells)


def _count_untargeted(count: _Count) -> None:
    """Attention of a transformer, or activations of an encoder with a grid, and their evidence."""
    import torch

    from sslviz.explanations.attention.attention import attention, attention_passes
    from sslviz.explanations.attention.capture import capture_attention
    from sslviz.explanations.attention.untargeted import (
        ACTIVATIONS,
        activation,
        activation_passes,
        untargeted_attention,
    )

    encoder, side = count.encoder, count.encoder.image_size
    try:
        with torch.inference_mode():
            cells = encoder.tokens(torch.zeros(1, 3, side, side))[0, 0].numel()
    except ValueError:
        return  # it ends in no grid
    checkpoint, looks = count.run.last, []
    try:
        with capture_attention(encoder):
            pass
    except ValueError:
        for name in ACTIVATIONS:
            looks.append(count.result(activation_passes(count.images), activation, checkpoint, method=name))
    else:
        found = count.result(attention_passes(count.images), attention, checkpoint)
        looks = [*untargeted_attention(found).values()] if found else [None, None]
    for look in looks:
        count.evidence(look, look and look.untrained, cells)
