import inspect
import os
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, settings

collect_ignore_glob = ["benchmarks/*", "fixtures/*", "browser/screenshots.py"]  # scripts, not tests

os.environ.setdefault("HF_HUB_OFFLINE", "1")  # no test may reach for the network
os.environ.setdefault("OMP_NUM_THREADS", "1")  # there are as many test processes as processors

# The same examples on every machine and in every run; slow ones are no failure on a busy machine.
settings.register_profile(
    "sslviz",
    derandomize=True,
    database=None,
    deadline=None,
    max_examples=60,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
settings.load_profile("sslviz")


# Files that take more than half a minute.  Processes are given whole files: these first, the longest of all at the front,
# so that none is left waiting for one.
LONG_FILES = (
    "test_notebooks", "test_app", "test_browser", "test_pretrain", "test_short_training", "test_maps", "test_collapse",
    "test_method", "test_cli", "test_contract", "test_bias", "test_findings", "test_study", "test_audit", "test_jupyter",
)  # fmt: skip


def pytest_collection_modifyitems(items):
    """The long files come first, in this order; all others stay as they are."""
    items.sort(key=lambda item: LONG_FILES.index(item.path.stem) if item.path.stem in LONG_FILES else len(LONG_FILES))


@pytest.fixture(autouse=True)
def the_global_random_state_stays_as_it_is():
    """Every random choice takes a seed: no test of ours may find numpy's or torch's global state moved."""
    import sys

    before = np.random.get_state()[1].copy()
    torch = sys.modules.get("torch")
    torch_before = torch.get_rng_state() if torch else None
    yield
    assert (np.random.get_state()[1] == before).all(), "numpy's global random state was touched"
    if torch_before is not None:
        assert (torch.get_rng_state() == torch_before).all(), "torch's global random state was touched"


@pytest.fixture
def freeze(monkeypatch):
    """`freeze(folder)`: from now on no file can be written below it, as on a read-only file system.

    Nothing is mounted and no permission taken away, which would not bind a superuser: opening a file there fails."""
    import builtins
    import errno

    def make(folder):
        open_before, mkdir_before = builtins.open, os.mkdir

        def refuse(path):
            if folder in (Path(path).absolute(), *Path(path).absolute().parents):
                raise OSError(errno.EROFS, os.strerror(errno.EROFS), str(path))

        def open_(file, mode="r", *args, **kwargs):
            if set(mode) & set("wxa+") and isinstance(file, str | os.PathLike):
                refuse(file)
            return open_before(file, mode, *args, **kwargs)

        def mkdir(path, *args, **kwargs):
            refuse(path)
            mkdir_before(path, *args, **kwargs)

        monkeypatch.setattr(builtins, "open", open_)
        monkeypatch.setattr(os, "mkdir", mkdir)

    return make


@pytest.fixture(scope="session")
def in_processes(tmp_path_factory):
    """`in_processes([(words, death), ...])`: commands one after the other, each in a process of its own: their exit codes.

    `death` is None, or (module, function, n): the process is killed (kill -9) in the n-th call of that function, which is
    the same moment on an idle machine and on a busy one.  With a fourth, a pattern, only calls count whose last argument
    is like it.  With `at_once=True` they are the processes of one launch, as torchrun would begin them.  What they print is
    printed.  All are forks of one process, which loads torch once for all tests that ask for it."""
    import json
    import subprocess
    import sys

    errors = tmp_path_factory.mktemp("processes") / "errors"
    with open(errors, "w") as file:
        forks = subprocess.Popen(
            [sys.executable, "-P", str(Path(__file__).with_name("forks.py"))],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=file,
            text=True,
            env={**os.environ, "OMP_NUM_THREADS": "1"},
        )

    def run(commands, at_once=False):
        begun = [([str(word) for word in words], death) for words, death in commands]
        print(json.dumps([begun, at_once]), file=forks.stdin, flush=True)
        for line in forks.stdout:
            if line.startswith("ended "):
                codes = json.loads(line.removeprefix("ended "))
                break
            print(line, end="")
        else:
            pytest.fail(errors.read_text())
        assert 70 not in codes, errors.read_text()
        return codes

    yield run
    forks.stdin.close()
    forks.wait()


@pytest.fixture(scope="session")
def two_processes():
    """`two_processes(function, *arguments)`: `function(rank, *arguments)` in two processes at once.

    Both are forks of one that has loaded torch and timm and done nothing with them, which takes seconds once, not twice."""
    import multiprocessing

    from torch.multiprocessing import start_processes

    multiprocessing.set_forkserver_preload(["torch", "timm", "sslviz.encoders", "sslviz.methods"])

    def run(function, *arguments):
        start_processes(function, arguments, nprocs=2, start_method="forkserver")

    return run


@pytest.fixture(scope="session")
def planted_evidence():
    """`planted_evidence(n=240, d=24, seed=0)`: all that a diagnostic may be given of a checkpoint, with three classes planted.

    `label` is one of three directions, `coin` has nothing to do with anything; the projector keeps half of the
    dimensions, and of 40 objects there are five views each; 40 are drawn again with label, coin or tilt changed, and seen
    again with hue or flip alone, or through fog and snow; the target is another domain, moved by half.
    It is made once: nothing in it can be written into."""
    from sslviz.features import Features
    from sslviz.features.evidence import Evidence

    @cache
    def make(n=240, d=24, seed=0, shift=3.0):
        rng = np.random.default_rng(seed)
        label = np.arange(n) % 3
        table = {"label": np.array(["a", "b", "c"])[label], "coin": np.array(["heads", "tails"])[rng.integers(0, 2, n)]}
        x = rng.normal(size=(n, d)) + shift * np.eye(3, d)[label]
        features = Features.from_array(x, table=table, name="planted")
        noise = Features.from_array(rng.normal(size=(n, d)), table=table, ids=features.ids, name="noise")
        projector = Features.from_array(x[:, : d // 2], table=table, ids=features.ids, name="planted")
        objects, views = np.repeat(np.arange(40), 5), np.tile(np.arange(5), 40)
        seen = Features.from_array(
            x[objects] + 0.3 * rng.normal(size=(200, d)), table={"object": objects.astype(str), "view": views}
        )
        changed = {
            "object": np.tile(np.arange(40), 4).astype(str),
            "changed": np.repeat(["", "label", "coin", "tilt"], 40),
        }
        steps = np.repeat(np.array([0, 2.0, 0.3, 0.3])[:, None], 40, axis=0) * rng.normal(size=(160, d))
        moved, noisy = (
            Features.from_array(np.tile(rng.normal(size=(40, d)), (4, 1)) + step, table=changed)
            for step in (steps, 0.5 * (steps != 0) * rng.normal(size=(160, d)))
        )
        hue = np.r_[np.zeros(40), rng.uniform(-1, 1, 40), np.full(40, np.nan)]
        steps = np.nan_to_num(hue)[:, None] * np.eye(d)[3] + np.repeat([0, 0.1, 0.1], 40)[:, None] * rng.normal(
            size=(120, d)
        )
        altered, blurred = (
            Features.from_array(
                np.tile(rng.normal(size=(40, d)), (3, 1)) + scale * steps,
                table={"object": changed["object"][:120], "changed": np.repeat(["", "hue", "flip"], 40), "amount": hue},
            )
            for scale in (1, 2)
        )
        kinds = [("", 0), ("fog", 1), ("fog", 2), ("snow", 1), ("snow", 2)]
        spoilt, worse = (
            Features.from_array(
                np.concatenate([(1 - 0.3 * s) * of.x[:40] for _, s in kinds]) + 0.1 * rng.normal(size=(200, d)),
                table={
                    "object": np.tile(features.ids[:40], 5),
                    "changed": np.repeat([f"{kind} {s}" if kind else "" for kind, s in kinds], 40),
                    "corruption": np.repeat([kind for kind, _ in kinds], 40),
                    "severity": np.repeat([s for _, s in kinds], 40),
                },
            )
            for of in (features, noise)
        )
        there, unlike = (
            Features.from_array(of.x[::-1] + 0.5, table=features.table[::-1].reset_index(drop=True), ids=elsewhere)
            for elsewhere in [[f"t{i}" for i in range(n)]]
            for of in (features, noise)
        )
        return Evidence(
            {
                "images": {"trained": features, "untrained": noise},
                "target": {"trained": there, "untrained": unlike},
                "projector": {"trained": projector},
                "views": {"trained": seen},
                "altered": {"trained": altered, "untrained": blurred},
                "changed": {"trained": moved, "untrained": noisy},
                "corrupted": {"trained": spoilt, "untrained": worse},
            }
        )

    return make


@pytest.fixture(scope="session")
def asked_maps():
    """`asked_maps(name, seed=0)`: what an untrained encoder answers to one of the catalog's explanations, on eight pictures."""
    import torch

    import sslviz
    from sslviz.runs import Checkpoint

    images = sslviz.shapes(n=8, seed=0)

    def make(name, seed=0):
        encoder = "vit_nano" if name == "attention" else "conv_nano"
        checkpoint = Checkpoint("planted", 0, {"name": encoder, "image_size": 32}, None, 1 + seed)
        if name == "explain_pair":
            pair = (images.rows(np.array([i])) for i in (0, 1))
            return sslviz.explain_pair(checkpoint, *pair, grid=2, orders=2, progress=False)
        if name == "attention":
            return sslviz.attention(checkpoint, images, progress=False)
        if name == "reconstruct":
            head = {"method": "denoising", "settings": {}}
            return sslviz.reconstruct(replace(checkpoint, head=head), images, progress=False)
        maps = sslviz.attribute(checkpoint, images, method="saliency", progress=False)
        if name == "attribute":
            return maps
        others = {"untrained": sslviz.attribute(checkpoint.untrained(), images, method="saliency", progress=False)}
        return sslviz.faithfulness(maps, checkpoint, images, steps=4, control_maps=others, progress=False)

    def on_one_thread(name, seed=0):
        before = torch.get_num_threads()
        torch.set_num_threads(1)  # threads that wait for each other take longer than the work itself
        try:
            return make(name, seed)
        finally:
            torch.set_num_threads(before)

    return on_one_thread


SMALL_TRANSFERS = {"steps": 2, "draws": 2, "shots": (2,), "rounds": 1, "batch_sizes": (1, 4), "tasks": 2}


@pytest.fixture(scope="session")
def asked_transfers():
    """`asked_transfers(name)`: what an untrained encoder answers to a question of transfer, on a few drawn pictures.

    `checkpoint` and `asked` are what it is asked of.  Each answer is computed once, unless other images are given.
    """
    import sslviz
    from sslviz.catalog import find_entry
    from sslviz.evaluation.worth import prepared

    head = {"method": "simclr", "settings": {}}  # by which one question goes on training
    checkpoint = sslviz.Checkpoint("planted", 0, {"name": "conv_nano", "image_size": 32}, None, 1, head)
    images = sslviz.tagged_shapes(n=160, seed=0)  # has masks of several classes, and factors to change
    there = sslviz.tagged_shapes(n=160, seed=1).split("test")
    asked = prepared(images.split("test"), images.split("train"), "label", there)

    def compute(name, images=None):
        entry = find_entry(name)
        taken = inspect.signature(entry.compute).parameters
        small = {key: value for key, value in SMALL_TRANSFERS.items() if key in taken}
        return entry.compute(checkpoint, images or asked.images, **asked.arguments(entry), **small, progress=False)

    once = cache(compute)

    def make(name, images=None):
        return once(name) if images is None else compute(name, images)

    make.checkpoint, make.asked = checkpoint, asked
    return make
