"""The app keeps together what the last diagnosis did: its group is no label, and the audit is asked with it."""

import numpy as np
import pandas as pd
import pytest
from PIL import Image

import sslviz
from sslviz.data import shapes
from sslviz.evaluation.diagnose import diagnose
from sslviz.runs import Run


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """A tiny encoder on 96 files, two copies each of 48 drawings by 24 authors; diagnosed with authors kept together."""
    folder = tmp_path_factory.mktemp("drawings")
    (folder / "files").mkdir()
    world, rng = shapes(n=48, seed=3, size=16), np.random.default_rng(0)
    names = [f"{row:02d}{copy}.png" for row in range(48) for copy in "ab"]
    for row, name in zip(np.repeat(np.arange(48), 2), names, strict=True):
        Image.fromarray(world.pixels[row]).save(folder / "files" / name)
    table = pd.DataFrame({"file_name": names, "label": np.repeat(rng.choice(["cat", "dog"], 48), 2)})
    table.assign(author=[f"a{row // 2}" for row in np.repeat(np.arange(48), 2)]).to_csv(
        folder / "files" / "metadata.csv", index=False
    )
    run = Run.create(
        folder / "runs" / "mine",
        {"kind": "pretrain", "arguments": {}, "encoder": {"name": "conv_nano", "image_size": 16}},
    )
    run.save_checkpoint(1, sslviz.create_encoder("conv_nano").state_dict())
    diagnose(run, sslviz.folder(folder / "files"), only=["knn_probe"], group="author", progress=False)
    return folder / "runs"


def test_the_group_is_said_and_is_neither_label_nor_attribute(open_app, runs):
    app = open_app(runs, "audit", audit_maps="false")
    said = " ".join(caption.value for caption in app.caption)
    assert "Images that share their author stay on one side of every split" in said
    assert app.segmented_control(key="audit_label").options == ["label"]
    app = open_app(runs, "probes")
    assert not app.exception
