"""Where does a transformer look?  Its heads' maps, reach and likeness, beside attention that looks at everything alike."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from sslviz.data import Images
from sslviz.explanations.attention.heads import uniform_distance
from sslviz.explanations.attention.registers import MADS, emergence, stand_out
from sslviz.explanations.attention.streaming import MEMORY, measure, of_layer, substituted
from sslviz.explanations.mean_interval import mean_interval
from sslviz.runs import Checkpoint
from sslviz.statistics import Score

FEWEST = 10  # images, for an interval
FAR = 2.0  # times the median norm: what registers are for; less is what plain backgrounds give


@dataclass(frozen=True, eq=False)
class Attention:
    """Where does this transformer look?

    Of n images: `maps` (n, heads, rows, columns) are what the `query` ("class token", "mean of the patches", ...: the
    tokens whose attention becomes the features) gives each patch in the layer called `layer`, as a share of all it
    gives; `rollout` (n, rows, columns) the same through all layers.  `distance` (pixels of the encoder's input, side
    `image_size`), `entropy` (nats), `nmi` and `homogeneity` (n, layers, heads) and `redundancy` (n, layers) are
    `heads.head_measures`.  `norms` (n, rows, columns) are those of the last block's patch tokens, `outliers` those
    beyond median + 6 MAD; `outlier_layers` (layers,) their share after each block, `emerges` the block in which they
    appear.  `substituted` (n,) is the cosine between the features before and after the outliers are held at the mean
    of the other patches, `substituted_random` with as many random patches; NaN for images without any.
    `control_*` are the same of the encoder called `control`; its maps are means over heads.
    """

    run: str
    ids: np.ndarray
    query: str
    layers: list[str]
    layer: str
    image_size: int
    registers: int
    maps: np.ndarray
    rollout: np.ndarray
    distance: np.ndarray
    entropy: np.ndarray
    nmi: np.ndarray
    homogeneity: np.ndarray
    redundancy: np.ndarray
    norms: np.ndarray
    outliers: np.ndarray
    outlier_layers: np.ndarray
    emerges: int
    substituted: np.ndarray
    substituted_random: np.ndarray
    control: str
    control_maps: np.ndarray
    control_rollout: np.ndarray
    control_distance: np.ndarray
    control_entropy: np.ndarray
    control_nmi: np.ndarray
    control_homogeneity: np.ndarray
    control_redundancy: np.ndarray
    control_outliers: np.ndarray
    seed: int

    @property
    def name(self) -> str:
        """How figures call it: the run it comes from."""
        return self.run

    @property
    def diagonal(self) -> float:
        """The length of the picture's diagonal, in pixels of the encoder's input."""
        return float(np.sqrt(2) * self.image_size)

    @property
    def patches(self) -> int:
        """How many patches there are."""
        return int(np.prod(self.maps.shape[2:]))

    @property
    def uniform(self) -> dict[str, float]:
        """What attention that falls on all patches alike reads, for each score it says something about."""
        rows, columns = self.maps.shape[2:]
        reach = uniform_distance(rows, columns) * self.image_size / rows / self.diagonal
        return {"distance": reach, "entropy": 1.0, "homogeneity": 1.0, "redundancy": 1.0, "nmi": 0.0}

    def per_image(self) -> dict[str, np.ndarray]:
        """The quantity whose mean over images is the score, for each image: {score: (n,)}; NaN where there is none."""
        own = {name: getattr(self, name) for name in ("distance", "entropy", "homogeneity", "redundancy")}
        values = _shares(own, self.diagonal, self.patches)
        values["outliers"] = self.outliers.mean((1, 2))
        values["substitution"] = self.substituted
        return values

    def scores(self) -> dict[str, Score]:
        """How far, how widely and how alike do the heads look, and do patches stand out?

        `distance` (share of the diagonal) and `entropy` (share of log patches), over all layers and heads;
        `homogeneity` and `redundancy` of the last layer; `outliers`, the share of patches that stand out; where some
        do, `substitution`, the cosine of the features with those patches held at the mean.  Bootstrap intervals over
        images, of which there must be ten: heads and layers are no independent samples.  None is good in itself.
        """
        return self._scores

    @cached_property
    def _scores(self) -> dict[str, Score]:
        control = {n: getattr(self, f"control_{n}") for n in ("distance", "entropy", "homogeneity", "redundancy")}
        rows, columns = self.control_maps.shape[1:]
        untrained = _shares(control, self.diagonal, rows * columns) | {"outliers": self.control_outliers}
        scores = {}
        for name, values in self.per_image().items():
            values = values[np.isfinite(values)]
            if not len(values):  # no second head, or nothing that stands out
                continue
            controls = {"uniform attention": self.uniform[name]} if name in self.uniform else {}
            if name == "outliers":
                controls["normal spread"] = normal_outliers()
            if name == "substitution":
                random = self.substituted_random
                controls["random patches"] = float(random[np.isfinite(random)].mean())
            elif np.isfinite(untrained[name]).all():
                controls[self.control] = float(untrained[name].mean())
            low, high = _interval(values, self.seed)
            scores[name] = Score(float(values.mean()), low, high, controls, None)
        return scores

    def advice(self) -> str:
        """Does this encoder need registers?  One or two sentences that follow from the outliers.

        Registers (arXiv 2309.16588) are advised where significantly more patches stand out than in the control, some
        by more than twice the median norm.
        """
        share = self.outliers.mean((1, 2))
        if not share.any():
            return "No patch stands out by its norm: nothing here asks for registers."
        ratio = float(np.median(self.norms[self.outliers]) / np.median(self.norms))
        seen = (
            f"{share.mean():.1%} of the patches stand out ({self.control}: {self.control_outliers.mean():.1%}), by "
            f"{ratio:.1f} times the median norm, from layer {self.emerges + 1} on."
        )
        low, _ = _interval(share - self.control_outliers, self.seed)
        if low is None:
            return f"{seen} On fewer than {FEWEST} images that says little."
        if ratio < FAR or low <= 0:
            return f"{seen} That is too little to ask for registers: plain backgrounds alone can do it."
        known, random = np.nanmean(self.substituted), np.nanmean(self.substituted_random)
        effect = (
            f"Holding them at the mean moves the features to a cosine of {known:.3f} (random patches: {random:.3f})."
        )
        wanted = (
            "It has registers, which should have taken this over."
            if self.registers
            else "Its maps may show these patches rather than the picture; registers are made to take this over."
        )
        return f"{seen} {effect} {wanted}"


def attention(
    checkpoint: Checkpoint,
    images: Images,
    *,
    control: Checkpoint | None = None,
    layer: int = -1,
    memory: int = MEMORY,
    seed: int = 0,
    progress: bool = True,
) -> Attention:
    """Where does this transformer look?

    Every layer is measured and let go before the next one runs, in batches for which one layer's attention, with what
    is worked out from it, takes at most `memory` bytes.  `layer` is the one whose maps are kept (from 0; -1 the
    last).  Control: attention that falls on all patches alike, in closed form, and `control`, by default the same
    encoder re-initialised.  ValueError for no images, for clips, for a layer that is not there, and for encoders that
    do not weigh every token against every token (convolutional ones, Swin, pooling heads), by name.

    Caveat: Attention says from where a layer reads, not what the features depend on; untrained encoders give maps
    too, so look at the difference.
    """
    if control is None:
        control = checkpoint.untrained(seed=int(checkpoint.path is None and checkpoint.seed == 0))
    own = measure(checkpoint, images, layer=layer, memory=memory, title=checkpoint.run if progress else "")
    other = measure(control, images, layer=-1, memory=memory, title="the control" if progress else "")
    other["distance"] *= own["image_size"] / other["image_size"]  # in the same pixels
    outliers = stand_out(own["norms"][:, -1])
    by_layer, emerges = emergence(own["norms"], outliers)
    after, random = substituted(checkpoint, images, outliers, emerges, own["batch"], seed)
    grid = own["maps"].shape[2:]
    kept = ("rollout", "distance", "entropy", "nmi", "homogeneity", "redundancy")
    return Attention(
        run=checkpoint.run,
        ids=images.ids,
        **{name: own[name] for name in ("query", "layers", "layer", "image_size", "registers", "maps", *kept)},
        norms=own["norms"][:, -1].reshape(-1, *grid),
        outliers=outliers.reshape(-1, *grid),
        outlier_layers=by_layer,
        emerges=emerges,
        substituted=after,
        substituted_random=random,
        control=_name(control, checkpoint),
        control_maps=other["maps"].mean(1),
        control_outliers=stand_out(other["norms"][:, -1]).mean(1),
        **{f"control_{name}": other[name] for name in kept},
        seed=seed,
    )


def attention_maps(checkpoint: Checkpoint, images: Images, *, layer: int = -1, memory: int = MEMORY) -> np.ndarray:
    """What does each head of a layer look at?  float32 (n, heads, rows, columns): shares of the query's attention.

    As `Attention.maps`, for any layer.  ValueError as for `attention`.

    Caveat: What a class token reads from is not all that the features depend on.
    """
    return of_layer(checkpoint, images, layer, memory, lambda weights, tokens: tokens.read(weights.float()))


def query_maps(checkpoint: Checkpoint, images: Images, *, layer: int = -1, memory: int = MEMORY) -> np.ndarray:
    """What does each patch look at?  float32 (n, heads, patches, rows, columns): shares of that patch's attention.

    Row by row over the grid: the map of the patch in row r, column c is [:, :, r * columns + c].  ValueError as for
    `attention`.  A 14 x 14 grid takes 154 kB a head and image.

    Caveat: A patch's token holds more than what its own pixels show, the more so in late layers.
    """
    return of_layer(checkpoint, images, layer, memory, lambda weights, t: weights[..., t.prefix :, t.prefix :].float())


def normal_outliers() -> float:
    """What share of normally distributed norms would stand out?  6 MAD are 4.05 standard deviations: 0.003 %."""
    from scipy.stats import norm

    return float(norm.sf(MADS * norm.ppf(0.75)))


def _name(control: Checkpoint, checkpoint: Checkpoint) -> str:
    if control.path is None:
        return "untrained"
    return control.run if control.run != checkpoint.run else f"step {control.step:,}"


def _shares(found: dict[str, np.ndarray], diagonal: float, patches: int) -> dict[str, np.ndarray]:
    """One number an image, free of units: {score: (n,)}."""
    return {
        "distance": found["distance"].mean((1, 2)) / diagonal,
        "entropy": found["entropy"].mean((1, 2)) / np.log(patches),
        "homogeneity": found["homogeneity"][:, -1].mean(1),
        "redundancy": found["redundancy"][:, -1],
    }


def _interval(values: np.ndarray, seed: int) -> tuple[float, float] | tuple[None, None]:
    """The bootstrap interval of a mean over images; none for fewer than ten, or where nothing was found in any."""
    if not values.any():
        return None, None
    return mean_interval(values, seed, fewest=FEWEST)
