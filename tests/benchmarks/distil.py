"""Is a distilled student worth more than one that learns alone for as long, and than the teacher's own components?

A teacher (resnet10t, 512 features, unless another is named) is pretrained on shapes; a conv_nano learns from it, and
another one learns alone with the same method for as many seconds.  Beside them: the student untrained, and as many
principal components of the teacher as the student has features.

    python tests/benchmarks/distil.py [--images 4000] [--epochs 6]
"""

import argparse
import tempfile
import time
from dataclasses import replace

import numpy as np
from hardware import header
from sklearn.decomposition import PCA

import sslviz

SEEDS = 3
COLUMNS = ("shape", "color")


def main():
    """Prints a row for each encoder: probes of two columns and likeness to the teacher, over seeds."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=int, default=4000)
    parser.add_argument("--epochs", type=int, default=6)
    parser.add_argument("--seeds", type=int, default=SEEDS)
    parser.add_argument("--teacher", default="resnet10t")
    given = parser.parse_args()
    print(header("torch", "timm"))
    rows: dict[str, list] = {}
    for seed in range(given.seeds):
        for name, numbers in trial(given.images, given.epochs, seed, given.teacher).items():
            rows.setdefault(name, []).append(numbers)
    print(f"{'':28}{'shape':>16}{'color':>16}{'CKA to teacher':>18}{'seconds':>10}")
    for name, numbers in rows.items():
        mean, spread = np.mean(numbers, 0), np.ptp(numbers, 0)
        cells = "".join(f"{m:>9.3f} ±{s / 2:.3f}" for m, s in zip(mean[:3], spread[:3], strict=True))
        print(f"{name:28}{cells}{mean[3]:>12.1f}")


def trial(n, epochs, seed, network):
    """{encoder: (accuracy of shape, of colour, CKA to the teacher, seconds of training)}."""
    images = sslviz.shapes(n=n, seed=seed)
    train, fit, test = (images.split(name) for name in ("train", "probe", "test"))
    with tempfile.TemporaryDirectory() as folder:
        options = {"seed": seed, "progress": False, "held_out": fit.rows(np.arange(min(200, len(fit))))}
        teacher, taught = timed(
            sslviz.pretrain, train, "simclr", encoder=network, out=f"{folder}/teacher", epochs=epochs, **options
        )
        student, seconds = timed(sslviz.distil, teacher.last, train, out=f"{folder}/student", epochs=epochs, **options)
        rate = student.history["images_per_second"].iloc[-1] / 256
        alone, lonely = timed(
            sslviz.pretrain, train, "simclr", out=f"{folder}/alone", steps=max(1, int(rate * seconds)), **options
        )
        encoders = {
            "teacher": (teacher.last, taught),
            "student, distilled": (student.last, seconds),
            "student, alone": (alone.last, lonely),
            "student, untrained": (student.checkpoints[0], 0.0),
        }
        features = {
            name: [sslviz.embed(c, part, progress=False) for part in (fit, test)] + [s]
            for name, (c, s) in encoders.items()
        }
        width = features["student, distilled"][0].x.shape[1]
        features["teacher, components"] = [*components(*features["teacher"][:2], width), 0.0]
    theirs = features["teacher"][1]
    return {name: measured(*three, theirs) for name, three in features.items()}


def timed(function, *arguments, **options):
    """The run, and the seconds it took."""
    began = time.perf_counter()
    return function(*arguments, **options), time.perf_counter() - began


def components(fit, test, d):
    """The first d principal components of the teacher, fitted on one part.

    Turned at random: a probe standardises columns, which would blow up the last components as if they were the first.
    """
    pca = PCA(min(d, len(fit))).fit(fit.x)
    turn = np.linalg.qr(np.random.default_rng(0).normal(size=2 * (pca.n_components_,)))[0]
    return [replace(part, x=(pca.transform(part.x) @ turn).astype(np.float32)) for part in (fit, test)]


def measured(fit, test, seconds, theirs):
    """Accuracies of linear probes, likeness to the teacher, seconds."""
    accuracies = [sslviz.linear_probe(test, column, fit=fit).scores()["accuracy"].value for column in COLUMNS]
    return (*accuracies, sslviz.similarity(test, theirs).scores()["cka"].value, seconds)


if __name__ == "__main__":
    main()
