"""The command line as a stranger meets it: on real folders, and once for each kind of end in a process of its own."""

import json
import os
import shutil
import subprocess
import sys
import warnings
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file

from sslviz.cli.main import COMMANDS
from sslviz.cli.options import parse_settings, parse_varied
from sslviz.encoders import create_encoder
from sslviz.runs import Run, largest_image_size

ROOT = Path(__file__).parents[2]


def sslviz(*arguments, check=True, **environment):
    command = [sys.executable, "-m", "sslviz", *map(str, arguments)]
    env = {**os.environ, "OMP_NUM_THREADS": "1", "COLUMNS": "120", **environment}
    answer = subprocess.run(command, capture_output=True, text=True, env=env)
    assert "Traceback" not in answer.stderr, answer.stderr
    if check:
        assert answer.returncode == 0, answer.stderr
    return answer


@pytest.fixture
def here(capsys, monkeypatch):
    """`here(*arguments)`: a command in this process, where it ends as it would in one of its own: (exit code, out, err).

    A process of its own costs seconds to load torch; `sslviz` starts one where that is what is tested."""
    from sslviz.cli.main import main

    def run(*arguments, **environment):
        for name, value in {"COLUMNS": "120", **environment}.items():
            monkeypatch.setenv(name, value)
        with warnings.catch_warnings():  # `main` says warnings its own way from then on
            monkeypatch.setattr("sys.argv", ["sslviz", *map(str, arguments)])
            try:
                main(list(map(str, arguments)))
                code = 0
            except SystemExit as ended:
                code = ended.code or 0
        return code, *capsys.readouterr()

    return run


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    """A real folder of image files: two classes told apart by hue, in a format each, with an attribute of its own."""
    folder = tmp_path_factory.mktemp("photos") / "set"
    rng = np.random.default_rng(0)
    rows = ["file_name,label,camera"]
    for i in range(120):
        label, camera = ("sky", "meadow")[i % 2], ("a", "b")[i // 2 % 2]
        pixels = rng.integers(0, 90, (40, 48, 3))
        pixels[..., 2 if label == "sky" else 1] += 150
        name = f"{label}/{i:03d}.{'png' if camera == 'a' else 'jpg'}"
        (folder / label).mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels.astype(np.uint8)).save(folder / name)
        rows.append(f"{name},{label},{camera}")
    (folder / "metadata.csv").write_text("\n".join(rows) + "\n")
    return folder


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    return {"SSLVIZ_CACHE": str(tmp_path_factory.mktemp("cache"))}


@pytest.fixture(scope="module")
def runs(photos, cache, tmp_path_factory):
    from sslviz.cli.main import main

    folder, said = tmp_path_factory.mktemp("runs"), StringIO()
    options = "--epochs 2 --batch-size 32 --set temperature=0.3 --set hue=0.0"
    with pytest.MonkeyPatch.context() as patch, warnings.catch_warnings(), redirect_stdout(said):
        for name, value in cache.items():
            patch.setenv(name, value)
        main(["pretrain", "--images", f"folder:{photos}", "--out", str(folder / "mine"), *options.split()])
    assert "no `train` split" in said.getvalue()
    return folder


def test_pretraining_on_a_folder_of_images_and_all_that_follows(runs, photos, cache, here, tmp_path):
    run = Run(runs / "mine")
    assert run.info["arguments"]["settings"] == {"temperature": 0.3, "hue": 0.0}
    code, _, said = here("embed", runs / "mine", "--images", f"folder:{photos}", "--layer", "attic", **cache)
    assert code == 2 and "no layer 'attic'; it has: " in said
    command = ["diagnose", runs / "mine", "--images", f"folder:{photos}", "--json", tmp_path / "scores.json"]
    code, said, _ = here(*command, "--only", "spectrum,knn_probe,linear_probe", **cache)
    assert code == 0 and "linear_probe" in said and "mine: " in said and "directions in use" in said
    scores = json.loads((tmp_path / "scores.json").read_text())["mine"]
    assert set(scores) == {"spectrum", "knn_probe", "linear_probe", "knn_probe:camera", "linear_probe:camera"}
    accuracy = scores["linear_probe"]["accuracy"]
    assert set(accuracy) == {"value", "low", "high", "control", "controls", "higher_is_better", "control_is"}
    assert set(accuracy["controls"]) == {"chance", "pixels", "untrained"} and accuracy["controls"]["chance"] == 0.5
    assert accuracy["value"] > 0.95  # sky is blue and meadows are green
    assert accuracy["low"] <= accuracy["value"] <= accuracy["high"]


def test_bad_input_ends_a_process_with_exit_code_2(tmp_path):
    answer = sslviz("diagnose", tmp_path / "nothing", "--images", "digits", check=False)
    assert answer.returncode == 2 and not answer.stdout
    assert answer.stderr.startswith("sslviz: ") and "holds no run.json" in answer.stderr


@pytest.mark.slow  # a process that loads torch, and two forks of it
def test_two_processes_train_one_run(in_processes, tmp_path, capsys):
    options = "--images shapes:n=320,size=16 --method vicreg --epochs 1 --batch-size 32 --devices 2"
    words = ["pretrain", *options.split(), "--out", tmp_path / "two"]
    assert in_processes([(words, None)] * 2, at_once=True) == [0, 0]
    run = Run(tmp_path / "two")
    assert run.info["world_size"] == 2 and run.info["finished"] and np.isfinite(run.history["loss"][1])
    terms = run.history[["loss_invariance", "loss_variance", "loss_covariance"]].iloc[1]
    assert terms.sum() == pytest.approx(run.history["loss"][1])
    assert capsys.readouterr().out.count("checkpoints, the last at step 6") == 1  # one of them speaks


@pytest.mark.slow  # two processes, each of which loads torch: the command itself begins the second one
def test_two_processes_embed_what_one_does(tmp_path, runs, here, cache):
    copy, spec = tmp_path / "two", "shapes:n=37,size=40"  # an odd number of pictures
    shutil.copytree(runs / "mine", copy)
    answer = sslviz("embed", copy, "--images", spec, "--devices", "2", OMP_NUM_THREADS="1")
    assert answer.returncode == 0, answer.stderr
    assert answer.stdout.count("37 images") == 1  # one of them speaks
    code, _, _ = here("embed", runs / "mine", "--images", spec, **cache)
    both = [
        sorted((run / "features").glob("*-pooled.npy"), key=lambda f: f.stat().st_mtime)[-1]
        for run in (copy, runs / "mine")
    ]
    assert code == 0 and both[0].name == both[1].name
    np.testing.assert_allclose(*(np.load(file) for file in both), rtol=1e-4, atol=1e-5)


def test_embedding_a_layer_stores_it_in_the_run(runs, photos, cache, here):
    layer = list(Run(runs / "mine").last.encoder().layers(torch.zeros(1, 3, 40, 40)))[0]
    code, said, _ = here("embed", runs / "mine", "--images", f"folder:{photos}", "--layer", layer, **cache)
    assert code == 0 and "120 images" in said and len(list((runs / "mine" / "features").glob(f"*-{layer}.npy"))) == 1


@pytest.fixture(scope="module")
def theirs():
    return create_encoder("resnet10t", image_size=64, seed=5, stem="standard")


@pytest.mark.parametrize("prefix", ["", "module.", "backbone.", "encoder.", "student.", "model."])
@pytest.mark.parametrize("suffix", [".safetensors", ".pt"])
def test_an_encoder_trained_elsewhere_becomes_a_run(theirs, prefix, suffix, tmp_path):
    state = {prefix + k: v for k, v in theirs.model.state_dict().items()} | {"fc.weight": torch.zeros(10, 512)}
    file = tmp_path / f"weights{suffix}"
    save_file(state, file) if suffix == ".safetensors" else torch.save(state, file)
    from sslviz.runs.import_checkpoint import import_checkpoint

    run, report = import_checkpoint("resnet10t", weights=file, out=tmp_path / "run")
    assert "1 other in the file was not used" in str(report) and "fc.weight" in str(report)
    ours = run.last.encoder()
    assert all(torch.equal(v, ours.model.state_dict()[k]) for k, v in theirs.model.state_dict().items())


def test_an_imported_encoder_is_diagnosed_beside_our_own(theirs, runs, photos, cache, here, tmp_path):
    save_file(theirs.model.state_dict(), tmp_path / "w.safetensors")
    imported = runs / "imported"
    command = ["import", "--encoder", "resnet10t", "--weights", tmp_path / "w.safetensors", "--image-size", "96"]
    code, said, _ = here(*command, "--out", imported)
    assert code == 0 and "weights loaded" in said and Run(imported).info["encoder"]["image_size"] == 96
    command = ["diagnose", runs / "mine", imported, "--images", f"folder:{photos}", "--json", tmp_path / "s.json"]
    code, said, _ = here(*command, "--only", "spectrum,knn_probe", "--label", "camera", **cache)
    assert code == 0 and "imported: " in said
    scores = json.loads((tmp_path / "s.json").read_text())
    understood = scores.pop("_images")
    assert understood["n"] == 120 and {c["name"] for c in understood["columns"]} >= {"camera"}
    assert set(scores) == {"mine", "imported"} and set(scores["imported"]) == {"spectrum", "knn_probe:camera"}


def test_weights_of_another_architecture_leave_no_run_behind(here, tmp_path):
    save_file(create_encoder("conv_nano").model.state_dict(), tmp_path / "w.safetensors")
    command = ["import", "--encoder", "resnet10t", "--weights", tmp_path / "w.safetensors", "--out", tmp_path / "run"]
    code, _, said = here(*command)
    assert code == 2 and "another architecture" in said
    assert not (tmp_path / "run").exists()


BAD = {
    "no such source": (["pretrain", "--images", "cifar-eleven", "--out", "{tmp}/r"], "cifar-eleven"),
    "an empty folder": (["pretrain", "--images", "folder:{tmp}", "--out", "{tmp}/r"], "There are no pictures in"),
    "too few images": (["pretrain", "--images", "shapes:n=100", "--out", "{tmp}/r"], "fewer than one batch"),
    "a setting that is no pair": (
        ["pretrain", "--images", "shapes:n=100", "--out", "{tmp}/r", "--set", "hue"], "NAME=VALUE"),
    "no run there": (["diagnose", "{tmp}/nothing", "--images", "digits"], "holds no run.json"),
    "no run named": (["diagnose", "--images", "digits"], "at least one run"),
    "nobody to explain": (["explain", "--images", "digits", "--out", "{tmp}/m.html"], "at least one run folder"),
    "no page to write": (["explain", "{tmp}/r", "--images", "digits", "--out", "{tmp}"], "already exists"),
    "partners of nothing": (
        ["diagnose", "{tmp}/r", "--images", "digits", "--partner", "a=b"], "Partners are of one attribute"),
    "no weights named": (["import", "--encoder", "resnet18", "--out", "{tmp}/r"], "either --weights FILE or --pretrained"),
    "no weights there": (["import", "--encoder", "resnet18", "--weights", "{tmp}/w.pt", "--out", "{tmp}/r"], "w.pt"),
}  # fmt: skip


@pytest.mark.parametrize("case", BAD)
def test_bad_input_is_one_sentence_and_exit_code_2(case, here, tmp_path):
    arguments, message = BAD[case]
    code, _, said = here(*[a.format(tmp=tmp_path) for a in arguments])
    assert code == 2 and message in said
    assert said.startswith("sslviz: ") and said.count("\n") == 1
    assert not (tmp_path / "r").exists()


def test_unknown_columns_and_diagnostics_are_named(runs, photos, cache, here):
    for arguments, message in [
        (["--label", "colour"], "no column 'colour'; its columns are: label, camera"),
        (["--only", "spectrum,psychic"], "no diagnostic 'psychic'; there are: collapse, spectrum"),
    ]:
        code, _, said = here("diagnose", runs / "mine", "--images", f"folder:{photos}", *arguments, **cache)
        assert code == 2 and message in said


def test_explaining_writes_a_page_prints_scores_beside_controls_and_reads_what_was_kept(
    runs, photos, cache, here, tmp_path
):
    page = tmp_path / "maps.html"
    command = ["explain", runs / "mine", "--images", f"folder:{photos}", "--method", "saliency", "--ids", "sky/000.png"]
    code, answer, _ = here(*command, "--out", page, **cache)
    assert code == 0
    for said in ("faithfulness of saliency", "insertion", "untrained", "mine: saliency, explaining itself", str(page)):
        assert said in answer, said
    html = page.read_text()
    assert "<title>What do these encoders go by?</title>" in html and "sslviz explain" in html
    kept = {path: path.stat().st_mtime_ns for path in (runs / "mine" / "results").iterdir()}
    assert here(*command, "--out", tmp_path / "again.html", **cache)[0] == 0
    assert {path: path.stat().st_mtime_ns for path in (runs / "mine" / "results").iterdir()} == kept
    assert (tmp_path / "again.html").read_text() == html.replace("maps.html", "again.html")
    assert here(*command, "--out", tmp_path / "half.html", "--precision", "bf16", **cache)[0] == 0
    half = (tmp_path / "half.html").read_text()
    assert "maps in fp32, their evidence in fp32" in html and "maps in fp32, their evidence in bf16" in half


def test_what_cannot_be_explained_is_one_sentence(runs, photos, cache, here, tmp_path):
    for arguments, message in [
        (["--ids", "sky/0000.png"], "no image 'sky/0000.png' among these 120; did you mean sky/000.png?"),
        (["--method", "magic"], "There is no method 'magic'; there are: integrated_gradients, saliency"),
        (["--target", "label=dusk"], "near label=dusk and not the others, there must be both; label is: meadow, sky."),
        (["--target", "hue=1"], "no column 'hue'; its columns are: label, camera"),
        (["--target", "beauty"], "one of self, self_cosine, loss, unit:N"),
        (["--target", "unit:5000"], "There is no unit 5000"),
        (["--target", "self_cosine", "--method", "saliency"], "would draw rounding errors"),
    ]:
        command = ["explain", runs / "mine", "--images", f"folder:{photos}", "--out", tmp_path / "m.html", *arguments]
        code, _, said = here(*command, **cache)
        assert code == 2 and message in said, said
        # What only the features tell comes after the line that announces how long they take.
        *before, problem = said.splitlines()
        assert problem.startswith("sslviz: ") and len(before) == ("rounding" in message)
        assert not (tmp_path / "m.html").exists()


@pytest.mark.parametrize("command", ["", *COMMANDS])
def test_every_command_has_help(command, here):
    code, said, _ = here(*command.split(), "--help")
    assert code == 0 and "usage: sslviz" in said


@pytest.mark.parametrize("words", [["--help"], ["list", "methods"]])
def test_a_reader_that_has_seen_enough_ends_it_without_a_word(words):
    closed, end = os.pipe()
    os.close(closed)
    answer = subprocess.run([sys.executable, "-m", "sslviz", *words], stdout=end, stderr=subprocess.PIPE, text=True)
    os.close(end)
    assert (answer.returncode, answer.stderr) == (0, "")


def test_the_lists_name_everything(here):
    from sslviz.methods import METHODS

    lines = here("list", "methods")[1].splitlines()
    for name, method in METHODS.items():  # each below its family, the nearest heading above it
        at = next(i for i, line in enumerate(lines) if line.split()[0] == name)
        assert next(line for line in lines[at::-1] if line.endswith(":") and " " * 3 not in line) == f"{method.family}:"
    assert {"conv_nano", "vit_nano", "resnet18"} <= set(here("list", "encoders")[1].split())
    assert "shapes" in here("list", "images")[1]
    assert "linear_probe" in here("list", "diagnostics")[1]
    assert "integrated_gradients How is the way of s" in " ".join(here("list", "maps")[1].split())


def test_pictures_are_read_as_large_as_the_largest_encoder_looks(tmp_path):
    sizes = {str(side): {"name": "vit", "image_size": side} for side in (224, 518, 384)} | {"old": {"name": "vit"}}
    runs = [Run.create(tmp_path / name, {"encoder": encoder}) for name, encoder in sizes.items()]
    assert largest_image_size(runs) == 518 and largest_image_size(runs[3:]) is None


def test_settings_are_literals_or_words():
    assert parse_settings(["a=0.2", "b=false", "c=(0.1, 1.0)", "d=cosine"]) == {
        "a": 0.2,
        "b": False,
        "c": (0.1, 1.0),
        "d": "cosine",
    }


def test_varied_settings_are_several_literals_or_words():
    assert parse_varied(["a=0.1,0.2,0.1", "c=(0.1, 1.0),(0.5, 1.0)", "d=cosine,flat", "e=true"]) == {
        "a": [0.1, 0.2],
        "c": [(0.1, 1.0), (0.5, 1.0)],
        "d": ["cosine", "flat"],
        "e": [True],
    }
    for wrong in (["a"], ["=1"], ["a=1", "a=2"]):
        with pytest.raises(ValueError, match="--vary takes NAME=VALUE,VALUE once for each name"):
            parse_varied(wrong)
