"""How fast is pretraining beside a plain loop?  Images/s through the same encoder, measured in turns in one run.

pip install lightly
python tests/benchmarks/pretrain.py [--encoder conv_nano] [--batch 256] [--steps 10] [--rounds 4]

Ours is `sslviz.pretrain` itself, as anyone calls it, and once more held to float32, which is all that the plain loop
knows; loops.py says what that is.  Every round runs both, one after the other; a ratio is taken within its round.
"""

import argparse

from hardware import header, verdict
from loops import DEVICE, in_turns, report

import sslviz
from sslviz.training.devices import choose_precision

WORKERS = 2


def chosen_precision(asked):
    return choose_precision() if asked == "auto" else asked


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--encoder", default="conv_nano")
    parser.add_argument("--batch", type=int, default=256)
    parser.add_argument("--steps", type=int, default=10, help="timed in every round")
    parser.add_argument("--rounds", type=int, default=4)
    args = parser.parse_args()

    print(header("torch", "torchvision", "lightly", "timm", device=DEVICE))
    print(f"SimCLR, {args.encoder}, 32 px, batch {args.batch}; min / median / max of {args.rounds} rounds\n")
    images = sslviz.shapes((args.steps + WORKERS) * args.batch)
    for precision in ("32-true", "auto"):
        options = {"workers": WORKERS, "rounds": args.rounds, "steps": args.steps, "precision": precision}
        ours, theirs = in_turns(images, args.encoder, args.batch, **options)
        print(f"precision {precision}: {chosen_precision(precision)}")
        _, _, ratio, share = report(ours, theirs, WORKERS)
        print()
    print(verdict("pretraining", ratio, 3))
    print(verdict("views", share, 10, unit=" %", at_least=False))


if __name__ == "__main__":
    main()
