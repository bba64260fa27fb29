"""What a killed process had finished is not computed again: a second start loses at most the answer at work."""

import signal

import pytest

import sslviz
from sslviz.cli.main import main
from sslviz.runs import Run

SPEC = "shapes:n=400,size=16,seed=0"
PLAN = """
label = "shape"
attributes = []
maps = 0
despite_collapse = true
skip = ["drift", "low_label", "noise_tolerance", "calibration", "novelty", "slices", "ranking", "hubness"]
"""


def stored(run):
    """{file: when it was written} of all features and results."""
    return {
        path: path.stat().st_mtime_ns
        for folder in ("features", "results")
        for path in (run.path / folder).glob("[!.]*")
        if path.suffix in (".npz", ".npy")
    }


DIAGNOSE = ["diagnose", "--label", "shape", "--only", "spectrum,knn_probe,linear_probe,invariance"]
COMPUTING = ("sslviz.runs.run", "save_result", 4)  # when the fourth answer is computed, and nothing of it written
WRITING = ("os", "replace", 4, r"/results/[^/]+\.npz$")  # as the fourth answer is put in its place
EMBEDDING = ("os", "replace", 4, r"/features/[^/]+\.npy$")
ASKED = {
    "diagnose, computing": (DIAGNOSE, COMPUTING),
    "diagnose, writing": (DIAGNOSE, WRITING),
    "diagnose, embedding": ([*DIAGNOSE[:-1], "spectrum,knn_probe,invariance"], EMBEDDING),
    "audit, computing": (["audit"], COMPUTING),
    "explain, computing": (["explain", "--method", "saliency", "--quick"], COMPUTING),
}


@pytest.fixture(scope="module")
def killed(in_processes, tmp_path_factory):
    """{asked: (the folder, the command that was killed in it)}, each in a process of its own."""
    commands = {}
    for asked, ((command, *options), _) in ASKED.items():
        folder = tmp_path_factory.mktemp("killed")
        made = Run.create(folder / "mine", {"encoder": {"name": "conv_nano", "image_size": 16}})
        made.save_checkpoint(1, sslviz.create_encoder("conv_nano", image_size=16, seed=1).state_dict())
        (folder / "plan.toml").write_text(PLAN)
        written = {
            "audit": ["--config", str(folder / "plan.toml"), "--out", str(folder / "report.html")],
            "explain": ["--out", str(folder / "maps.html")],
            "diagnose": [],
        }[command]
        commands[asked] = folder, [command, str(made.path), "--images", SPEC, *options, *written]
    deaths = [death for _, death in ASKED.values()]
    codes = in_processes([(words, death) for (_, words), death in zip(commands.values(), deaths, strict=True)])
    assert codes == [-signal.SIGKILL] * len(ASKED)
    return commands


@pytest.mark.parametrize("asked", ASKED)
def test_a_second_start_computes_only_what_was_not_finished(killed, asked, monkeypatch, capsys):
    folder, words = killed[asked]
    run, before = Run(folder / "mine"), stored(Run(folder / "mine"))
    answered = sum(path.suffix == ".npz" for path in before)
    assert (len(before) if "embedding" in asked else answered) == 3
    computed, result = [], Run.result

    def counting(self, key, kind, compute):
        return result(self, key, kind, lambda: computed.append(key) or compute())

    monkeypatch.setattr(Run, "result", counting)
    main(words)
    after = stored(run)
    assert {path: after[path] for path in before} == before, "something finished was made again"
    assert len(computed) == sum(path.suffix == ".npz" for path in after) - answered >= 1
    computed.clear()
    for path in (folder / "report.html", folder / "report.json", folder / "maps.html"):
        path.unlink(missing_ok=True)
    capsys.readouterr()
    main(words)
    assert not computed and stored(run) == after
    assert "Everything is stored; nothing to compute." in capsys.readouterr().err
