"""Is whoever wants to know reports how far it is, and nobody else?"""

import time

import pytest

from sslviz.runtime import progress
from sslviz.runtime.progress import Remaining, duration, progress_bar, say, watched, weighted_bar


def test_a_watcher_is_told_the_share_that_is_done(monkeypatch, capsys):
    monkeypatch.setattr(progress, "REPORT_INTERVAL", 0.0)
    reports = []
    with watched(lambda title, share: reports.append((title, share))), progress_bar("work", 4, "steps") as advance:
        advance(1)
        advance(2, note="b")
        advance(9)
    assert reports == [("work", 0.25), ("work b", 0.75), ("work", 1.0)]
    assert capsys.readouterr().err == ""


def test_it_is_not_told_more_often_than_it_can_be_seen(monkeypatch):
    reports, now = [], [0.0]
    monkeypatch.setattr(time, "perf_counter", lambda: now[0])
    with watched(lambda title, share: reports.append(share)), progress_bar("work", 100, "steps") as advance:
        for _ in range(100):
            now[0] += 0.05
            advance(1)
    assert 20 <= len(reports) <= 26


def test_what_asks_not_to_be_shown_and_what_comes_after_tells_nothing(capsys):
    reports = []
    with watched(lambda *_: reports.append(1)), progress_bar("work", 1, "steps", shown=False) as advance:
        advance(1)
    with progress_bar("later", 1, "steps") as advance:
        advance(1)
    assert reports == [] and "later" in capsys.readouterr().err


def test_what_the_watcher_raises_ends_the_work():
    def stop(title, share):
        raise InterruptedError(title)

    with pytest.raises(InterruptedError), watched(stop), progress_bar("work", 2, "steps") as advance:
        advance(1)


@pytest.fixture
def clock(monkeypatch):
    """`clock[0]` is what time it is, in seconds."""
    now = [0.0]
    monkeypatch.setattr(time, "perf_counter", lambda: now[0])
    return now


def test_what_remains_begins_at_the_estimate_and_ends_at_the_truth(clock):
    left = Remaining(100.0)
    assert left.seconds == 100.0
    clock[0] = 3.0
    assert left.seconds == 97.0  # it counts down while a long step is at work
    for done in range(1, 100):  # everything takes three times as long as estimated
        clock[0] = 3.0 * done
        left.advance(1.0)
        assert left.seconds <= 3.0 * (100 - done) + 1e-9
    assert left.seconds == pytest.approx(3.0, rel=0.1)
    left.advance(50.0)
    assert left.seconds == 0.0 and Remaining(0.0).seconds == 0.0


def test_a_weighted_bar_moves_by_cost_and_names_the_step_at_work(clock):
    reports = []
    with watched(lambda title, share: reports.append((title, share))), weighted_bar("asking", 100.0) as step:
        with step("cheap", 1.0):
            clock[0] += 1
        with step("dear", 80.0), progress_bar("inside", 10, "images", shown=False) as advance:
            for _ in range(5):
                clock[0] += 8
                advance(1)
        with step("counted", 10.0, count=200), progress_bar("inside", 100, "images", shown=False) as advance:
            clock[0] += 5
            advance(100)
    shares = [share for title, share in reports if title.startswith("asking dear")]
    assert shares == pytest.approx([0.01, 0.05, 0.09, 0.13, 0.17, 0.21])
    assert [share for title, share in reports if title.startswith("asking counted")] == pytest.approx([0.81, 0.86])
    assert reports[0] == ("asking cheap, about 2 min left", 0.0)
    # 21 of 100 are done in 41 s, and the estimate weighs as much as 10 of them: 79 x 51/31 = 130 s.
    assert [title for title, _ in reports if "dear" in title][-1] == "asking dear, about 2 min left"


def test_a_step_takes_no_more_than_was_expected_and_reaches_it(clock):
    shares = []
    with watched(lambda _, share: shares.append(share)), weighted_bar("asking", 2.0) as step:
        with step("twice the count", 1.0, count=5), progress_bar("inside", 10, "images", shown=False) as advance:
            for _ in range(10):
                clock[0] += 1
                advance(1)
        clock[0] += 1
        with step("two bars", 1.0):
            for _ in range(2):
                with progress_bar("inside", 4, "images", shown=False) as advance:
                    clock[0] += 1
                    advance(4)
    assert shares == sorted(shares) and shares.count(0.5) >= 5
    assert shares[-2:] == pytest.approx([0.75, 0.875])  # each bar inside takes a half of what is left
    shares.clear()
    with watched(lambda _, share: shares.append(share)), weighted_bar("outside", 8.0) as step:
        with step("bars in bars", 8.0, count=4.0), weighted_bar("inside", 4.0, shown=False) as inside:
            for _ in range(4):
                clock[0] += 1
                with inside("one", 1.0):
                    pass
    assert shares == pytest.approx([0.0, 0.25, 0.5, 0.75, 1.0])


def test_a_log_is_told_now_and_then_and_the_later_the_more_rarely(clock, capsys):
    with weighted_bar("asking", 3600.0) as step:
        for i in range(3600):
            with step(f"question {i}", 1.0):
                clock[0] += 1
    lines = capsys.readouterr().err.splitlines()
    assert lines[0] == "asking: 1%, about 60 min left, question 29" and lines[-1] == "asking: done in 3600.0 s"
    assert 10 <= len(lines) <= 25
    with progress_bar("embedding", 100, "images") as advance:
        for _ in range(100):
            clock[0] += 1
            advance(1)
    assert capsys.readouterr().err.splitlines()[0] == "embedding: 30%, about 70 s left"


def test_short_work_leaves_one_line_in_a_log(clock, capsys):
    with progress_bar("work", 4, "steps") as advance:
        clock[0] += 2
        advance(4)
    assert capsys.readouterr().err == "work: 4 steps in 2.0 s\n"


def test_a_line_is_told_to_whoever_watches(capsys):
    reports = []
    with watched(lambda title, share: reports.append((title, share))):
        say("much to do")
    say("nothing to do")
    assert reports == [("much to do", 0.0)] and capsys.readouterr().err == "nothing to do\n"


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (0, "a few seconds"),
        (7, "about 5 s"),
        (97, "about 95 s"),
        (99, "about 2 min"),
        (240, "about 4 min"),
        (7900, "about 2 h 12 min"),
    ],
)
def test_durations_are_rounded(seconds, said):
    assert duration(seconds) == said
