"""What a source was taken for is told whole: every reason, every number."""

import json

from hypothesis import given
from hypothesis import strategies as st

from sslviz.data.reading import Reading

REASONS = st.dictionaries(st.text("abc ", min_size=1), st.lists(st.text("xyz", min_size=1), min_size=1), max_size=4)


@given(passed_over=REASONS, notes=st.lists(st.text("uvw", min_size=1), max_size=3))
def test_every_reason_and_note_is_a_line_with_its_count(passed_over, notes):
    reading = Reading("class folders", {".png": 1200, ".jpg": 3}, passed_over, notes)
    first, *rest = reading.lines
    assert first == "Read as class folders: 1,200 .png, 3 .jpg."
    assert rest[len(passed_over) :] == notes
    for line, (reason, names) in zip(rest, passed_over.items(), strict=False):
        assert line.startswith(f"Passed over, {reason}: {len(names)} (") and names[0] in line
    assert json.loads(json.dumps(reading.to_dict()))["passed_over"] == passed_over
