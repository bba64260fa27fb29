"""A run that nothing can be written into: asked before the work, and diagnosed beside itself with a cache.

The fixture `freeze` stands for a read-only file system; 8 s on one core.
"""

import json
import resource
import shutil
from pathlib import Path

import numpy as np
import pytest

import sslviz
from sslviz.cli.main import main
from sslviz.features import stored
from sslviz.features.diagnosed import diagnosed_steps, stored_evidence
from sslviz.runs import Run, open_runs

IMAGES = "shapes:n=200,size=16"


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A run with two checkpoints and nothing else: an encoder with random weights, imported twice."""
    folder = tmp_path_factory.mktemp("trained")
    from safetensors.torch import save_file

    encoder = sslviz.create_encoder("conv_nano", image_size=16)
    save_file(encoder.state_dict(), folder / "weights.safetensors")
    run, _ = sslviz.import_checkpoint(
        "conv_nano", weights=folder / "weights.safetensors", image_size=16, out=folder / "r"
    )
    return run.path


@pytest.fixture
def frozen(trained, tmp_path, freeze):
    """A copy of it in a folder into which no file can be written any more."""
    (tmp_path / "disk").mkdir()
    path = Path(shutil.copytree(trained, tmp_path / "disk" / "r"))
    freeze(tmp_path / "disk")
    return path


@pytest.fixture
def no_work(monkeypatch):
    """Fails where an image is embedded."""
    monkeypatch.setattr(stored, "embed", lambda *_, **__: pytest.fail("was computed before it was refused"))
    monkeypatch.setattr(stored, "raw_pixels", lambda *_: pytest.fail("was computed before it was refused"))


def files(folder):
    return {path.relative_to(folder): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


ASKED = {
    "embed": ["embed", "RUN", "--images", IMAGES],
    "diagnose": ["diagnose", "RUN", "--images", IMAGES],
    "audit": ["audit", "RUN", "--images", IMAGES, "--out", "OUT/report.html"],
    "explain": ["explain", "RUN", "--images", IMAGES, "--out", "OUT/maps.html"],
}


def typed(words, run, out):
    return [word.replace("RUN", str(run)).replace("OUT", str(out)) for word in words]


@pytest.mark.parametrize("command", ASKED)
def test_a_read_only_run_is_refused_before_anything_is_computed(command, frozen, tmp_path, no_work, capsys):
    before = files(tmp_path)
    with pytest.raises(SystemExit) as stopped:
        main(typed(ASKED[command], frozen, tmp_path))
    said = capsys.readouterr().err.strip()
    assert stopped.value.code == 2 and "\n" not in said
    assert "Read-only file system" in said and "`--cache DIR`" in said and str(frozen) in said
    assert files(tmp_path) == before


BAD_OUT = {
    "diagnose": (["diagnose", "RUN", "--images", IMAGES, "--json", "PATH"], ""),
    "audit": (["audit", "RUN", "--images", IMAGES, "--out", "PATH.html"], ".html"),
    "explain": (["explain", "RUN", "--images", IMAGES, "--out", "PATH.html"], ".html"),
}


@pytest.mark.parametrize("place", ["on a read-only disk", "below a file", "a folder"])
@pytest.mark.parametrize("command", BAD_OUT)
def test_what_cannot_be_written_is_refused_before_anything_is_computed(
    command, place, trained, tmp_path, freeze, no_work, capsys
):
    run = shutil.copytree(trained, tmp_path / "r")
    words, suffix = BAD_OUT[command]
    (tmp_path / "file").write_bytes(b"")
    (tmp_path / f"folder{suffix}").mkdir()
    (tmp_path / "disk").mkdir()
    path = {"on a read-only disk": "disk/new/out", "below a file": "file/out", "a folder": "folder"}[place]
    freeze(tmp_path / "disk")
    before = files(tmp_path)
    with pytest.raises(SystemExit) as stopped:
        main([word.replace("RUN", str(run)).replace("PATH", str(tmp_path / path)) for word in words])
    said = capsys.readouterr().err.strip()
    assert stopped.value.code == 2 and "\n" not in said
    expected = {"on a read-only disk": "Read-only", "below a file": "Not a directory", "a folder": "folder"}[place]
    assert expected in said and files(tmp_path) == before


def test_a_missing_folder_is_made(trained, tmp_path, capsys):
    run = shutil.copytree(trained, tmp_path / "r")
    main(
        [
            "diagnose",
            str(run),
            "--images",
            IMAGES,
            "--only",
            "spectrum",
            "--json",
            str(tmp_path / "new" / "a" / "s.json"),
        ]
    )
    assert json.loads((tmp_path / "new" / "a" / "s.json").read_text())["r"]["spectrum"]


class TestACache:
    """What is computed of a read-only run lies beside it, and is found there again."""

    def test_a_run_is_diagnosed_beside_itself(self, frozen, tmp_path, monkeypatch, freeze, capsys):
        before, cache = files(frozen), tmp_path / "cache"
        words = ["diagnose", str(frozen), "--images", IMAGES, "--only", "spectrum,knn_probe,invariance"]
        main([*words, "--cache", str(cache)])
        assert files(frozen) == before
        assert {p.name for p in (cache / "r").iterdir()} == {"features", "results", "thumbnails", "run.json"}
        run = Run(frozen, cache=cache)
        (digest,) = run.info["diagnosed"]
        assert run.info["encoder"] == json.loads((frozen / "run.json").read_text())["encoder"]
        assert stored_evidence(run, run.last, digest).of("altered") is not None
        assert len(diagnosed_steps(run, digest)) == 1 and run.thumbnails(digest) is not None
        assert "diagnosed" not in Run(frozen).info
        monkeypatch.setattr(stored, "embed", lambda *_, **__: pytest.fail("was embedded again"))
        main([*words, "--cache", str(cache)])  # reads everything
        freeze(cache)
        main([*words, "--cache", str(cache)])  # and needs to write nothing
        (found,), problems = open_runs(frozen.parent, cache=cache)
        assert found.info["diagnosed"] and not problems

    def test_what_the_run_keeps_itself_is_read_from_it(self, trained, tmp_path, monkeypatch, freeze):
        path = Path(shutil.copytree(trained, tmp_path / "disk" / "r"))
        images = sslviz.shapes(n=60, size=16)
        options = {"only": ["spectrum"], "progress": False}
        own = sslviz.diagnose(Run(path), images, **options)["r"]["spectrum"]
        freeze(tmp_path / "disk")
        assert sslviz.diagnose(Run(path), images, **options)["r"]["spectrum"].scores() == own.scores()
        run = Run(path, cache=tmp_path / "cache")
        monkeypatch.setattr(stored, "embed", lambda *_, **__: pytest.fail("was embedded again"))
        assert sslviz.diagnose(run, images, **options)["r"]["spectrum"].scores() == own.scores()
        assert not (tmp_path / "cache").exists()  # there was nothing to add
        sslviz.diagnose(run, images, only=["uniformity"], progress=False)
        assert len(files(tmp_path / "cache" / "r")) == 1 and len(run.info["diagnosed"]) == 1
        with pytest.raises(ValueError, match="no uniformity: Nothing can be written into .*Read-only .*--cache DIR"):
            sslviz.diagnose(Run(path), images, only=["uniformity"], progress=False)

    def test_features_of_weights_that_were_replaced_are_embedded_into_the_cache(self, trained, tmp_path):
        path = Path(shutil.copytree(trained, tmp_path / "runs" / "r"))
        images = sslviz.shapes(n=40, size=16)
        sslviz.diagnose(Run(path), images, only=["spectrum"], progress=False)
        tensors = sslviz.create_encoder("conv_nano", image_size=16, seed=5).state_dict()
        Run(path).save_checkpoint(0, {f"encoder.{name}": tensor for name, tensor in tensors.items()})
        before, run = files(path), Run(path, cache=tmp_path / "cache")
        sslviz.diagnose(run, images, only=["spectrum"], progress=False)
        assert files(path) == before
        features = stored_evidence(run, run.last, images.digest).features
        assert features.source["weights"] == run.last.digest

    def test_a_cache_belongs_to_one_run(self, trained, tmp_path):
        a, b = (Path(shutil.copytree(trained, tmp_path / name / "r")) for name in "ab")
        Run(a, cache=tmp_path / "cache").update(diagnosed={"x": {"spec": "1"}})
        assert Run(a, cache=tmp_path / "cache").info["diagnosed"] == {"x": {"spec": "1"}}
        with pytest.raises(ValueError, match="keeps what belongs to the run .*/a/r; choose another --cache"):
            Run(b, cache=tmp_path / "cache")
        assert Run(a, cache=tmp_path / "a").places.cache is None  # the folder that the run lies in already

    def test_a_cache_that_cannot_be_written_is_one_sentence(self, frozen, tmp_path, no_work):
        run = Run(frozen, cache=tmp_path / "disk" / "cache")
        with pytest.raises(ValueError, match="Nothing can be written into .*; choose another --cache"):
            sslviz.diagnose(run, sslviz.shapes(n=20, size=16), only=["spectrum"], progress=False)
        (tmp_path / "file").write_bytes(b"")
        run = Run(frozen, cache=tmp_path / "file")
        with pytest.raises(ValueError, match="Not a directory"):
            run.check_writable()


def test_two_who_diagnose_one_run_at_once_do_not_forget_each_others_images(trained, tmp_path):
    path = shutil.copytree(trained, tmp_path / "r")
    one, other = Run(path), Run(path)
    for run, n in ((one, 40), (other, 44)):
        sslviz.diagnose(run, sslviz.shapes(n=n, size=16), only=["spectrum"], progress=False)
    assert len(Run(path).info["diagnosed"]) == 2


@pytest.mark.parametrize("command", ["embed", "diagnose", "audit", "explain"])
def test_every_command_that_computes_takes_a_cache(command, capsys):
    with pytest.raises(SystemExit):
        main([command, "--help"])
    assert "--cache" in capsys.readouterr().out


def test_a_full_disk_is_seen_before_the_work(trained, tmp_path, no_work):
    run = Run(shutil.copytree(trained, tmp_path / "r"))
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, hard))  # the kernel refuses more, as on a full disk
    try:
        with pytest.raises(ValueError, match="Nothing can be written into .*; keep what is computed elsewhere"):
            sslviz.diagnose(run, sslviz.shapes(n=20, size=16), only=["spectrum"], progress=False)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert np.array_equal(list(files(run.path)), list(files(trained)))
