"""How long does it take to say what an encoder is worth with few labels?  Beside scikit-learn's fits of the same draws.

python tests/benchmarks/low_label.py [--rounds 3]

5,000 images of ten classes, half of them to draw labels from; 512 features, and three controls of as many; five numbers
of labels, ten draws of each.  Seconds are of the wall and of the processor, since other work on the machine moves the
first.  scikit-learn gets the penalties that were chosen, so that its time holds no choice.
"""

import argparse
import time

import numpy as np
from hardware import header, spread, verdict

from sslviz.features import Features
from sslviz.features.columns import stratified_half
from sslviz.transfer.label_draws import label_draws
from sslviz.transfer.low_label import SHOTS, low_label

N, D, CLASSES, TARGET = 5000, 512, 10, 10
CODES = np.arange(N) % CLASSES


def space(shift, seed):
    """Classes `shift` apart, in features that vary much along some directions and little along others."""
    rng = np.random.default_rng(seed)
    directions = np.linspace(3, 0.1, D)[:, None] * np.linalg.qr(rng.normal(size=(D, D)))[0]
    x = (rng.normal(size=(N, D)) + shift * rng.normal(size=(CLASSES, D))[CODES]) @ directions
    return Features.from_array(x, table={"label": CODES})


def timed(task):
    """Seconds of the wall and of the processor, and the answer."""
    wall, busy = time.perf_counter(), time.process_time()
    answer = task()
    return time.perf_counter() - wall, time.process_time() - busy, answer


def scikit_learn(features, result):
    """The accuracies of the same fits, one at a time; all labels are left out."""
    from sklearn.linear_model import LogisticRegression

    half = stratified_half(features.column("label").astype(str), 0)
    fit, scored = features.x[half], features.x[~half]
    center, scale = fit.mean(axis=0), fit.std(axis=0)
    fit, scored = (fit - center) / scale, (scored - center) / scale
    codes, truth = CODES[half], CODES[~half]
    found = []
    for k, drawn in label_draws(codes, SHOTS, 10, 0).items():
        for rows in drawn:
            model = LogisticRegression(C=result.penalties["features"][str(k)], max_iter=1000).fit(
                fit[rows], codes[rows]
            )
            found.append((model.predict(scored) == truth).mean())
    return np.array(found).reshape(len(SHOTS), 10)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=3)
    rounds = parser.parse_args().rounds
    features = space(0.25, 0)
    controls = {f"control {i}": space(0.1 + 0.02 * i, i) for i in (1, 2, 3)}
    low_label(features.rows(np.arange(200)), shots=(1,))  # imports and warms up
    print(header("numpy", "scipy", "scikit-learn"))
    ours = [timed(lambda: low_label(features, control_features=controls)) for _ in range(rounds)]
    result = ours[0][2]
    theirs = [timed(lambda: scikit_learn(features, result)) for _ in range(rounds)]
    print(f"\n{N:,} x {D}, {len(SHOTS)} numbers of labels x 10 draws; min / median / max of {rounds} rounds")
    for name, seconds in (
        ("four encoders, penalties chosen", ours),
        ("scikit-learn, one encoder, given penalties", theirs),
    ):
        wall, busy, _ = zip(*seconds, strict=True)
        print(f"{name:46}{spread(wall, '.1f'):>22} s{spread(busy, '.1f'):>22} s of the processor")
    print(
        verdict(
            "four encoders, of the processor", sorted(busy for _, busy, _ in ours)[rounds // 2], TARGET, " s", False
        )
    )
    print(verdict("four encoders, of the wall", sorted(wall for wall, _, _ in ours)[rounds // 2], TARGET, " s", False))
    off = np.abs(result.accuracy - theirs[0][2]).max()
    print(verdict("accuracy beside scikit-learn's, the furthest draw", off, 0.005, " off", at_least=False))


if __name__ == "__main__":
    main()
