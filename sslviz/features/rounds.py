"""Features of pictures shown in rounds: no more rounds than what is read from them needs, the same for every encoder.

The first encoder, the checkpoint itself, decides after each round whether it has told enough; every other sees the
rounds that it saw, so that comparisons stay paired.  What was shown lies in the run folder after each round.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection
from typing import Any

import numpy as np
import pandas as pd

from sslviz.features.diagnosed import encoder_of, load_features
from sslviz.features.embed import embed
from sslviz.features.evidence import TRAINED, find_function
from sslviz.features.features import Features
from sslviz.features.pictures import Pictures
from sslviz.runs import Checkpoint, Run

Enough = Callable[[Features], bool]  # of what was seen so far


def show_in_rounds(
    run: Run, checkpoint: Checkpoint, pictures: Pictures, encoders: Collection[str], fit_digest: str | None
) -> None:
    """Keeps in the run folder what each of these encoders makes of as many rounds of pictures as are needed.

    What an older sslviz showed at once counts as all rounds.
    """
    needed = pictures.rounds
    for name in encoders:
        encoder = encoder_of(checkpoint, name)
        enough = _rule(run, checkpoint, pictures, fit_digest) if name == TRAINED else None
        seen = _show(run, encoder, pictures, needed, enough)
        if name == TRAINED:
            needed = seen


def _show(run: Run, encoder: Checkpoint, pictures: Pictures, needed: int, enough: Enough | None) -> int:
    """Shows one encoder the rounds that it has not seen yet, until the rule says that it was enough; how many it has seen."""
    stimulus, digest = pictures.stimulus, pictures.images.digest
    features = load_features(run, encoder.key, digest, stimulus.layer, encoder.digest, pictures.precision)
    if features is not None and "rounds" not in features.source:
        return pictures.rounds
    while features is None or len(features.source["rounds"]) < needed:
        if enough is not None and features is not None and features.source["enough"]:
            break
        run.check_writable("features")
        number = 0 if features is None else len(features.source["rounds"])
        precision = (
            pictures.precision if features is None else features.source.get("precision", "fp32")
        )  # as the rounds before
        shown = embed(encoder, pictures.round(number), precision=precision, progress=False)
        features = _joined(features, shown, len(pictures.sample))
        ended = enough is not None and len(features.source["rounds"]) < needed and enough(features)
        features = _with_source(features, enough=ended)
        features.save(run.features_stem(encoder.key, digest, stimulus.layer, writing=True))
    return len(features.source["rounds"])


def _rule(run: Run, checkpoint: Checkpoint, pictures: Pictures, fit_digest: str | None) -> Enough:
    """Whether what was seen is enough, beside what the checkpoint makes of the images, which it was shown before."""
    images = pictures.images
    rule = find_function(pictures.stimulus.enough)

    def enough(seen: Features) -> bool:
        whole = Features.load(run.features_stem(checkpoint.key, images.digest)).grouped_by(images.group)
        fit = Features.load(run.features_stem(checkpoint.key, fit_digest)) if fit_digest else None
        return bool(rule(whole, None if fit is None else fit.grouped_by(images.group), seen))

    return enough


def _joined(features: Features | None, shown: Features, of: int) -> Features:
    """The features of all rounds, of at most `of` images; their `source` lists the digest of the pictures of each."""
    before = [] if features is None else [*features.source["rounds"]]
    rounds = [*before, shown.source["images"]]
    both = [shown] if features is None else [features, shown]
    whole = Features(
        np.concatenate([part.x for part in both]),
        np.concatenate([part.ids for part in both]),
        pd.concat([part.table for part in both], ignore_index=True),
        shown.source,
    )
    images = hashlib.blake2b("".join(rounds).encode(), digest_size=8).hexdigest()
    return _with_source(whole, images=images, spec="", rounds=rounds, of=of)


def _with_source(features: Features, **said: Any) -> Features:
    return Features(features.x, features.ids, features.table, {**features.source, **said}, features.group)
