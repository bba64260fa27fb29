"""`sslviz distil` and `sslviz export`, on a run with random weights."""

import pytest

import sslviz
from sslviz.cli.main import main
from sslviz.runs import Run
from sslviz.transfer import export


@pytest.fixture(scope="module")
def teacher(tmp_path_factory):
    config = {"name": "conv_nano", "image_size": 16}
    run = Run.create(tmp_path_factory.mktemp("runs") / "teacher", {"kind": "pretrain", "encoder": config})
    for step in (0, 9):
        weights = sslviz.create_encoder(**config, seed=step).model.state_dict()
        run.save_checkpoint(step, {f"encoder.model.{name}": value for name, value in weights.items()})
    return run


def test_distil_makes_a_run_with_the_functions_options(teacher, tmp_path, capsys):
    options = (
        "--images shapes:n=200,size=16 --how mse --steps 2 --batch-size 32 --encoder vit_nano --no-progress --step 0"
    )
    main(["distil", str(teacher.path), *options.split(), "--out", str(tmp_path / "small")])
    said = capsys.readouterr().out
    assert "Trained on 120 of split train" in said and "checkpoints, the last at step 2, taught by teacher." in said
    arguments = Run(tmp_path / "small").info["arguments"]
    assert {"method": "distil", "how": "mse", "encoder": "vit_nano"}.items() <= arguments.items()
    assert arguments["teacher"]["step"] == 0 and arguments["teacher"]["digest"] == teacher.checkpoints[0].digest


def test_export_checks_the_last_checkpoint_on_the_images_named(teacher, tmp_path, capsys, monkeypatch):
    seen = {}

    def exported(checkpoint, path, *, images):
        seen.update(step=checkpoint.step, path=path, images=images)
        return "it is written"

    monkeypatch.setattr(export, "export_onnx", exported)
    main(["export", str(teacher.path), "--onnx", str(tmp_path / "a.onnx"), "--images", "shapes:n=5,size=16"])
    assert capsys.readouterr().out.endswith("it is written\n")
    assert seen["step"] == 9 and seen["path"] == tmp_path / "a.onnx" and len(seen["images"]) == 5
    main(["export", str(teacher.path), "--onnx", str(tmp_path / "a.onnx"), "--step", "0"])
    assert seen["step"] == 0 and seen["images"] is None


def test_a_step_that_is_not_there_ends_with_one_sentence(teacher, tmp_path, capsys):
    with pytest.raises(SystemExit) as end:
        main(["export", str(teacher.path), "--onnx", str(tmp_path / "a.onnx"), "--step", "4"])
    assert end.value.code == 2 and "holds no checkpoint of step 4; it holds: 0, 9." in capsys.readouterr().err
