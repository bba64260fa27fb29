"""The run folder: a training's checkpoints, history, features and results, read and written in whole files only.

    runs/<name>/run.json                      every argument, seed, versions, device, seconds, images digest
                history.csv                   one row per evaluation
                checkpoints/000400.safetensors
                resume.pt                     enough to continue to the same weights
                features/<step>-<images digest>-<layer>.{npy,parquet,json}
                thumbnails/<images digest>.npy
                results/<digest>.npz

The folder is the whole interface between the machine that trains and the app: copy it, and the app works.
"""

from __future__ import annotations

import hashlib
import json
import subprocess
import zipfile
from collections.abc import Callable, Mapping
from functools import cache, cached_property
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from sslviz.runs.checkpoint import Checkpoint
from sslviz.runs.places import Places
from sslviz.runs.results import T, load_result, save_result
from sslviz.runtime.files import atomic_write, check_folder

if TYPE_CHECKING:
    import torch

    from sslviz.data import Images

FORMAT = 1  # of the run folder; a folder with a larger number was written by a newer sslviz
RESULTS = 1  # of the numbers in results/; a larger one, where a definition changes, means that old ones are not read


class Run:
    """Where do a training's checkpoints, history, features and results lie?  `Run(path)` opens a run folder.

    With `cache`, a folder, nothing is written into the run folder.  Features, results and what else is added lie in a
    folder of the run's name there, and are read from both.

    - path: the folder
    - name: what it is called: by default as the folder is
    - info: all that run.json holds

    ValueError, with the reason, for a folder that is not a run, or was written by a newer sslviz, and for a cache of
    another run.

    Example:
        >>> import tempfile, sslviz
        >>> folder = tempfile.TemporaryDirectory()
        >>> run = sslviz.Run.create(f"{folder.name}/mine", {"encoder": {"name": "conv_nano"}})
        >>> run.name, run.checkpoints, run.history.empty
        ('mine', [], True)
    """

    def __init__(self, path: str | Path, *, cache: str | Path | None = None, name: str = "") -> None:
        self.path = Path(path)
        self.name = name or self.path.resolve().name
        if self.path.is_file():
            raise ValueError(
                f"{self.path} is a file, and a run is a folder. For a file of weights, make a run of it first: "
                f"`sslviz import --encoder NAME --weights {self.path} --out RUN`."
            )
        if not (self.path / "run.json").exists():
            raise ValueError(f"{self.path} is not a run: it holds no run.json.")
        self.places = Places.of(self.path, cache)
        try:
            self.info: dict[str, Any] = self.places.info()
        except (OSError, ValueError) as error:
            raise ValueError(f"{self.path}/run.json cannot be read ({error}).") from None
        if self.info.get("format", 0) > FORMAT:
            raise ValueError(f"{self.path} was written by a newer sslviz; upgrade sslviz to read it.")

    @classmethod
    def create(cls, path: str | Path, info: Mapping[str, Any]) -> Run:
        """A new run folder with its run.json; ValueError where something already lies at `path`, unless it is empty."""
        path = Path(path)
        check_new_run(path)
        run = cls.__new__(cls)
        run.path, run.name, run.info, run.places = path, path.resolve().name, {}, Places(path)
        run.update(format=FORMAT, versions=_versions(), git=_git_sha(), **info)
        return run

    def update(self, **info: Any) -> None:
        """Adds to run.json, and keeps what another process may have written there since this run was opened."""
        self.info = self.places.add(info)

    def check_writable(self, *folders: str) -> None:
        """Asks before the work whether what is computed can be kept; ValueError, saying what to do, if not.

        - folders: of the run folder, where something is to be written; by default any of them
        """
        self.places.check(*folders)

    @cached_property
    def history(self) -> pd.DataFrame:
        """One row per evaluation: step, epoch, loss, learning rate, images/s, kNN accuracy, RankMe, std; may be empty."""
        path = self.path / "history.csv"
        return pd.read_csv(path) if path.exists() else pd.DataFrame({"step": [], "epoch": [], "loss": []})

    def write_history(self, rows: list[dict[str, Any]]) -> None:
        """Replaces history.csv."""
        with atomic_write(self.path / "history.csv") as file:
            pd.DataFrame(rows).to_csv(file, index=False)
        self.__dict__.pop("history", None)

    @property
    def checkpoints(self) -> list[Checkpoint]:
        """All checkpoints, first step first."""
        files = sorted((self.path / "checkpoints").glob("[0-9]*.safetensors"))
        return [self._checkpoint(int(file.stem), file) for file in files]

    def _checkpoint(self, step: int, file: Path) -> Checkpoint:
        arguments = self.info.get("arguments", {})
        listed = "method" in arguments and self.info.get("kind", "pretrain") == "pretrain"  # others have no such head
        head = {k: arguments[k] for k in ("method", "settings") if k in arguments} if listed else None
        return Checkpoint(self.name, step, self.info["encoder"], file, head=head)

    @property
    def last(self) -> Checkpoint:
        """The checkpoint with the most steps; ValueError where there is none yet."""
        if not self.checkpoints:
            raise ValueError(f"{self.path} holds no checkpoint yet.")
        return self.checkpoints[-1]

    def save_checkpoint(self, step: int, tensors: Mapping[str, torch.Tensor]) -> Checkpoint:
        """Writes checkpoints/<step>.safetensors."""
        from safetensors.torch import save

        path = self.path / "checkpoints" / f"{step:06d}.safetensors"
        with atomic_write(path) as file:
            file.write(save({name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}))
        return self._checkpoint(step, path)

    def features_stem(self, key: str, digest: str, layer: str = "pooled", *, writing: bool = False) -> Path:
        """Where the features of one checkpoint (`Checkpoint.key`) lie, on the images with this digest; without suffix.

        With `writing`, where they are to be written, which is elsewhere for a run with a cache.
        """
        name = f"{key}-{digest}-{layer.replace('/', '_')}"
        if writing:
            return self.places.written / "features" / name
        return self.places.find(f"features/{name}.json").with_name(name)

    def save_thumbnails(self, images: Images, size: int = 64) -> None:
        """Writes the pictures, at most `size` pixels wide, so that the app needs nothing but the folder."""
        path = self.places.find(f"thumbnails/{images.digest}.npy")
        if path.exists():
            return
        self.check_writable("thumbnails")
        from PIL import Image

        pixels = images.pixels
        if max(images.size) > size:
            height, width = (max(1, round(s * size / max(images.size))) for s in images.size)
            pixels = np.stack([np.asarray(Image.fromarray(p).resize((width, height))) for p in pixels])
        with atomic_write(path) as file:
            np.save(file, pixels, allow_pickle=False)

    def thumbnails(self, digest: str) -> np.ndarray | None:
        """The pictures uint8 (n, h, w, 3) of stored features, in their order, as a memory map; None where there are none."""
        path = self.places.find(f"thumbnails/{digest}.npy")
        return np.load(path, mmap_mode="r", allow_pickle=False) if path.exists() else None

    def result(self, key: Mapping[str, Any], kind: type[T], compute: Callable[[], T]) -> T:
        """The result stored under `key`, or else computed, stored and returned; ValueError where it cannot be stored."""
        path = self.result_path(key)
        if path.exists():
            try:
                return load_result(path, kind)
            except (ValueError, OSError, KeyError, TypeError, zipfile.BadZipFile):
                pass  # written by another version, or damaged: compute it again
        self.check_writable("results")
        result = compute()
        save_result(self.places.written / "results" / path.name, result)
        return result

    def result_path(self, key: Mapping[str, Any]) -> Path:
        """Where the result with this key lies, or would lie."""
        text = json.dumps({"results": RESULTS, **key}, sort_keys=True, default=str)
        return self.places.find(f"results/{hashlib.blake2b(text.encode(), digest_size=8).hexdigest()}.npz")


def check_new_run(path: Path) -> None:
    """Asks before the work whether a run can be written here; ValueError where something lies there, or nothing can."""
    if path.exists() and (not path.is_dir() or any(not file.name.startswith(".") for file in path.iterdir())):
        raise ValueError(
            f"{path} already exists; choose another --out, or continue an interrupted pretraining with --resume."
        )
    check_folder(path)


@cache
def _versions() -> dict[str, str]:
    return {name: version(name) for name in ("sslviz", "torch", "timm", "numpy", "scikit-learn")}


@cache
def _git_sha() -> str | None:
    """The commit of the checkout sslviz runs from, if it is one."""
    here = Path(__file__).parent
    try:
        answer = subprocess.run(["git", "rev-parse", "HEAD"], cwd=here, capture_output=True, text=True, timeout=5)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return answer.stdout.strip() or None if answer.returncode == 0 else None
