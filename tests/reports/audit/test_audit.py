"""An audit from end to end: an encoder that is not ours on a folder of files, as a stranger to this house would run it."""

import json
import re
import subprocess
import sys
from html import unescape

import numpy as np
import pytest
from PIL import Image

import sslviz
from sslviz.catalog import find_entry
from sslviz.cli.main import main
from sslviz.features.diagnosed import stored_source
from sslviz.figures import theme
from sslviz.reports.audit.page import audit_page, not_found_html
from sslviz.reports.audit.plan import AuditPlan, make_plan, read_plan
from sslviz.runs import Run

PLAN = """
label = "shape"
attributes = ["color"]
intended_use = "Sorting <signs> by shape."
skip = ["hubness", "drift"]
maps = 2
despite_collapse = true
[partners.color]
disc = "blue"
cross = "orange"
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """240 files with a metadata.csv, as anyone's: two shapes in two colours, which go together in 80 of 100."""
    folder = tmp_path_factory.mktemp("signs") / "signs"
    folder.mkdir()
    world = sslviz.shapes(n=1200, bias=0.8, seed=3)
    two = world.table["shape"].isin(["disc", "cross"]) & world.table["color"].isin(["orange", "blue"])
    rows = np.flatnonzero(two)[:240]
    lines = ["file_name,shape,color"]
    for row in rows:
        Image.fromarray(world.pixels[row]).save(folder / f"{row:04d}.png")
        lines.append(f"{row:04d}.png,{world.table['shape'].iloc[row]},{world.table['color'].iloc[row]}")
    (folder / "metadata.csv").write_text("\n".join(lines) + "\n")
    return folder


@pytest.fixture(scope="module")
def imported(tmp_path_factory):
    """A vision transformer of timm's whose weights someone else saved."""
    import timm
    from safetensors.torch import save_file

    from sslviz.runtime.random_state import seeded

    folder = tmp_path_factory.mktemp("theirs")
    with seeded(7):
        save_file(timm.create_model("test_vit", num_classes=0, img_size=64).state_dict(), folder / "theirs.safetensors")
    weights = folder / "theirs.safetensors"
    run, _ = sslviz.import_checkpoint("test_vit", weights=weights, image_size=64, out=folder / "theirs")
    return run


def command(*arguments):
    """The command line as a process of its own: its exit code and what it printed."""
    return subprocess.run([sys.executable, "-m", "sslviz", *map(str, arguments)], capture_output=True, text=True)


@pytest.fixture(scope="module")
def written(folder, imported, tmp_path_factory):
    out = tmp_path_factory.mktemp("report")
    (out / "audit.toml").write_text(PLAN)
    (out / "gate.toml").write_text('findings = "<= 0"\n[scores]\n"linear_probe:color.accuracy" = "< 0.1"\n')
    options = ("--config", out / "audit.toml", "--gate", out / "gate.toml", "--out", out / "report.html")
    answer = command("audit", imported.path, "--images", f"folder:{folder}", *options)
    assert "Traceback" not in answer.stderr, answer.stderr
    return out, answer


def test_an_imported_encoder_is_audited_on_a_folder(written, folder, imported):
    out, answer = written
    report = json.loads((out / "report.json").read_text())
    assert report["schema"] == 1 and report["plan"]["label"] == "shape" and report["images"]["n"] == 240
    run = report["runs"]["theirs"]
    assert len(run["checkpoint"]["sha256"]) == 64 and run["verdict"] and not run["stopped"]
    assert run["checkpoint"]["preprocessing"]["origins"]["mean"] == "timm's test_vit.r160_in1k"
    source = stored_source(imported, imported.last.key, report["images"]["digest"])
    assert (
        run["precision"] == source["precision"]
        and f"step 0, in {run['precision']}<" in (out / "report.html").read_text()
    )
    assert {"what": "hubness", "why": "The plan skips it."} in run["skipped"]
    assert "Not asked: The plan skips it. (hubness" in answer.stdout
    asked = set(run["scores"])
    assert {
        "collapse",
        "linear_probe:shape",
        "linear_probe:color",
        "reliance:shape~color",
        "groups:shape~color",
    } <= asked
    assert report["plan"]["partners"] == {"color": {"disc": "blue", "cross": "orange"}}
    assert report["tests"] == len(report["findings"]) + len(report["not_found"])
    images = [one for one in report["findings"] if one["run"] == "the images"]
    assert images and images[0]["effect"]["value"] > 0.3  # 80 of 100 is a V of about 0.6, in the files themselves
    assert all(one["p_corrected"] < 0.05 and one["does_not_mean"] for one in report["findings"])
    assert all(one["p_corrected"] >= 0.05 for one in report["not_found"])
    shown = [one["picture"] for finding in report["findings"] for one in finding["examples"]]
    assert shown and all(picture.startswith("data:image/png;base64,") for picture in shown)


def test_the_gate_lists_what_failed_and_the_exit_code_is_1(written):
    _, answer = written
    assert answer.returncode == 1
    assert "theirs: linear_probe:color.accuracy was to be < 0.1; its value is" in answer.stdout
    assert "there were to be <= 0." in answer.stdout


def test_the_page_is_made_from_the_report_alone_and_needs_nothing_else(written):
    out, _ = written
    page = (out / "report.html").read_text()
    report = json.loads((out / "report.json").read_text())
    assert audit_page(report) == page
    assert len(page) < 12_000_000 and page.count("plotly.js v") == 1
    assert "Sorting &lt;signs&gt; by shape." in page and "<signs>" not in page
    assert report["runs"]["theirs"]["checkpoint"]["sha256"] in page and report["plan"]["digest"] in page
    for cells in (
        "<td>mean</td><td>0.5 0.5 0.5</td><td>timm&#39;s test_vit.r160_in1k</td>",
        "<td>input size</td><td>64 px</td>",
    ):
        assert cells in page
    del report["runs"]["theirs"]["checkpoint"]["preprocessing"]  # of an older sslviz
    assert "How pictures are fed" in page and "How pictures are fed" not in audit_page(report)
    for heading in ("Findings", "Not found", "Intended use", "Data", "Health", "Limits", "Skipped", "How it was made"):
        assert f">{heading}</h2>" in page
    # Noise is a ceiling to a rank, not something to beat: it gets no mark, in the report as in the terminal.
    rank = report["runs"]["theirs"]["scores"]["spectrum"]["rankme"]
    assert rank["control_is"] == "ceiling" and rank["high"] < rank["control"]
    row = next(row for row in page.split("<tr>") if "<td>spectrum</td><td>rankme</td>" in row)
    assert "✗" not in row and "✓" not in row
    with pytest.raises(ValueError, match="newer sslviz"):
        audit_page(report | {"schema": 99})


def test_each_question_stands_before_its_own_figures(written):
    """The last question before a figure is the one that it answers, and every question stands there once."""
    report = json.loads((written[0] / "report.json").read_text())
    html = (written[0] / "report.html").read_text()
    asked = {one["figure"]["layout"]["meta"]["alt"]: one["diagnostic"] for one in report["figures"]}
    questions, last, figures = [], "", 0
    for question, alt in re.findall(r'<p class="question"><b>([^<]+)</b>|class="plot"[^>]+aria-label="([^"]+)"', html):
        if question:
            last = unescape(question)
            questions.append(question)
        else:
            assert last == find_entry(asked[unescape(alt)]).question
            figures += 1
    assert figures == len(report["figures"]) > len(questions) == len(set(questions)) > 3


def test_hints_stand_apart_from_findings(written):
    report = json.loads((written[0] / "report.json").read_text())
    quiet = [one | {"follow_up": False} for one in report["not_found"]]
    assert quiet and "worth asking" not in not_found_html(report | {"not_found": quiet})
    hinted = [quiet[0] | {"follow_up": True}, *quiet[1:]]
    text = not_found_html(report | {"not_found": hinted})
    assert "No findings, but worth asking of new images" in text and quiet[0]["question"] in text.partition("<table")[0]


# Of what is printed: the widest figure, whether anything is folded away, and the colours of the figures' text.
PRINTED = """() => ({
    widest: Math.max(...Array.from(document.querySelectorAll(".main-svg"), e => e.getBoundingClientRect().width)),
    folded: document.querySelectorAll("details:not([open])").length,
    tallest: Math.max(...Array.from(document.querySelectorAll(".main-svg"), e => e.getBoundingClientRect().height)),
    text: getComputedStyle(document.querySelector(".main-svg .xtick text")).fill,
    words: getComputedStyle(document.querySelector("h1")).color,
})"""
A4 = 210 / 25.4 * 96  # pixels of a page's width


@pytest.mark.browser
def test_the_page_opens_from_disk_without_an_error_or_a_request(written):
    import os
    import shutil

    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    if chromium is None:
        (pytest.fail if os.environ.get("CI") else pytest.skip)("no Chromium on the PATH, which reads the page")
    from playwright.sync_api import sync_playwright

    out, _ = written
    said = []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 700, "height": 900})
        page.on("console", lambda message: said.append(message.text))
        page.on("pageerror", lambda error: said.append(str(error)))
        page.on("request", lambda request: said.append(request.url) if request.url.startswith("http") else None)
        page.goto((out / "report.html").as_uri())
        page.wait_for_function(
            "document.querySelectorAll('.plot').length == document.querySelectorAll('.main-svg').length / 3"
        )
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")  # nothing sticks out
        page.keyboard.press("Tab")  # by keyboard: the first stop is the contents
        assert page.evaluate("document.activeElement.textContent") == "Findings"
        pictures = page.evaluate("[...document.querySelectorAll('img, [role=img]')].every(e => e.alt || e.ariaLabel)")
        assert pictures  # what a screen reader says of each
        page.set_viewport_size({"width": 1280, "height": 900})
        page.emulate_media(color_scheme="dark")
        page.wait_for_function(f"({PRINTED})().text == '{rgb(theme.ink(dark=True)['muted'])}'")
        assert page.evaluate(PRINTED)["folded"]
        page.evaluate("dispatchEvent(new Event('beforeprint'))")
        page.emulate_media(media="print", color_scheme="dark")
        printed = page.evaluate(PRINTED)
        (margin,) = re.findall(r"@page { margin: \d+mm (\d+)mm }", (out / "report.html").read_text())
        assert printed["widest"] <= A4 - 2 * float(margin) / 25.4 * 96
        assert printed["tallest"] <= (279 - 2 * 12) / 25.4 * 96  # Letter is the lower one
        ink = theme.ink(dark=False)
        assert (printed["folded"], printed["text"], printed["words"]) == (0, rgb(ink["muted"]), rgb(ink["text"]))
        page.emulate_media(media="screen", color_scheme="dark")
        page.evaluate("dispatchEvent(new Event('afterprint'))")
        after = page.evaluate(PRINTED)
        assert after["folded"] and after["text"] == rgb(theme.ink(dark=True)["muted"])
        browser.close()
    assert said == []


def rgb(color):
    return f"rgb({', '.join(str(int(color[i : i + 2], 16)) for i in (1, 3, 5))})"


def test_a_stopped_audit_goes_on_where_it_was(written, imported, folder, monkeypatch):
    """All answers lie in the run folder; the second audit computes none of them again and reads the same."""
    out, _ = written
    before = json.loads((out / "report.json").read_text())
    images = sslviz.folder(folder)
    from sslviz.evaluation import answers

    computed, compute_entry = [], answers.compute_entry
    monkeypatch.setattr(
        answers,
        "compute_entry",
        lambda entry, *a, **k: (computed.append(entry.name), compute_entry(entry, *a, **k))[1],
    )
    again = sslviz.audit(Run(imported.path), images, plan=read_plan(out / "audit.toml", images.table), progress=False)
    unanswered = {one["what"].partition(":")[0] for one in before["runs"]["theirs"]["skipped"]}
    assert set(computed) <= unanswered  # what could not be had may be tried again
    for key in ("plan", "images", "runs", "findings", "not_found"):
        assert json.loads(json.dumps(again[key])) == before[key]


def test_a_collapsed_encoder_is_asked_no_further(tmp_path, folder):
    run = Run.create(tmp_path / "dead", {"encoder": {"name": "conv_nano", "image_size": 32}})
    weights = sslviz.create_encoder("conv_nano").state_dict()
    # The last norm says the same of every image.
    last = [name for name in weights if name.startswith("model.stages.2") and name.endswith("bn.weight")]
    dead = {name: value * 0 if name in last else value for name, value in weights.items()}
    dead |= {name.replace("weight", "bias"): 1 + 0 * weights[name] for name in last}
    run.save_checkpoint(1, dead)
    images = sslviz.folder(folder)
    report = sslviz.audit(run, images, plan=make_plan(images.table, label="shape"), progress=False)
    about = report["runs"]["dead"]
    assert about["stopped"] and "collapse" in about["verdict"] and set(about["scores"]) <= {"collapse", "spectrum"}
    other = {one["what"] for one in about["skipped"] if "collapse" not in one["why"]}
    assert other == {"shift", "adaptation"} and report["findings"] == []  # of a domain that nobody named
    assert "The audit stopped here" in audit_page(report)


def test_a_plan_takes_what_it_does_not_say_from_the_table(folder):
    table = sslviz.folder(folder).table
    assert make_plan(table, label="shape") == AuditPlan("shape", ("color",))
    assert make_plan(table, label="color") == AuditPlan("color", ("shape",))
    assert make_plan(table.rename(columns={"color": "label"})) == AuditPlan("label", ("shape",))
    assert make_plan(table[["shape"]], label="shape") == AuditPlan("shape", ())
    assert make_plan(table, label="shape").digest != make_plan(table, label="shape", maps=3).digest


def test_an_attribute_named_twice_is_asked_about_once(folder):
    plan = make_plan(sslviz.folder(folder).table, label="shape", attributes=["color", "color"])
    assert plan.attributes == ("color",)


def test_no_other_column_takes_the_place_of_the_label(folder):
    table = sslviz.folder(folder).table
    with pytest.raises(ValueError, match="no column called 'label'; its columns are: shape, color"):
        make_plan(table)
    with pytest.raises(ValueError, match="'label' cannot be the label: numbers with fractions .* of: shape, color"):
        make_plan(table.assign(label=np.linspace(0, 1, len(table))))
    odd = table.assign(label=["odd", *table["shape"][1:]])  # one row that is no class leaves the others
    assert make_plan(odd).label == "label"


@pytest.mark.parametrize(
    ("said", "message"),
    [
        ({"lable": "shape"}, "has no 'lable'; it has label, attributes"),
        ({"label": "size"}, "The table has no column 'size'; its columns are: shape, color"),
        ({"attributes": ["shape"]}, "'shape' is named as label and as attribute"),
        ({"attributes": "color"}, "attributes is a list of names; got 'color'"),
        ({"skip": ["everything"]}, "skips 'everything', but there is no such diagnostic"),
        ({"maps": -1}, "maps is a number, 0 or more; got -1"),
        ({"maps": True}, "maps is a number"),
        ({"intended_use": 3}, "intended_use is a text; got 3"),
        ({"partners": {"shape": {}}}, "partners of 'shape', which is none of its attributes"),
        ({"partners": {"color": {"disc": "orange"}}}, r"for each shape \(cross, disc\) one color .*got disc = orange"),
        ({"partners": {"color": "orange"}}, "partners is a table for each attribute"),
    ],
)
def test_plans_that_cannot_be_followed_are_refused(folder, said, message):
    with pytest.raises(ValueError, match=message):
        make_plan(sslviz.folder(folder).table, **{"label": "shape"} | said)


def test_bad_files_and_folders_end_in_one_sentence(tmp_path, imported, folder, capsys):
    (tmp_path / "bad.toml").write_text("label = ")
    (tmp_path / "taken.html").write_text("")
    run, images = str(imported.path), f"folder:{folder}"
    for arguments, message in [
        (["audit"], "Name runs and images"),
        (["audit", run, "--images", images, "--out", str(tmp_path / "taken.html")], "already exists"),
        (["audit", run, "--images", images, "--out", str(tmp_path / "report.pdf")], "does not end in .html"),
        (
            [
                "audit",
                run,
                "--images",
                images,
                "--out",
                str(tmp_path / "a.html"),
                "--config",
                str(tmp_path / "bad.toml"),
            ],
            "no TOML",
        ),
        (["audit", "--diff", "a.json", "b.json"], "a.json cannot be read"),
    ]:
        with pytest.raises(SystemExit) as stopped:
            main(arguments)
        assert stopped.value.code == 2 and message in capsys.readouterr().err
    assert not (tmp_path / "a.html").exists()
