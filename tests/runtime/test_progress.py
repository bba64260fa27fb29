"""Is whoever wants to know reports how far it is, and nobody else?"""

import time

import pytest

from sslviz.runtime import progress
from sslviz.runtime.progress import progress_bar, watched


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
