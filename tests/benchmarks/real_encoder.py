"""How long do `diagnose`, `explain` and an audit of a real encoder at 224 px take, from an empty run folder?

python tests/benchmarks/real_encoder.py [--encoder efficientnet_lite0] [--weights FILE --match order] [--images 1610]

The pictures are tagged shapes with one label and four attributes.  Without --weights the encoder's are random: it takes
as long, and the audit goes on where it calls the encoder collapsed.  Each of the three starts from a folder of its own."""

import argparse
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import safetensors.torch
from hardware import header

import sslviz
from sslviz.data import Images
from sslviz.reports.audit.audit import audit
from sslviz.reports.audit.page import audit_page
from sslviz.reports.audit.plan import make_plan
from sslviz.reports.explain.explain import chosen, explain


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--encoder", default="efficientnet_lite0")
    parser.add_argument("--weights", type=Path)
    parser.add_argument("--match", default=None)
    parser.add_argument("--images", type=int, default=1610)
    parser.add_argument("--only", nargs="*", default=["diagnose", "explain", "audit"])
    args = parser.parse_args()
    print(header("torch", "timm", "scikit-learn"), flush=True)
    images = pictures(args.images)
    few, _ = chosen(images, most=12)
    plan = replace(make_plan(images.table, None), despite_collapse=True)
    questions = {
        "diagnose": lambda run: sslviz.diagnose(run, images, progress=False),
        "explain": lambda run: explain([run], few, everything=images, progress=False),
        "audit": lambda run: audit_page(audit(run, images, plan=plan, progress=False)),
    }
    for name in args.only:
        with tempfile.TemporaryDirectory() as folder:
            run = imported(Path(folder), args)
            wall, processor = time.perf_counter(), time.process_time()
            questions[name](run)
            wall, processor = time.perf_counter() - wall, time.process_time() - processor
        print(f"{name} of {args.encoder}: {wall:.0f} s, {processor:.0f} s of processors", flush=True)


def pictures(n):
    """Tagged shapes of 224 px as a folder would have them: one label, four attributes, no splits."""
    drawn = sslviz.tagged_shapes(n, size=224, seed=1)
    table = drawn.table[["shape", "tag_color", "texture"]].rename(columns={"shape": "label"})
    table["place"] = drawn.table["x"].gt(drawn.table["x"].median()).map({True: "right", False: "left"})
    table["size"] = drawn.table["radius"].gt(drawn.table["radius"].median()).map({True: "large", False: "small"})
    return Images(drawn.pixels, drawn.ids, table)


def imported(folder, args):
    """A run of the encoder with the weights given, or with random ones."""
    weights = args.weights
    if weights is None:
        weights = folder / "weights.safetensors"
        encoder = sslviz.create_encoder(args.encoder, image_size=224)
        safetensors.torch.save_file(encoder.model.state_dict(), weights)
    options = {"match": args.match} if args.match else {}
    run, _ = sslviz.import_checkpoint(
        args.encoder, weights=weights, image_size=224, mean="imagenet", std="imagenet", out=folder / "run", **options
    )
    return run


if __name__ == "__main__":
    main()
