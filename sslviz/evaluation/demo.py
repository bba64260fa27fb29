"""What does sslviz show?  Three small encoders, of which the one with the best-looking loss is the worst."""

from __future__ import annotations

from pathlib import Path
from typing import Any

IMAGES = "shapes:n=8000,bias=0.95"
EPOCHS = 12
# Measured on seeds 0, 1 and 2 (tests/benchmarks/demo.py).  Crops this large keep the object in both views, and a hue that
# turns all the way round leaves shape as the easiest thing the views still share.
CROPS = {"scale": (0.6, 1.0)}
JITTER = {"brightness": 0.4, "contrast": 0.4, "saturation": 0.8, "hue": 0.5}
NO_JITTER = {"jitter_prob": 0.0, "gray_prob": 0.0}
RUNS: dict[str, dict[str, Any]] = {
    "simclr": {"method": "simclr", "settings": {"temperature": 0.1, **CROPS, **JITTER}, "learning_rate": 4e-3},
    "simclr-no-jitter": {
        "method": "simclr",
        "settings": {"temperature": 0.1, **CROPS, **NO_JITTER},
        "learning_rate": 4e-3,
    },
    "collapsed": {"method": "simsiam", "settings": {"stop_gradient": False, **CROPS, **JITTER}, "learning_rate": 3e-2},
}


def demo(runs: str | Path = "runs", *, seed: int = 0, progress: bool = True) -> dict[str, dict[str, Any]]:
    """What does sslviz show?  Trains the three runs of the demo into `runs` and diagnoses them; finished ones are kept.

    simclr (strong colour jitter), simclr-no-jitter (none) and collapsed (SimSiam without its stop-gradient).  An
    interrupted demo goes on where it stopped.  Returns {run: {diagnostic: Result}}.
    """
    from sslviz.data import load_images
    from sslviz.evaluation.diagnose import diagnose
    from sslviz.evaluation.questions import scored_and_fit
    from sslviz.training.pretrain import pretrain

    images = load_images(f"{IMAGES},seed={seed}")
    options: dict[str, Any] = {
        "held_out": images.split("probe"),
        "epochs": EPOCHS,
        "batch_size": 128,
        "seed": seed,
        "progress": progress,
    }
    train = images.split("train")
    made = [
        pretrain(train, out=Path(runs) / name, resume=True, **options, **arguments) for name, arguments in RUNS.items()
    ]
    scored, fit = scored_and_fit(images)
    return diagnose(made, scored, fit=fit, progress=progress)
