import platform

import torch

from sslviz.runtime import hardware


def test_the_machine_is_described_in_words():
    told = hardware.describe_machine()
    assert all(isinstance(text, str) and text for text in told.values())
    assert told["torch"] == torch.__version__.partition("+")[0] and told["python"] == platform.python_version()
    assert int(told["cores"]) >= 1 and float(told["load"]) >= 0


def test_a_system_that_tells_nothing_is_not_an_error(monkeypatch, tmp_path):
    monkeypatch.setattr(hardware, "CPUINFO", tmp_path / "none")
    monkeypatch.setattr("platform.processor", lambda: "")
    assert hardware.processor() == platform.machine()
    monkeypatch.delattr("os.sched_getaffinity", raising=False)
    monkeypatch.delattr("os.getloadavg", raising=False)
    assert hardware.cores() >= 1 and hardware.load() == "unknown"
