"""Why does the encoder say that?  Which pixels one number made of its features goes back to, by many methods, one call."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np
import torch
from torch import Tensor

from sslviz.data import Images
from sslviz.encoders import Encoder
from sslviz.explanations.attribution import gradients
from sslviz.explanations.attribution.baselines import (
    Baseline,
    as_expected,
    as_pictures,
    baseline_images,
    shrunk_masks,
)
from sslviz.explanations.attribution.methods import AttributionMethod, attribution_method
from sslviz.explanations.attribution.question import Answer, Question, frozen, read_mixes
from sslviz.explanations.control_maps import resized
from sslviz.explanations.faithfulness.rank_correlation import off_diagonal, rank_correlations
from sslviz.explanations.mean_interval import mean_interval
from sslviz.explanations.targets.from_images import NOT_FINITE, Reference, target_from_images
from sslviz.explanations.targets.targets import Target
from sslviz.features.embed import to_device
from sslviz.statistics import Score

NEAR_TOP = 1e-6  # of a cosine: so near to its maximum its gradient is rounding


@dataclass(frozen=True, eq=False)
class Attribution:
    """Which pixels does this number go back to?

    `maps` float32 (n, s, s) at the encoder's own size, unscaled, in units of the target (gradients: per unit of input);
    the mean over baselines where there are several, `by_baseline` (k, n, s, s) each.  Channels are summed where a map
    is `signed`, and their length taken for saliency and SmoothGrad.  `target` says in words what s is; `s` (n,) and
    `s_baseline` (k, n) what it is at the images and the baselines.  `pixels` uint8 (n, s, s, 3) and `baselines` uint8
    (k, n, s, s, 3) are what the encoder was shown.  `twice` (2, n, s, s) is the map made in two ways, `twice_by` says
    which; none where it was not checked.  `completeness` (k, n): how much of the map is too much or too little, as a
    share of all it holds, and `one_step` the same of a single gradient; of integrated gradients only.  `extra` has
    arrays of single methods ("uncertainty"), `masks` {name: bool (n, s, s)} those of the images.  `unit` is what maps of
    two encoders have to be divided by to be compared: the mean |s| for the dot product, which grows with the length of
    the features, else 1.
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
        """`agreement` of the map made in two ways, and `completeness` of integrated gradients.

        Agreement: Spearman in [-1, 1], averaged over images, beside the same between maps of different images and between
        a map and its mirror image.  Completeness: the share of the map that is not accounted for, 0 at best, beside a
        single gradient's.  Neither says that the map is right; `faithfulness` measures that.
        """
        return self._scores

    @cached_property
    def _scores(self) -> dict[str, Score]:
        scores = {}
        if len(self.twice):
            every = rank_correlations(*self.twice)
            controls = {
                "mirrored": float(rank_correlations(self.twice[0], self.twice[1][:, :, ::-1]).diagonal().mean())
            }
            if len(every) > 1:
                controls["other images"] = float(off_diagonal(every).mean())
            low, high = mean_interval(every.diagonal(), self.seed)
            scores["agreement"] = Score(float(every.diagonal().mean()), low, high, controls)
        if self.completeness.size:
            each = self.completeness.mean(0)
            low, high = mean_interval(each, self.seed)
            controls = {"one step": float(self.one_step.mean())}
            scores["completeness"] = Score(float(each.mean()), low, high, controls, higher_is_better=False)
        return scores

    def per_image(self) -> dict[str, np.ndarray]:
        """What the scores are means of, for each image."""
        found = {"completeness": self.completeness.mean(0)} if self.completeness.size else {}
        return found | ({"agreement": rank_correlations(*self.twice).diagonal()} if len(self.twice) else {})


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

    `checkpoint` is a Checkpoint, an Encoder, or anything with `.encoder()`.  An encoder has no classes, so `target` says
    which number is explained: "self", "self_cosine", "similarity" or "paired_reference" (with `reference` images),
    "contrast" (reference: two groups), "loss", or a Target from `sslviz.explanations.targets.targets`: `probe`, `unit`,
    `component`.  By default "contrast" with two groups, "similarity" with one, else "self" (RELAX: "self_cosine").  An
    image that is itself in a group of several is left out of it.

    `method` is one of integrated_gradients, saliency, input_x_gradient, smoothgrad, grad_cam, layer_cam, occlusion,
    feature_ablation, kernel_shap and relax; `options` are its own (see gradients.py, cam.py and occlusion.py).
    `baseline`: "mean" (the image's own mean colour), "blur", "black", "grey", "white", a level from 0 to 1, or Images;
    by default "mean" and "blur", which are averaged and can be compared, and for RELAX "mean".  `check` makes every map
    in a second way, to see whether it stays: with the other baseline, from the other half of the samples, or for the
    mirrored image.  Never more than 2^17 pixels (128 images of 32 px) go through the encoder at once.

    ValueError for combinations that mean nothing: the gradient of a cosine to the image itself, which is zero;
    Grad-CAM without a grid; KernelShap with too few samples; a baseline for a method that has none.

    Caveat: A map can persuade without being true; believe it as far as it beats its controls, and on these images only.
    """
    known = attribution_method(method, baseline, options)
    if not len(images) or images.pixels.ndim != 4:
        raise ValueError(f"Maps need at least one picture (n, h, w, 3); got pixels of shape {images.pixels.shape}.")
    encoder = checkpoint if isinstance(checkpoint, Encoder) else to_device(checkpoint.encoder())
    with frozen(encoder):
        wanted = target_from_images(target, reference, checkpoint, encoder, images, default=known.target, seed=seed)
        x = as_expected(images.pixels, encoder)
        given = baseline if isinstance(baseline, tuple) else known.baselines if baseline is None else (baseline,)
        names, baselines = baseline_images(given, x, encoder)
        masks = shrunk_masks(dict(images.masks), encoder.image_size, resized)
        question = Question(encoder, wanted, x, baselines, masks, seed, f"{method}" if progress else "")
        s, s_baseline = _values(question)
        if known.at_image:
            _refuse_flat(wanted, s, method, images)
        answer = known.compute(question, **options)
        twice, twice_by = _twice(question, known, answer, names, options) if check else (answer.maps[:0], "")
        complete, one_step = _completeness(question, answer, s, s_baseline, method)
    arrays = [answer.maps.mean(0), answer.maps, twice, complete, one_step]
    if not all(torch.isfinite(t).all() for t in arrays):
        raise ValueError(f"{method} gave values that are not finite; does the encoder, on these images?")
    maps, by_baseline, made_twice, left_over, of_one_step = (t.float().numpy() for t in arrays)
    return Attribution(
        maps=maps,
        ids=images.ids,
        method=method,
        target=wanted.words,
        name=str(getattr(checkpoint, "run", "") or encoder.name),
        signed=known.signed,
        pixels=as_pictures(x, encoder),
        baseline_names=names,
        baselines=as_pictures(baselines, encoder),
        by_baseline=by_baseline,
        s=s.numpy(),
        s_baseline=s_baseline.numpy(),
        twice=made_twice,
        twice_by=twice_by,
        completeness=left_over,
        one_step=of_one_step,
        extra=answer.extra,
        masks=masks,
        unit=float(s.abs().mean()) or 1.0 if wanted.grows else 1.0,
        seed=seed,
    )


def _values(question: Question) -> tuple[Tensor, Tensor]:
    """s at the images (n,), and at their baselines (k, n)."""
    nothing, all_ = torch.zeros(1, *question.x.shape[-2:]), torch.ones(1, *question.x.shape[-2:])
    quiet = replace(question, title="")
    s = read_mixes(quiet, question.x, all_)[:, 0]
    rest = [read_mixes(quiet, baseline, nothing)[:, 0] for baseline in question.baselines]
    if not torch.isfinite(s).all():
        raise ValueError(NOT_FINITE)
    return s, torch.stack(rest) if rest else torch.empty(0, len(s))


def _refuse_flat(target: Target, s: Tensor, method: str, images: Images) -> None:
    """ValueError where s is at its maximum already, because there a gradient is zero and its map only rounding."""
    if target.top is None or not (flat := (s >= target.top - NEAR_TOP)).any():
        return
    first = images.ids[int(flat.nonzero()[0])]
    raise ValueError(
        f"The cosine explained is at its maximum for {int(flat.sum())} of {len(s)} images (the first is {first}), so its "
        f"gradient there is zero and {method} would draw rounding errors; take target='self', another reference, "
        "integrated gradients or occlusion."
    )


def _twice(
    question: Question, known: AttributionMethod, answer: Answer, names: list[str], options: Mapping[str, Any]
) -> tuple[Tensor, str]:
    """The same map made in two ways (2, n, s, s), and which ways these are."""
    if answer.halves is not None:
        return answer.halves, "the two halves of the samples"
    if len(answer.maps) > 1:
        return answer.maps[:2], f"the baselines {names[0]} and {names[1]}"
    mirrored = replace(
        question, x=question.x.flip(-1), baselines=question.baselines.flip(-1),
        masks={name: mask[..., ::-1].copy() for name, mask in question.masks.items()},
    )  # fmt: skip
    return torch.stack(
        [answer.maps[0], known.compute(mirrored, **options).maps[0].flip(-1)]
    ), "the image and its mirror"


def _completeness(
    question: Question, answer: Answer, s: Tensor, s_baseline: Tensor, method: str
) -> tuple[Tensor, Tensor]:
    """How far the sums of integrated gradients and of a single step are from s(x) - s(b), as shares of the map; (k, n)."""
    if method != "integrated_gradients":
        return torch.empty(0, len(s)), torch.empty(0, len(s))
    due, size = s - s_baseline, answer.maps.abs().sum((2, 3)).clamp_min(1e-30)
    one_step = gradients.linear_share(replace(question, title=""))
    return (answer.maps.sum((2, 3)) - due).abs() / size, (one_step - due).abs() / size
