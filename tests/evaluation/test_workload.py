"""Workload: what is announced before a diagnosis is what it then computes, and the time adds up."""

import numpy as np
import pytest

import sslviz
from sslviz.catalog import find_entry
from sslviz.encoders import Encoder
from sslviz.evaluation import pace
from sslviz.evaluation.inquiry import Inquiry
from sslviz.evaluation.pace import Pace, measured_pace
from sslviz.evaluation.questions import make_questions, named_entries
from sslviz.evaluation.workload import Workload, answer_seconds
from sslviz.features import pictures
from sslviz.runtime.progress import duration, watched

PROBE = 4  # pictures at most that an encoder is checked on
ONLY = ["spectrum", "linear_probe", "knn_probe", "invariance"]


@pytest.fixture(scope="module")
def images():
    return sslviz.shapes(n=90, size=16, seed=0)


@pytest.fixture
def run(tmp_path):
    made = sslviz.Run.create(tmp_path / "mine", {"encoder": {"name": "conv_nano", "image_size": 16}})
    for step in (1, 2):
        made.save_checkpoint(step, sslviz.create_encoder("conv_nano", image_size=16, seed=step).state_dict())
    return made


@pytest.fixture
def seen(monkeypatch):
    """The number of pictures in every batch that an encoder was given."""
    batches = []

    def counting(method):
        def shown(self, x, *given, **named):
            batches.append(len(x))
            return method(self, x, *given, **named)

        return shown

    for name in ("forward", "layers"):
        monkeypatch.setattr(Encoder, name, counting(getattr(Encoder, name)))
    return batches


def announced(run, images, **options):
    """(the line that a diagnosis begins with, the shares that its bar then showed)."""
    said, shares = [], []

    def report(title, share):
        said.append(title)
        shares.append(share)

    with watched(report):
        sslviz.diagnose(run, images, label="shape", **options)
    return said[0], shares[1:]


def test_as_many_passes_and_answers_are_announced_as_are_made(run, images, seen):
    measured_pace(run, images)
    seen.clear()
    line, shares = announced(run, images, only=ONLY)
    # The images, and each with one of eight things changed: shown to the encoder and to one untrained.
    passes = 2 * 90 + 2 * 9 * 90
    assert sum(n for n in seen if n > PROBE) == passes  # before each embedding a few pictures are looked at as a check
    assert line.startswith(f"{passes:,} forward passes and 4 answers to compute: ") and line.endswith(
        " % of it statistics."
    )
    assert shares == sorted(shares) and 0 < shares[-1] <= 1.0
    seen.clear()
    line, _ = announced(run, images, only=ONLY)
    assert line == "Everything is stored; nothing to compute." and not seen


def test_the_time_to_draw_corruptions_is_told_once_for_all_checkpoints(run, monkeypatch):
    large = sslviz.shapes(n=90, size=32, seed=0)
    run.update(pace={pace.hardware(): {"images_per_second": 1e9, "width": 1}})
    monkeypatch.setattr(pictures, "corruption_seconds", lambda images: 3.0)
    questions = make_questions(named_entries("drift"), large, None, label="shape", attributes=[])
    inquiry = Inquiry(large, None, None, questions, {"corrupted"}, False, {})
    work = inquiry.workloads([(f"step {one.step}", run, one) for one in run.checkpoints])
    assert [one.drawing for one in work.values()] == [pytest.approx(90 * 3.0), 0.0]
    first = work["step 1"]
    assert first.seconds == pytest.approx(first.drawing + first.encoding + first.statistics)
    assert first.line.endswith(
        f"% of it statistics and {first.drawing / first.seconds:.0%} drawing pictures.".replace("%", " %")
    )


def test_what_is_stored_is_left_out_of_it(run, images, seen):
    sslviz.diagnose(run, images, label="shape", only=["spectrum"], progress=False)
    seen.clear()
    line, _ = announced(run, images, only=["spectrum", "knn_probe"])
    assert line.startswith("1 answer to compute: ") and line.endswith("; 1 answer is stored.") and not seen
    # Of the checkpoint before the last nothing is stored, but it shares its untrained encoder with the last one.
    measured_pace(run, images)
    seen.clear()
    line, _ = announced(run, images, only=["spectrum"], every=True)
    assert line.startswith("90 forward passes and 1 answer to compute: ") and line.endswith("; 1 answer is stored.")
    assert sum(n for n in seen if n > PROBE) == 90


def test_nothing_is_timed_where_nobody_is_told(run, images, monkeypatch):
    monkeypatch.setattr(pace, "_timed", lambda *_: pytest.fail("timed"))
    sslviz.diagnose(run, images, label="shape", only=["spectrum"], progress=False)
    assert "pace" not in run.info


def test_a_pace_is_timed_on_real_pictures_and_remembered_with_its_hardware(run, images, seen, monkeypatch):
    clock = [0.0]
    monkeypatch.setattr(pace.time, "perf_counter", lambda: clock[0])
    before = Encoder.forward

    def slow(self, x):
        clock[0] += 0.05 * len(x)  # twenty pictures a second
        return before(self, x)

    monkeypatch.setattr(Encoder, "forward", slow)
    found = measured_pace(run, images)
    assert found.images_per_second == pytest.approx(20) and found.seconds(100) == pytest.approx(5)
    assert found.width == 128 and sum(seen) < 90
    seen.clear()
    assert measured_pace(sslviz.Run(run.path), images) == found and not seen
    monkeypatch.setattr(pace, "hardware", lambda: "another machine")
    assert measured_pace(run, images).images_per_second == pytest.approx(20) and seen
    assert len(sslviz.Run(run.path).info["pace"]) == 2
    assert measured_pace(run, images, "fp32").images_per_second == pytest.approx(20)
    assert len(sslviz.Run(run.path).info["pace"]) == 3  # a precision that is named has a pace of its own
    run.update(pace={"another machine": {"of an older": "sslviz"}})
    assert measured_pace(run, images).images_per_second == pytest.approx(20)


def test_seconds_are_those_of_the_passes_at_the_pace_and_of_every_answer(run, images):
    run.update(pace={pace.hardware(): {"images_per_second": 90.0, "width": 2000}})
    line, _ = announced(run, images, only=["spectrum", "linear_probe"])
    answers = 2 * answer_seconds(find_entry("spectrum"), 90, 2000)
    total = 2.0 + answers
    assert line == (
        f"180 forward passes and 2 answers to compute: {duration(total)}, {answers / total:.0%} of it statistics.".replace(
            "% of", " % of"
        )
    )


def test_an_answer_takes_longer_of_more_numbers_and_a_map_longer_than_others():
    spectrum, projection = find_entry("spectrum"), find_entry("projection")
    seconds = [answer_seconds(spectrum, n, 768) for n in (10, 1000, 100_000)]
    assert seconds == sorted(seconds) and 0 < seconds[0] < seconds[-1] < 60
    assert answer_seconds(projection, 1000, 768) > 3 * seconds[1]


def test_workloads_add_up_and_say_so():
    both = Workload(100, 10, 4.0, 2, 1.0) + Workload(200, 0, 2.0, 3, 3.0, stored=7)
    assert both == Workload(300, 10, 6.0, 5, 4.0, 7) and both.seconds == 10.0
    assert both.line == (
        "300 forward passes, 10 of them with the gradient, and 5 answers to compute: about 10 s, 40 % of it statistics; "
        "7 answers are stored."
    )
    assert Workload(50, encoding=600.0).line == "50 forward passes to compute: about 10 min."
    assert Workload(50, encoding=450.0, drawing=150.0).line == (
        "50 forward passes to compute: about 10 min, 25 % drawing pictures."
    )
    assert Pace(2.0, 8).seconds(np.float64(10)) == 5.0
