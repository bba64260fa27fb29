"""What each lesson says of its runs is held to the outputs that are stored in it, so that a lesson cannot rot silently.

Each sentence is asked twice: of what is stored, and of the same with one number or verdict changed, which has to break it.
"""

import re

import pytest
from stories import STORIES
from told import NOTEBOOKS, NUMBER, VERDICTS, Told, lesson

OPPOSITES = dict.fromkeys(VERDICTS, "healthy") | {
    "healthy": "dimensional collapse",
    "no better than": "better than",
    "part of the map": "the whole map",
    "nothing found": "FOUND",
    "It passes": "It fails",
    "beaten by": "not beaten by",
}


def planted(told):
    """The outputs with one number changed, or one verdict, again and again."""
    for found in re.finditer(NUMBER, told):
        for wrong in ("-999", "0", "999"):
            yield Told(told[: found.start()] + wrong + told[found.end() :])
    for found in re.finditer("|".join(OPPOSITES), told):
        yield Told(told[: found.start()] + OPPOSITES[found[0]] + told[found.end() :])


@pytest.mark.parametrize("number", NOTEBOOKS)
def test_a_lesson_says_what_its_cells_told(number):
    prose, told = lesson(number)
    story = STORIES[number](told)
    assert [said for said in story if said not in prose] == [], "the lesson no longer says so: change its story, too"
    assert [said for said, holds in story.items() if not holds] == [], "the outputs say otherwise"


@pytest.mark.parametrize("number", NOTEBOOKS)
def test_each_sentence_would_notice_a_wrong_output(number):
    told = lesson(number)[1]
    unnoticed = set(STORIES[number](told))
    for wrong in planted(told):
        try:
            unnoticed -= {said for said, holds in STORIES[number](wrong).items() if not holds}
        except (LookupError, TypeError, ValueError, AttributeError):  # cannot be read at all, which does not count
            continue
        if not unnoticed:
            break
    assert unnoticed == set()


def test_every_lesson_has_a_story():
    assert set(NOTEBOOKS) == set(STORIES)
