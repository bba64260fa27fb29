"""A run folder of an older sslviz opens in the app: its answers are shown as they lie, and none is computed anew."""

import json
import shutil
from pathlib import Path

import pytest

from sslviz.evaluation import answers

FIXTURES = Path(__file__).parents[1] / "fixtures"
STORED = {
    (answer["diagnostic"], tuple(answer["of"]) if isinstance(answer["of"], list) else (answer["of"],))
    for answer in json.loads((FIXTURES / "old_run.json").read_text())
}


# Not "collapse" and "similarity": of the earlier step only the features that a pair needs were kept.
@pytest.mark.parametrize("page", ["overview", "training", "geometry", "probes", "bias"])
def test_what_was_stored_is_shown_and_not_computed_again(open_app, tmp_path, page, monkeypatch):
    folder = shutil.copytree(FIXTURES / "old_run", tmp_path / "runs" / "old_run").parent
    before = {path: path.stat().st_mtime_ns for path in folder.rglob("*") if path.is_file()}
    computed, compute_entry = [], answers.compute_entry

    def spy(entry, evidence, columns=(), **options):
        computed.append((entry.name, tuple(columns) or (None,)))
        return compute_entry(entry, evidence, columns, **options)

    monkeypatch.setattr(answers, "compute_entry", spy)
    app = open_app(folder, page)
    assert not app.error, app.error[0].value
    # Columns that nobody asked about then may be asked about now; what was asked is not.
    assert not set(computed) & STORED
    assert all(path.stat().st_mtime_ns == written for path, written in before.items())
