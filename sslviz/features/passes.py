"""Forward passes: how many pictures a diagnosis has yet to show to encoders, stimulus by stimulus."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass

from sslviz.data import Images
from sslviz.data.sampling import sample_rows
from sslviz.features.diagnosed import encoder_of, stored_source
from sslviz.features.evidence import (
    HISTOGRAM,
    PIXELS,
    Stimulus,
    asked_stimuli,
    find_function,
    find_stimulus,
)
from sslviz.features.features import is_of
from sslviz.runs import Checkpoint, Run

Place = tuple[str, str, str, str]  # where features lie: run folder, key of the encoder, digest of the images, layer


@dataclass(frozen=True)
class Passes:
    """How many pictures of one stimulus one encoder has yet to see.

    - stimulus, encoder: names, as `Evidence` has them
    - pictures: to be shown
    - stored: those whose features lie in the run folder already
    - at_most: whether fewer may do, because the stimulus ends once it has told enough
    """

    stimulus: str
    encoder: str
    pictures: int
    stored: int = 0
    at_most: bool = False


def gather_passes(
    run: Run,
    checkpoint: Checkpoint,
    images: Images,
    fit: Images | None,
    *,
    requested: Collection[str] = (),
    attributes: bool = False,
    target: Images | None = None,
) -> list[Passes]:
    """How many pictures does `stored.gather` show to whom, when it is asked for the same?  Nothing is shown or drawn.

    One for each stimulus and encoder, in the order in which they are shown.  Pixels and histograms take no pass, nor does
    the projector, which is given the features of the images.

    Example:
        >>> import tempfile, sslviz
        >>> from sslviz.features.passes import gather_passes, passes_line
        >>> folder = tempfile.TemporaryDirectory()
        >>> run = sslviz.Run.create(f"{folder.name}/mine", {"encoder": {"name": "conv_nano"}})
        >>> checkpoint = sslviz.Checkpoint("mine", 0, {"name": "conv_nano"}, path=None)
        >>> passes_line(gather_passes(run, checkpoint, sslviz.shapes(n=30), None, requested=["views"]))
        '330 forward passes: images 30, views 300.'
    """
    asked = requested, attributes, target
    return diagnosis_passes([(run, checkpoint)], images, fit, *asked)


def diagnosis_passes(
    checkpoints: Iterable[tuple[Run, Checkpoint]],
    images: Images,
    fit: Images | None,
    requested: Collection[str] = (),
    attributes: bool = False,
    target: Images | None = None,
) -> list[Passes]:
    """The same of several checkpoints, of which those of one run share their untrained encoders."""
    asked = list(asked_stimuli(images, fit, target, requested, attributes))
    written: set[Place] = set()
    return [
        passes
        for run, checkpoint in checkpoints
        for stimulus, pictures, encoders in asked
        for passes in stimulus_passes(run, checkpoint, stimulus, pictures, encoders, written)
    ]


def stimulus_passes(
    run: Run,
    checkpoint: Checkpoint,
    stimulus: Stimulus,
    images: Images,
    encoders: Sequence[str],
    written: set[Place] | None = None,
    precision: str = "auto",
) -> Iterator[Passes]:
    """How many pictures of one stimulus, made of these images, each of these encoders has yet to see.

    - written: what will have been stored by then, which is added to
    - precision: as of `gather`
    """
    written = set() if written is None else written
    shown = pictures_shown(stimulus, images)
    digest = _digest(run, stimulus, images)
    for name in encoders if shown and not stimulus.project else ():
        if name in (PIXELS, HISTOGRAM):
            continue
        encoder = encoder_of(checkpoint, name)
        key, weights = encoder.key, encoder.digest
        if stimulus.round_size:
            yield _in_rounds(run, checkpoint, stimulus, images, (name, key, weights), precision)
            continue
        place = str(run.path), key, digest, stimulus.layer
        source = stored_source(run, key, digest, stimulus.layer)
        stored = source is not None and is_of(source, weights, precision)
        if stored or place in written:
            yield Passes(stimulus.name, name, 0, shown if stored else 0)
        else:
            yield Passes(stimulus.name, name, shown)
        written.add(place)
        if stimulus.layer == "layers":  # the last of which is what others call the features
            written.add((str(run.path), key, digest, "pooled"))


def _in_rounds(
    run: Run, checkpoint: Checkpoint, stimulus: Stimulus, images: Images, encoder: tuple[str, str, str], precision: str
) -> Passes:
    """Those of an encoder (name, key, weights) of what is shown in rounds, until the checkpoint itself has seen enough."""
    name, key, weights = encoder
    of_all = stimulus.rounds(len(images))

    def seen(key: str, weights: str) -> tuple[int, bool]:
        """How many rounds, and whether the checkpoint needs no more."""
        source = stored_source(run, key, images.digest, stimulus.layer)
        if source is None or not is_of(source, weights, precision):
            return 0, False
        rounds = len(source.get("rounds", range(of_all)))  # an older sslviz showed all at once
        return rounds, rounds == of_all or bool(source.get("enough"))

    needed, settled = seen(checkpoint.key, checkpoint.digest)
    rounds = min(seen(key, weights)[0], of_all)
    last = needed if settled else of_all
    known, wanted = (_of_rounds(stimulus, images, k) for k in (rounds, max(last, rounds)))
    return Passes(stimulus.name, name, wanted - known, known, at_most=not settled)


def _of_rounds(stimulus: Stimulus, images: Images, rounds: int) -> int:
    """How many pictures so many rounds show."""
    assert stimulus.round_size is not None
    images_shown = min(len(images), stimulus.max_images or len(images), rounds * stimulus.round_size)
    return (
        images_shown * pictures_shown(stimulus, images) // max(1, min(len(images), stimulus.max_images or len(images)))
    )


def pictures_shown(stimulus: Stimulus, images: Images) -> int:
    """How many pictures of this stimulus an encoder sees, where it is made of these images."""
    each = stimulus.each if isinstance(stimulus.each, int) else find_function(stimulus.each)(images)
    return each * min(len(images), stimulus.max_images or len(images))


def drawing_seconds(stimulus: Stimulus, images: Images, passes: Iterable[Passes]) -> float:
    """About how long drawing takes what these encoders, all of one checkpoint, have yet to see of a stimulus.

    It is drawn once for all of them, by one processor.
    """
    if not stimulus.drawing:
        return 0.0
    pictures, each = max((one.pictures for one in passes), default=0), pictures_shown(stimulus, images)
    shown = min(len(images), stimulus.max_images or len(images))
    return float(find_function(stimulus.drawing)(images) * shown * pictures / max(1, each))


def passes_line(passes: Iterable[Passes]) -> str:
    """One sentence: how many forward passes, and of which stimuli."""
    counts: dict[str, int] = {}
    fewer: set[str] = set()
    stored = 0
    for one in passes:
        words = find_stimulus(one.stimulus).words
        counts[words] = counts.get(words, 0) + one.pictures
        fewer |= {words} if one.at_most else set()
        stored += one.stored
    shown = {words: n for words, n in counts.items() if n}
    parts = [f"{words} {'at most ' if words in fewer else ''}{n:,}" for words, n in shown.items()]
    known = f" {stored:,} more lie in the run folder." if stored else ""
    total = f"{'at most ' if fewer & set(shown) else ''}{sum(shown.values()):,} forward passes"
    return f"{total[:1].upper()}{total[1:]}{': ' if parts else ''}{', '.join(parts)}.{known}"


def _digest(run: Run, stimulus: Stimulus, images: Images) -> str:
    """Under which digest the features of the stimulus lie; empty where its pictures were never drawn."""
    if stimulus.layer == "layers":
        return images.rows(sample_rows(len(images), stimulus.max_images)).digest
    if stimulus.pictures and stimulus.layer == "pooled":
        return run.info.get(stimulus.name, {}).get(images.digest) or ""
    return images.digest
