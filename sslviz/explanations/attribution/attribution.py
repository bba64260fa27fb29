"""Attribution: which pixels one number made of an encoder's features goes back to, by many methods in one call."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np
import torch
from torch import Tensor

from sslviz.data import Images
from sslviz.explanations.attribution.baselines import Baseline, baseline_images, shrunk_masks
from sslviz.explanations.attribution.methods import AttributionMethod, attribution_method
from sslviz.explanations.attribution.question import Answer, Question, encoder_and_name, frozen, read_mixes
from sslviz.explanations.faithfulness.rank_correlation import off_diagonal, rank_correlations
from sslviz.explanations.mean_interval import mean_interval
from sslviz.explanations.pictures import as_inputs, as_pictures, require_pictures
from sslviz.explanations.targets.from_images import NOT_FINITE, Reference, target_from_images
from sslviz.explanations.targets.targets import Target
from sslviz.statistics import Score

NEAR_TOP = 1e-6  # of a cosine: so near to its maximum its gradient is rounding


@dataclass(frozen=True, eq=False)
class Attribution:
    """Which pixels a number s of each of n images goes back to, by one method, against k baselines.

    - maps: float32 (n, size, size) at the encoder's own size, unscaled, in units of s (gradients: per unit of input);
      the mean over baselines where there are several
    - ids: the images' ids (n,)
    - method: the name of the method
    - target: the number s in words
    - name: the run or the encoder
    - signed: whether maps have negative values; then channels are summed, else their length is taken
    - pixels: what the encoder was shown, uint8 (n, size, size, 3)
    - baseline_names: what the baselines are called
    - baselines: what they look like, uint8 (k, n, size, size, 3)
    - by_baseline: the maps against each baseline, (k, n, size, size)
    - s: the number explained (n,)
    - s_baseline: what it is at the baselines, (k, n)
    - twice: the map made in two ways, (2, n, size, size); empty where that was not checked
    - twice_by: which two ways these are
    - completeness: how much of the map is too much or too little, as a share of all it holds, (k, n); of integrated
      gradients only
    - one_step: the same of a single gradient, (k, n)
    - extra: arrays of single methods, such as "uncertainty"
    - masks: those of the images, {name: bool (n, size, size)}
    - unit: what maps of two encoders are divided by to be compared: the mean |s| for the dot product, which grows with
      the length of the features, else 1
    - seed: of random samples and of intervals
    """

    maps: np.ndarray
    ids: np.ndarray
    method: str
    target: str
    name: str
    signed: bool
    pixels: np.ndarray
    baseline_names: list[str]
    baselines: np.ndarray
    by_baseline: np.ndarray
    s: np.ndarray
    s_baseline: np.ndarray
    twice: np.ndarray
    twice_by: str
    completeness: np.ndarray
    one_step: np.ndarray
    extra: dict[str, np.ndarray] = field(default_factory=dict)
    masks: dict[str, np.ndarray] = field(default_factory=dict)
    unit: float = 1.0
    seed: int = 0

    def scores(self) -> dict[str, Score]:
        """Does the map stay when it is made in another way, and does it add up?

        - agreement: Spearman of the map made in two ways, in [-1, 1], mean over images.  Controls: the same between maps
          of different images, and between a map and its mirror image
        - completeness: the share of the map that is not accounted for, 0 at best; beside that of a single gradient

        Neither says that the map is right; `faithfulness` measures that.
        """
        return self._scores

    @cached_property
    def _scores(self) -> dict[str, Score]:
        scores = {}
        if len(self.twice):
            correlations = rank_correlations(*self.twice)
            mirrored = rank_correlations(self.twice[0], self.twice[1][:, :, ::-1]).diagonal()
            controls = {"mirrored": float(mirrored.mean())}
            if len(correlations) > 1:
                controls["other images"] = float(off_diagonal(correlations).mean())
            low, high = mean_interval(correlations.diagonal(), self.seed)
            scores["agreement"] = Score(float(correlations.diagonal().mean()), low, high, controls)
        if self.completeness.size:
            missing = self.completeness.mean(0)
            low, high = mean_interval(missing, self.seed)
            controls = {"one step": float(self.one_step.mean())}
            scores["completeness"] = Score(float(missing.mean()), low, high, controls, higher_is_better=False)
        return scores

    def per_image(self) -> dict[str, np.ndarray]:
        """What the scores are means of, for each image."""
        values = {"completeness": self.completeness.mean(0)} if self.completeness.size else {}
        return values | ({"agreement": rank_correlations(*self.twice).diagonal()} if len(self.twice) else {})


def attribute(
    checkpoint: Any,
    images: Images,
    *,
    target: str | Target | None = None,
    method: str = "integrated_gradients",
    reference: Reference | None = None,
    baseline: Baseline | tuple[Baseline, ...] | None = None,
    check: bool = True,
    seed: int = 0,
    progress: bool = True,
    **options: Any,
) -> Attribution:
    """Which pixels does what the encoder says go back to?

    - checkpoint: a Checkpoint, an Encoder, or anything with `.encoder()`
    - target: which number is explained, for an encoder has no classes: "self", "self_cosine", "similarity",
      "paired_reference", "contrast", "loss", or a Target from `sslviz.explanations.targets.targets`
    - reference: the images of "similarity" and "paired_reference", or the two groups of "contrast"
    - method: a key of ATTRIBUTION_METHODS (`sslviz list maps`)
    - baseline: "mean" (the image's own mean colour), "blur", "black", "grey", "white", a level from 0 to 1, or Images;
      several are averaged
    - check: whether every map is made in a second way too: with the other baseline, from the other half of the samples,
      or for the mirrored image
    - options: the method's own (see gradients.py, cam.py and occlusion.py)

    Without a target it is "contrast" for two groups, "similarity" for one, and else "self" (RELAX: "self_cosine").  An
    image that is itself in a group of several is left out of it.  Baselines are "mean" and "blur" by default, for RELAX
    "mean".  Never more than 2^17 pixels (128 images of 32 px) go through the encoder at once.

    ValueError for what means nothing: the gradient of a cosine to the image itself, which is zero; a baseline for a method
    that has none.  Also for Grad-CAM without a grid, and for KernelShap with too few samples.

    Example:
        >>> import sslviz
        >>> checkpoint = sslviz.Checkpoint("example", 0, {"name": "conv_nano", "image_size": 32}, None)
        >>> result = sslviz.attribute(checkpoint, sslviz.shapes(n=4), method="saliency", progress=False)
        >>> result.target, result.maps.shape
        ('itself (dot product)', (4, 32, 32))

    Caveat: A map can persuade without being true; believe it as far as it beats its controls, and on these images only.
    """
    known = attribution_method(method, baseline, options)
    require_pictures(images, "Maps need at least one picture (n, h, w, 3)")
    encoder, name = encoder_and_name(checkpoint)
    with frozen(encoder):
        explained = target_from_images(target, reference, checkpoint, encoder, images, default=known.target, seed=seed)
        x = as_inputs(images.pixels, encoder)
        given = baseline if isinstance(baseline, tuple) else known.baselines if baseline is None else (baseline,)
        names, baselines = baseline_images(given, x, encoder)
        masks = shrunk_masks(images.masks, encoder.image_size)
        question = Question(encoder, explained, x, baselines, masks, seed, method if progress else "")
        s, s_baseline = _values(question)
        if known.at_image:
            _refuse_zero_gradient(explained, s, method, images)
        answer = known.compute(question, **options)
        twice, twice_by = _in_two_ways(question, known, answer, names, options) if check else (answer.maps[:0], "")
    complete, one_step = _completeness(answer, s, s_baseline)
    arrays = _finite_arrays(method, answer.maps.mean(0), answer.maps, twice, complete, one_step)
    return Attribution(
        maps=arrays[0],
        ids=images.ids,
        method=method,
        target=explained.words,
        name=name,
        signed=known.signed,
        pixels=as_pictures(x, encoder),
        baseline_names=names,
        baselines=as_pictures(baselines, encoder),
        by_baseline=arrays[1],
        s=s.numpy(),
        s_baseline=s_baseline.numpy(),
        twice=arrays[2],
        twice_by=twice_by,
        completeness=arrays[3],
        one_step=arrays[4],
        extra=answer.extra,
        masks=masks,
        unit=float(s.abs().mean()) or 1.0 if explained.grows else 1.0,
        seed=seed,
    )


def _finite_arrays(method: str, *tensors: Tensor) -> list[np.ndarray]:
    """These as float32 arrays; ValueError where a value is not finite."""
    if not all(torch.isfinite(t).all() for t in tensors):
        raise ValueError(f"{method} gave values that are not finite; does the encoder, on these images?")
    return [t.float().numpy() for t in tensors]


def _values(question: Question) -> tuple[Tensor, Tensor]:
    """s at the images (n,), and at their baselines (k, n)."""
    nothing, everything = torch.zeros(1, *question.x.shape[-2:]), torch.ones(1, *question.x.shape[-2:])
    quiet = replace(question, title="")
    s = read_mixes(quiet, question.x, everything)[:, 0]
    at_baselines = [read_mixes(quiet, baseline, nothing)[:, 0] for baseline in question.baselines]
    if not torch.isfinite(s).all():
        raise ValueError(NOT_FINITE)
    return s, torch.stack(at_baselines) if at_baselines else torch.empty(0, len(s))


def _refuse_zero_gradient(target: Target, s: Tensor, method: str, images: Images) -> None:
    """ValueError where s is at its maximum already, because there a gradient is zero and its map only rounding."""
    if target.top is None or not (at_top := (s >= target.top - NEAR_TOP)).any():
        return
    first = images.ids[int(at_top.nonzero()[0])]
    raise ValueError(
        f"The cosine explained is at its maximum for {int(at_top.sum())} of {len(s)} images (the first is {first}), so its "
        f"gradient there is zero and {method} would draw rounding errors; take target='self', another reference, "
        "integrated gradients or occlusion."
    )


def _in_two_ways(
    question: Question, method: AttributionMethod, answer: Answer, names: list[str], options: Mapping[str, Any]
) -> tuple[Tensor, str]:
    """The same map made in two ways (2, n, s, s), and which ways these are."""
    if answer.halves is not None:
        return answer.halves, "the two halves of the samples"
    if len(answer.maps) > 1:
        return answer.maps[:2], f"the baselines {names[0]} and {names[1]}"
    mirrored = replace(
        question,
        x=question.x.flip(-1),
        baselines=question.baselines.flip(-1),
        masks={name: mask[..., ::-1].copy() for name, mask in question.masks.items()},
    )
    return torch.stack(
        [answer.maps[0], method.compute(mirrored, **options).maps[0].flip(-1)]
    ), "the image and its mirror"


def _completeness(answer: Answer, s: Tensor, s_baseline: Tensor) -> tuple[Tensor, Tensor]:
    """How far the sums of integrated gradients and of a single step are from s(x) - s(b), as shares of the map; (k, n)."""
    if answer.one_step is None:
        return torch.empty(0, len(s)), torch.empty(0, len(s))
    due, size = s - s_baseline, answer.maps.abs().sum((2, 3)).clamp_min(1e-30)
    return (answer.maps.sum((2, 3)) - due).abs() / size, (answer.one_step - due).abs() / size
