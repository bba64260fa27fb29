"""The grid of an encoder's frozen features, a token for each patch of a picture; and tokens that no training made."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from sslviz.data import Images
from sslviz.data.sampling import spread_rows
from sslviz.encoders import Encoder
from sslviz.encoders.precision import PROBE
from sslviz.explanations.pictures import as_input, require_pictures
from sslviz.features.checked_encoder import checked_encoder
from sslviz.features.embed import batch_size, to_device
from sslviz.runs import Checkpoint
from sslviz.runtime.progress import progress_bar

LAST = "last"  # what `layer` reads where none is named
PIXELS = 4  # rows and columns of colours that the pixels of a patch are reduced to: 48 numbers, as a small encoder has


@dataclass(frozen=True)
class TokenReader:
    """What makes tokens of pictures.

    - name: what it is called
    - read: uint8 pixels (b, h, w, 3) -> float32 (b, rows, columns, d)
    - batch: how many pictures it is given at once
    - precision: in which an encoder computes them
    """

    name: str
    read: Callable[[np.ndarray], np.ndarray]
    batch: int = 256
    precision: str = "fp32"

    def __call__(self, images: Images, title: str = "") -> np.ndarray:
        """The tokens of all images, float32 (n, rows, columns, d); with a bar if there is a title."""
        tokens = np.empty(0, np.float32)
        with progress_bar(f"looking with {title}", len(images), "images", shown=bool(title)) as advance:
            for start in range(0, len(images), self.batch):
                part = self.read(images.pixels[start : start + self.batch])
                if start == 0:  # filled batch by batch: parts that are joined at the end would need the memory twice
                    tokens = np.empty((len(images), *part.shape[1:]), np.float32)
                tokens[start : start + len(part)] = part
                advance(len(part))
        return tokens


@dataclass(frozen=True, eq=False)
class PatchTokens:
    """The tokens of n pictures.

    - x: float32 (n, rows, columns, d)
    - ids: the pictures', (n,)
    - run: the run that they come from
    - layer: of the encoder; "last" is the grid that is pooled
    - precision: in which the encoder computed them
    """

    x: np.ndarray
    ids: np.ndarray
    run: str
    layer: str
    precision: str = "fp32"


class GridEncoder(Encoder):
    """An encoder whose features (b, d) are the grid of a layer, laid flat, so that it is checked as any other is."""

    def __init__(self, encoder: Encoder, layer: str | None) -> None:
        super().__init__(encoder.model, encoder.spec, encoder.mean, encoder.std, encoder.preprocessing, encoder.face)
        self.layer = layer

    def forward(self, x: Tensor) -> Tensor:
        """The grid, (b, channels * rows * columns)."""
        return self.grid(x, self.layer).flatten(1)


def patch_tokens(
    checkpoint: Checkpoint,
    images: Images,
    layer: str | None = None,
    *,
    precision: str = "auto",
    progress: bool = True,
) -> PatchTokens:
    """What does this checkpoint make of each patch of these images?

    Frozen features before pooling, a token for each patch, without class tokens.  Runs on the GPU if there is one.

    - layer: as `embed_layers` calls it; the earlier stages of a convolutional network have finer grids.  None: the last
      grid, which pooling averages
    - precision: as of `embed`, where it is the grid that bf16 has to leave as it is

    ValueError for no images, for clips, for models and layers without a grid, and for an encoder that is shown only the
    middle of a picture.

    Example:
        >>> import sslviz
        >>> checkpoint = sslviz.Checkpoint("untrained", 0, {"name": "conv_nano", "image_size": 64}, path=None)
        >>> tokens = sslviz.patch_tokens(checkpoint, sslviz.scenes(n=2), progress=False)
        >>> fine = sslviz.patch_tokens(checkpoint, sslviz.scenes(n=2), "stages.1", progress=False)
        >>> tokens.x.shape, fine.x.shape
        ((2, 8, 8, 128), (2, 16, 16, 48))

    Caveat: A token has seen more than its patch: all of the picture in a transformer, a neighbourhood in other networks.
    """
    require_pictures(images, "Patch tokens need pictures (n, h, w, 3), at least one")
    read = encoder_tokens(checkpoint, images, layer, precision)
    tokens = read(images, checkpoint.run if progress else "")
    return PatchTokens(tokens, images.ids, checkpoint.run, layer or LAST, read.precision)


@torch.inference_mode()
def encoder_tokens(
    checkpoint: Checkpoint, images: Images, layer: str | None = None, precision: str = "auto"
) -> TokenReader:
    """The grid of a checkpoint's encoder, which is checked on a few of these images; the rest as for `patch_tokens`."""
    with torch.inference_mode(False):  # some methods take gradients while they are built
        encoder = to_device(checkpoint.encoder())
    try:
        few = as_input(images.pixels[spread_rows(len(images), PROBE)], encoder)
    except ValueError as error:
        raise ValueError(f"Patches have no place in these pictures: {error}.") from error
    shape = encoder.grid(few[:1], layer).shape[1:]  # (d, rows, columns)
    network, kept = checked_encoder(GridEncoder(encoder, layer), few, precision)

    @torch.inference_mode()
    def read(pixels: np.ndarray) -> np.ndarray:
        x = as_input(pixels, encoder).to(next(network.parameters()).dtype)
        return network(x).float().unflatten(1, shape).movedim(1, -1).cpu().numpy()

    return TokenReader(checkpoint.run, read, batch_size(encoder), kept["precision"])


def untrained_tokens(
    checkpoint: Checkpoint, images: Images, layer: str | None = None, precision: str = "auto"
) -> TokenReader:
    """The same of the encoder with fresh random weights: other ones, where the checkpoint has not been trained either."""
    seed = int(checkpoint.path is None and checkpoint.seed == 0)
    return replace(encoder_tokens(checkpoint.untrained(seed), images, layer, precision), name="untrained")


def pixel_tokens(rows: int, columns: int) -> TokenReader:
    """The pixels of each patch and its place: colours of 4 x 4 cells of it, 0 to 1, then row and column, 0 to 1."""

    def read(pixels: np.ndarray) -> np.ndarray:
        x = torch.from_numpy(np.array(pixels)).movedim(-1, 1).float() / 255
        cells = F.interpolate(x, (rows * PIXELS, columns * PIXELS), mode="area")
        of_patches = F.pixel_unshuffle(cells, PIXELS).movedim(1, -1).numpy()  # (b, rows, columns, 48)
        place = np.broadcast_to(_places(rows, columns), (len(of_patches), rows, columns, 2))
        return np.concatenate([of_patches, place], axis=-1, dtype=np.float32)

    return TokenReader("pixels and place", read)


def position_tokens(rows: int, columns: int) -> TokenReader:
    """The place of each patch alone: one number for each place, which is 1 there and 0 elsewhere."""
    one = np.eye(rows * columns, dtype=np.float32).reshape(rows, columns, rows * columns)
    return TokenReader("place", lambda pixels: np.broadcast_to(one, (len(pixels), *one.shape)))


def _places(rows: int, columns: int) -> np.ndarray:
    """The centres of patches, 0 to 1: (rows, columns, 2)."""
    down, right = ((np.arange(k, dtype=np.float32) + 0.5) / k for k in (rows, columns))
    return np.stack(np.meshgrid(down, right, indexing="ij"), axis=-1)
