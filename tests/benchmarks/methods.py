"""What does each method learn from the same budget?  All METHODS on `shapes` and `digits`, three seeds, side by side.

python tests/benchmarks/methods.py [--views 50000] [--seeds 3] [--methods simclr,mae] [--images shapes,digits]
                                   [--encoders conv_nano,vit_nano] [--every-encoder] [--jobs 2] [--out runs/methods]
                                   [--csv FILE] [--gpu]

Each method is one study (`sslviz.study`) for each source of images, with the first encoder that it can work with; with
`--every-encoder` also, on `shapes`, with each other one (a view costs vit_nano ten times what it costs conv_nano).  Two
run in parallel, one thread each.  Whatever is done is kept in --out: interrupted, the same command goes on.  Beside what a
study measures stand the accuracy after fine-tuning with few labels, from the checkpoint and from scratch, and the error
of reconstructions, where a method makes any.  The table is `sslviz/evaluation/study/study.csv`.  `--gpu` does none of this: it
times every method at full size (gpu.py).
"""

import argparse
import json
import os
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor, as_completed
from datetime import date
from importlib.util import find_spec
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import pandas as pd
import torch
import torch.nn.functional as F
from hardware import header

import sslviz
from sslviz.evaluation.study.measure import trained_watched_scored
from sslviz.evaluation.study.plan import built_arms, combined_arms, texts
from sslviz.evaluation.study.stored import STUDY, read_study, readme_study_table
from sslviz.features.columns import coded_values, place_in_class
from sslviz.features.embed import embed_pixels, preprocess, to_device
from sslviz.methods import METHODS
from sslviz.runs import Checkpoint, Run
from sslviz.runtime.files import atomic_write
from sslviz.statistics import t_interval

SPECS = {"shapes": "shapes:n=6000", "digits": "digits"}
BATCH = 64  # twice the steps of 128 from the same views: SimCLR's shape on `shapes` .60 instead of .53
RATES = {"conv_nano": 4e-3}  # learns faster than at the methods' own rates, as narrow as it is; others keep theirs
SETTINGS = {"wmse": {"out": 32}}  # half of the batch; all others as they are
VIEWS = 40_000  # of 27 methods, what makes `shapes` take an hour and a half on one core
PER_CLASS, TUNING_STEPS, TUNING_BATCH, TUNING_RATE = 20, 40, 64, 1e-3
RECONSTRUCTED = 200  # pictures
MEASURING = 6  # seconds of a run beside its training and fine-tuning
LAST = ["hardware", "date"]  # columns
KEY = ["images", "encoder", "method"]


# --- fine-tuning with few labels --------------------------------------------------------------------------------------


def fine_tuned(checkpoint, images, column, seed):
    """The accuracy on unseen pictures of encoder and linear head, trained on a few labelled pictures of each class."""
    _, _, scored, fit = trained_watched_scored(images)
    names, codes = coded_values(fit.table[column], column)
    rows = np.flatnonzero(place_in_class(codes, seed) < PER_CLASS)
    truth = pd.Index(names).get_indexer(pd.Index(scored.table[column].astype(str)))
    with torch.random.fork_rng(devices=range(torch.cuda.device_count())):
        torch.manual_seed(seed)
        encoder = to_device(checkpoint.encoder()).train()
        device = next(encoder.parameters()).device
        head = torch.nn.Linear(encoder.dim, len(names)).to(device)
        pixels, labels = torch.from_numpy(fit.pixels[rows]).to(device), torch.from_numpy(codes[rows]).to(device)
        optimizer = torch.optim.AdamW([*encoder.parameters(), *head.parameters()], TUNING_RATE, weight_decay=0.05)
        for _ in range(TUNING_STEPS):
            some = torch.randperm(len(rows))[:TUNING_BATCH]
            loss = F.cross_entropy(head(encoder(preprocess(pixels[some], encoder))), labels[some])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    x = torch.from_numpy(embed_pixels(encoder, scored.pixels))
    return float((head.cpu()(x).argmax(1).numpy() == truth).mean())


def with_interval(name, values):
    low, high = t_interval(np.array(values))
    return {name: float(np.mean(values)), f"{name}_low": low, f"{name}_high": high}


# --- one row ----------------------------------------------------------------------------------------------------------


def row_of(images_name, encoder, method, options):
    """Trains, measures and fine-tunes; a row of the table, kept in the study's folder.  Raises where it cannot be."""
    torch.set_num_threads(options["threads"])
    out = Path(options["out"]) / f"{images_name}-{encoder}-{method}"
    images, seeds = sslviz.load_images(SPECS[images_name]), options["seeds"]
    budget = {"views": options["views"], "seeds": seeds, "batch_size": BATCH, "progress": False}
    budget |= {"learning_rate": RATES.get(encoder)}
    result = sslviz.study(images, methods=method, encoders=encoder, out=out, **budget, settings=SETTINGS.get(method))
    (arm,) = result.arms.values()
    row = {"family": METHODS[method].family, "method": method, "encoder": encoder, "images": images.spec}
    table = result.table().iloc[0].drop(["arm", "method", "encoder", "settings"]).to_dict()
    row |= {name.replace(":", "_"): value for name, value in table.items()}
    row |= {f"beats_untrained_{c}": arm.beats_untrained(f"linear:{c}") for c in result.arguments["columns"]}
    file = out / "row.json"
    if file.exists():  # what is measured below
        return row | json.loads(file.read_text())
    runs = [Run(out / f"{method}-seed{seed}") for seed in range(seeds) if not arm.reason]
    scratch = Path(options["out"]) / f"scratch-{images_name}-{encoder}.json"
    more = beyond_the_study(runs, images, result.arguments["columns"][0], scratch)
    more |= {"hardware": options["hardware"], "date": str(date.today())}
    with atomic_write(file) as written:
        written.write(json.dumps(more).encode())
    return row | more


def beyond_the_study(runs, images, column, scratch_file):
    if not runs:
        return {}
    tuned = [fine_tuned(run.last, images, column, seed) for seed, run in enumerate(runs)]
    if not scratch_file.exists():  # the same for every method
        spec = runs[0].info["encoder"]
        scratch = [fine_tuned(Checkpoint("", 0, spec, None, seed), images, column, seed) for seed in range(len(runs))]
        with atomic_write(scratch_file) as file:
            file.write(json.dumps(scratch).encode())
    scratch = json.loads(scratch_file.read_text())
    return (
        with_interval("few_labels", tuned) | with_interval("few_labels_scratch", scratch) | reconstruction(runs, images)
    )


def reconstruction(runs, images):
    if not hasattr(METHODS[runs[0].info["arguments"]["method"]], "reconstruct"):
        return {}
    if find_spec("sslviz.explanations.reconstruction") is None:
        return {}
    from sslviz.explanations.reconstruction import reconstruct

    scored = trained_watched_scored(images)[2]
    few = scored.rows(np.arange(min(RECONSTRUCTED, len(scored))))
    errors = [reconstruct(run.last, few, progress=False).scores()["error"] for run in runs]
    return with_interval("reconstruction_error", [e.value for e in errors]) | with_interval(
        "reconstruction_control", [e.control for e in errors]
    )


# --- all rows ---------------------------------------------------------------------------------------------------------


def planned(images_names, encoders, methods, every_encoder=False):
    """[(images, encoder, method)] that can be, and {(images, encoder, method): why not}."""
    arms = built_arms(combined_arms(methods, encoders, {}, {}, {"batch_size": BATCH}), 32)
    why = {(arm.encoder, arm.method): arm.reason for arm in arms}
    tasks, left_out = [], {}
    for name in images_names:
        for method in methods:
            able = [encoder for encoder in encoders if not why[encoder, method]]
            tasks += [(name, encoder, method) for encoder in (able if every_encoder and name == "shapes" else able[:1])]
            left_out |= {(name, e, method): why[e, method] for e in encoders if why[e, method]}
    return tasks, left_out


def views_per_second(encoder, out):
    """The rate of SimCLR on one thread, from a few steps."""
    images = sslviz.shapes(n=4 * BATCH).split("train")
    options = {"steps": 6, "batch_size": BATCH, "held_out": images.rows(range(64)), "progress": False}
    run = sslviz.pretrain(images, "simclr", out=out, encoder=encoder, **options)
    return 2 * run.history["images_per_second"].iloc[-1]


def expected_minutes(tasks, options, folder):
    rates = {encoder: views_per_second(encoder, Path(folder) / encoder) for encoder in {e for _, e, _ in tasks}}
    tuning = TUNING_STEPS * TUNING_BATCH  # pictures of a fine-tuning
    seconds = sum(options["seeds"] * ((options["views"] + tuning) / rates[e] + MEASURING) for _, e, _ in tasks)
    said = ", ".join(f"{encoder} {rate:,.0f}" for encoder, rate in rates.items())
    return seconds / options["jobs"] / 60, f"views a second of SimCLR on one thread: {said}"


def write_csv(path, rows):
    """Replaces the rows of the same images, encoder and method, and keeps the others, in the order of METHODS."""
    table = pd.DataFrame(rows)
    if path.exists():
        table = pd.concat([table, read_study(path)]).drop_duplicates(KEY)
    order = {name: i for i, name in enumerate(METHODS)}
    table = table[table["method"].isin(order)].sort_values(KEY[:2], kind="stable")
    table = table.sort_values("method", key=lambda names: names.map(order), kind="stable")
    table = table[[name for name in table if name not in LAST] + LAST]
    numbers = table.select_dtypes("float").columns
    table[numbers] = table[numbers].map(lambda x: float(f"{x:.4g}"))
    with atomic_write(path) as file:
        table.to_csv(file, index=False)
    return table


def run(options):
    tasks, left_out = planned(*(options[name] for name in ("images", "encoders", "methods", "every_encoder")))
    for (_, encoder, method), why in {(0, *key[1:]): why for key, why in left_out.items()}.items():
        print(f"{method} with {encoder} is left out: {why}")
    print(f"{len(tasks)} studies of {options['seeds']} runs with {options['views']:,.0f} views each")
    rows, failed, began = [], {}, time.perf_counter()
    with ProcessPoolExecutor(options["jobs"], mp_context=get_context("spawn")) as pool:
        waiting = {pool.submit(row_of, *task, options): task for task in tasks}
        for done, future in enumerate(as_completed(waiting), 1):
            try:
                rows.append(future.result())
                said = rows[-1]["verdict"] or rows[-1]["reason"]
            except ValueError as error:
                failed[waiting[future]] = said = str(error)
            minutes = (time.perf_counter() - began) / 60
            left = minutes / done * (len(tasks) - done)
            print(f"{done}/{len(tasks)} {' '.join(waiting[future])}: {said}  ({left:.0f} min left)", flush=True)
    return rows, failed


def parsed(words=None):
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--views", type=float, default=VIEWS, help="rendered in each run")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--images", default=",".join(SPECS))
    parser.add_argument("--encoders", default="conv_nano,vit_nano")
    parser.add_argument("--every-encoder", action="store_true", help="on shapes, each that a method can work with")
    parser.add_argument("--methods", default=",".join(METHODS))
    parser.add_argument("--jobs", type=int, default=len(os.sched_getaffinity(0)), help="studies at once, a thread each")
    parser.add_argument("--out", type=Path, default=Path("runs/methods"))
    parser.add_argument("--csv", type=Path, default=STUDY)
    parser.add_argument("--gpu", action="store_true", help="time every method at full size instead")
    return parser.parse_args(words)


def main(words=None):
    args = parsed(words)
    if args.gpu:
        import gpu

        return gpu.main(["--methods"])
    os.environ["OMP_NUM_THREADS"] = "1"
    hardware = header("torch", "timm", "scikit-learn", device="cuda" if torch.cuda.is_available() else "cpu")
    print(f"{hardware}; {date.today()}")
    options = vars(args) | {name: texts(getattr(args, name)) for name in ("images", "encoders", "methods")}
    options |= {"out": str(args.out), "hardware": hardware, "threads": 1}
    tasks, _ = planned(*(options[name] for name in ("images", "encoders", "methods", "every_encoder")))
    left = [task for task in tasks if not (args.out / "-".join(task) / "row.json").exists()]
    if left:
        torch.set_num_threads(1)
        with tempfile.TemporaryDirectory() as folder:
            minutes, said = expected_minutes(left, options, folder)
        print(f"{said}; {len(left)} studies to do, about {minutes:.0f} minutes with {args.jobs} at once", flush=True)
    rows, failed = run(options)
    if rows:
        write_csv(args.csv, rows)
        print(f"\n{args.csv}: {len(rows)} rows")
        print(readme_study_table(read_study(args.csv)))
    for task, why in failed.items():
        print(f"{' '.join(task)} failed: {why}")


if __name__ == "__main__":
    main()
