"""What `sslviz import` understood of a file is kept in run.json and said."""

import json

import pytest
import torch

from sslviz.cli.main import main
from sslviz.encoders import create_encoder
from sslviz.runs import Run
from sslviz.runs.import_checkpoint import import_checkpoint


@pytest.fixture
def file(tmp_path):
    """Two networks, the better of which has something more."""
    state = create_encoder("conv_nano", seed=1).model.state_dict()
    worse = {name: t + 1 for name, t in state.items()}
    torch.save({"student": worse, "teacher": state | {"stages.3.weight": torch.zeros(2)}}, tmp_path / "weights.pt")
    return tmp_path / "weights.pt"


def test_the_choice_and_what_was_left_out_are_kept(file, tmp_path):
    run, report = import_checkpoint("conv_nano", weights=file, out=tmp_path / "run", image_size=32, allow_unused=True)
    kept = json.loads((run.path / "run.json").read_text())["import"]
    assert kept == json.loads(json.dumps(report.to_dict()))
    assert kept["prefix"] == "teacher." and kept["unused"] == ["teacher.stages.3.weight"]
    assert kept["candidates"] == {"student": 54, "teacher": 54}


def test_options_of_the_command_line(file, tmp_path, capsys):
    words = ["import", "--encoder", "conv_nano", "--weights", str(file), "--image-size", "32"]
    with pytest.raises(SystemExit) as ended:
        main([*words, "--out", str(tmp_path / "strict")])
    assert ended.value.code == 2 and "(stages.3.weight)" in capsys.readouterr().err
    assert not (tmp_path / "strict").exists()
    main([*words, "--out", str(tmp_path / "student"), "--from", "student"])
    assert "Taken: student; asked for by --from student." in capsys.readouterr().out
    main([*words, "--out", str(tmp_path / "teacher"), "--allow-unused"])
    assert "as you allowed: teacher.stages.3.weight" in capsys.readouterr().out


def test_a_file_of_weights_is_no_run(file):
    with pytest.raises(ValueError, match=r"is a file, and a run is a folder.*sslviz import"):
        Run(file)
