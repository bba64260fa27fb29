"""An audit with images of another domain, and one of a sample: what the report says of both, and where."""

import json

import pytest

import sslviz
from sslviz.evaluation.questions import scored_and_fit
from sslviz.evaluation.quick import quick_sample
from sslviz.reports.audit.difference import difference
from sslviz.reports.audit.gate import reservation
from sslviz.reports.audit.page import audit_page
from sslviz.reports.audit.plan import AuditPlan, make_plan
from sslviz.runs import Run

SOURCE, TARGET = "shapes:n=700,size=16,seed=0", "shapes:n=400,size=16,seed=1,style=negative,split=test"
# Little is asked beside the shift: the rest has tests of its own.
ASKED = ("collapse", "spectrum", "linear_probe", "shift")


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    made = Run.create(tmp_path_factory.mktemp("r") / "mine", {"encoder": {"name": "conv_nano", "image_size": 16}})
    made.save_checkpoint(1, sslviz.create_encoder("conv_nano", image_size=16, seed=1).state_dict())
    return made


@pytest.fixture(scope="module")
def images():
    return *scored_and_fit(sslviz.load_images(SOURCE)), sslviz.load_images(TARGET)


@pytest.fixture(scope="module")
def plan(images):
    from sslviz.catalog import diagnostics

    skip = [entry.name for entry in diagnostics() if entry.name not in ASKED]
    said = {"label": "shape", "attributes": [], "maps": 0, "despite_collapse": True, "skip": skip}
    return make_plan(images[0].table, images[1].table, **said)


@pytest.fixture(scope="module")
def report(run, images, plan):
    scored, fit, target = images
    sample = quick_sample(scored, fit, target, label="shape", most=50)
    made = sslviz.audit(
        run, sample.images, fit=sample.fit, target=sample.target, plan=plan, quick=sample, progress=False
    )
    return json.loads(json.dumps(made)), sample


def test_the_shift_stands_in_its_section_and_the_plan_names_the_target(report, run, plan):
    written, sample = report
    assert written["plan"]["target"] == sample.target.spec and written["plan"]["digest"] != plan.digest
    assert written["images"]["target"] == {
        "spec": sample.target.spec,
        "digest": sample.target.digest,
        "n": len(sample.target),
    }
    options = {"fit": sample.fit, "target": sample.target, "label": "shape", "only": ["shift"], "progress": False}
    result = sslviz.diagnose(run, sample.images, **options)["mine"]["shift:shape"]
    assert written["runs"]["mine"]["scores"]["shift:shape"] == {n: s.to_dict() for n, s in result.scores().items()}
    page = audit_page(written)
    worth = page.partition(">Worth: what it gives downstream</h2>")[2].partition("<h2")[0]
    assert "What does a readout lose in another domain?" in worth
    line = f"Another domain: {len(sample.target)} images, {sample.target.spec}."
    assert line in written["asked"]["chosen"] and "another domain that it is to bear" in page
    assert {"collapse", "spectrum", "linear_probe:shape", "shift:shape"} == set(written["runs"]["mine"]["scores"])


def test_without_a_target_it_is_skipped_with_the_reason_and_a_plan_that_names_one_is_refused(run, images, plan):
    scored, fit, _ = images
    with pytest.raises(ValueError, match=f"names images of another domain, {TARGET}; give them as target"):
        sslviz.audit(run, scored, fit=fit, plan=make_plan(scored.table, fit.table, label="shape", target=TARGET))
    small = quick_sample(scored, fit, label="shape", most=50)  # embedded already
    written = sslviz.audit(run, small.images, fit=small.fit, plan=plan, progress=False)
    why = "No images of another domain were named: give some with the same labels as target (--target)."
    assert {"what": "shift", "why": why} in written["runs"]["mine"]["skipped"]
    assert written["images"]["target"] is None and written["plan"]["target"] == "" and written["quick"] is None
    assert written["plan"]["digest"] == plan.digest


def test_a_plan_without_a_target_has_the_digest_that_it_always_had():
    before = AuditPlan("shape", ("color",))
    assert before.digest == AuditPlan("shape", ("color",), target="").digest
    assert before.digest != AuditPlan("shape", ("color",), target="digits").digest


def test_a_quick_report_says_so_first_and_at_its_gate_and_beside_another(report, images):
    written, sample = report
    assert written["quick"] == sample.to_dict() | {"maps": 0} and written["images"]["n"] == 50
    page = audit_page(written)
    assert f"<h1>Audit of mine (quick: 50 of {len(images[0])} images)</h1>" in page
    assert page.index(sample.line) < page.index(">Findings</h2>")
    assert (
        reservation(written)
        == f"The gate was held against a quick report ({sample.heading}); a full one may read otherwise."
    )
    full = written | {"quick": None}
    older = {key: value for key, value in written.items() if key != "quick"}
    assert (
        reservation(full) == reservation(older) == "" and "quick" not in audit_page(older).partition("Findings</h2>")[0]
    )
    assert difference(full, written) == [f"The second report is a quick one ({sample.heading})."]


def test_maps_of_a_quick_audit_are_measured_on_fewer_pictures(monkeypatch, run, report, plan):
    import sslviz.reports.audit.audit as module

    asked = []
    monkeypatch.setattr(module, "_maps", lambda run, images, plan, *_: asked.append(plan.maps) or {})
    _, sample = report
    options = {"fit": sample.fit, "target": sample.target, "progress": False}
    many = make_plan(sample.images.table, label="shape", attributes=[], skip=list(plan.skip), despite_collapse=True)
    for quick in (sample, None):
        made = sslviz.audit(run, sample.images, plan=many, quick=quick, **options)
        assert made["plan"]["maps"] == 16
        assert quick is None or made["quick"]["line"].endswith(" Maps are made of 8 pictures, not of 16.")
    assert asked == [8, 16]
