"""Runs that nothing can be written into are shown; what cannot be done with them is one sentence, unless there is a cache."""

import shutil

import pytest


@pytest.fixture
def frozen(trained, tmp_path, freeze):
    """A run that was diagnosed and one that was not, into which nothing can be written any more."""
    folder = shutil.copytree(trained, tmp_path / "disk")
    freeze(folder)
    return folder


def files(folder):
    return sorted(path.relative_to(folder) for path in folder.rglob("*") if path.is_file())


def press(app, label):
    return next(button for button in app.button if button.label == label).click().run(timeout=120)


def said(app):
    return " ".join(str(one.value) for one in (*app.caption, *app.error)) + " ".join(one.label for one in app.status)


def test_what_cannot_be_kept_is_said_and_the_diagnose_button_ends_in_a_sentence(open_app, frozen, monkeypatch):
    from components import diagnose_button

    before, app = files(frozen), open_app(frozen, "overview")
    assert said(app).count("Nothing can be written into") == 2 and "Read-only file system" in said(app)
    monkeypatch.setattr(diagnose_button, "load_images", lambda *_: pytest.fail("images were loaded first"))
    app = press(app, "Diagnose now")
    assert not app.exception
    (status,) = app.status
    assert status.state == "error" and "Read-only file system" in status.label and "--cache" in status.label
    assert files(frozen) == before


def test_with_a_cache_a_read_only_run_is_diagnosed_beside_itself(open_app, frozen, tmp_path, monkeypatch):
    monkeypatch.setenv("SSLVIZ_RUNS_CACHE", str(tmp_path / "cache"))
    before, app = files(frozen), open_app(frozen, "overview")
    assert "Nothing can be written" not in said(app)
    app = press(app, "Diagnose now")
    assert not app.exception and not app.error and not app.status
    assert files(frozen) == before and files(tmp_path / "cache" / "second")
    assert "second" in "".join(element.value for element in app.html)


@pytest.mark.parametrize("page", ["geometry", "collapse", "attribution", "attention"])
def test_a_page_that_would_compute_something_says_why_it_cannot(open_app, frozen, page):
    app = open_app(frozen, page)
    assert not app.exception and "Nothing can be written into" in said(app)


def test_a_demo_that_cannot_be_made_is_one_sentence(open_app, tmp_path):
    (tmp_path / "file").write_bytes(b"")
    app = press(open_app(tmp_path / "file" / "runs", "overview"), "Make the demo")
    assert not app.exception and "The demo cannot be made here" in said(app)
