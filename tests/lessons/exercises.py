"""Exercises of the lessons: a lesson with every exercise answered, answers that are nearly right, and what their checks say."""

import re

import nbformat

SOLUTION = re.compile(r"<details><summary>Solution (\d)</summary>.*?```python\n(.*?)```.*?</details>", re.S)
ANSWER, CHECK = "# Exercise {}: your answer", "# Exercise {}: check"

# Answers that are nearly right: (what stands in the solution, what stands there instead).  Left out: an audit.
NEAR_MISSES = {
    "02_objectives": {
        "1": ("np.log(2 * 256 - 1)", "np.log(256)"),
        "2": ("policy.views + policy.local_views", "policy.views"),
        "3": ('["linear_texture_high"]', '["linear_texture"]'),
    },
    "03_views": {
        "1": ("flip_prob=0.0, ", ""),
        "3": ("crop=0.3", "crop=0.4"),
    },
    "04_collapse": {
        "1": ("np.log(2 * 64 - 1)", "np.log(64)"),
        "2": ("unit.std(axis=0)", "unit.std(axis=1)"),
        "3": ("(500, 3)) @ rng.normal(size=(3, 64))", "(500, 32)) @ rng.normal(size=(32, 64))"),
    },
    "05_geometry": {
        "1": ("* 20 +", "* 2 +"),
        "2": ("[:, :10]", ""),
        "3": ('metric="euclidean"', 'metric="cosine"'),
    },
    "06_comparing_checkpoints": {
        "1": ('stretched": False', 'stretched": True'),
        "2": ("other[:6, 0]", "other[6:12, 0]"),
        "3": ("/ 10", "/ 11"),
    },
    "07_attention": {
        "1": ("(8 * np.sqrt(2))", "(7 * np.sqrt(2))"),
        "2": ("passed[:, 0, 1:]", "passed[:, 1:, 0]"),
        "3": ("+ 6 * spread", "+ 1 * spread"),
    },
    "08_attribution": {
        "1": ("- result.maps", "+ result.maps"),
        "2": ("pictures.pixels", "255 - pictures.pixels"),
        "3": ("np.maximum(parts[\"biased\"].maps, 0)", "np.abs(parts[\"biased\"].maps)"),
    },
    "09_shortcuts_and_bias": {
        "1": ("(1 + 3 * 0.5) / 4", "0.55"),
        "2": ("np.bincount(group).min()", "np.bincount(group).min() - 1"),
        "3": ("10 * side", "0.1 * side"),
    },
    "11_your_own_model": {
        "1": ("least = next(", "least = 1.1 * next("),
        "2": ("read[0] < read[1]", "read[0] > read[1]"),
    },
    "10_low_labels": {
        "1": (" ** 2", ""),
        "2": ("(measured - rate / (c - 1))", "measured"),
        "3": (" * fit.std(axis=0)", ""),
    },
    "12_cost": {
        "1": ("16 * 16", "32 * 32"),
        "2": ('["c", "e"]', '["b", "c", "e"]'),
        "3": ("1 - 3 / 4 *", "1 / 4 *"),
    },
}  # fmt: skip


def solutions(book):
    """{number of the exercise: code of its folded solution}."""
    return dict(match.groups() for cell in book.cells for match in SOLUTION.finditer(cell.source))


def cell_of(book, marker):
    return next(cell for cell in book.cells if cell.source.startswith(marker))


def said(cell):
    """What a cell printed."""
    return "".join(output.text for output in cell.outputs if output.output_type == "stream" and output.name == "stdout")


def rehearsal(path):
    """The lesson, never run, with every exercise answered; then for each an answer that is nearly right, and its check."""
    book = nbformat.read(path, as_version=4)
    answers = solutions(book)
    near = []
    for number, (right, wrong) in NEAR_MISSES.get(path.stem, {}).items():
        assert right in answers[number]
        near += [answers[number].replace(right, wrong), cell_of(book, CHECK.format(number)).source]
    for number, code in answers.items():
        cell_of(book, ANSWER.format(number)).source = code
    for cell in code_cells(book):
        cell.outputs, cell.execution_count = [], None
    book.cells += [nbformat.v4.new_code_cell(source) for source in near]
    return book


def code_cells(book):
    return [cell for cell in book.cells if cell.cell_type == "code"]


def answers_are_told_apart(path, told):
    """Of what each code cell of a rehearsal printed: every solution is right, and every answer that is nearly right is not."""
    cells, near = [cell.source for cell in code_cells(rehearsal(path))], NEAR_MISSES.get(path.stem, {})
    assert len(told) == len(cells)
    for number in solutions(nbformat.read(path, as_version=4)):
        check = next(at for at, source in enumerate(cells) if source.startswith(CHECK.format(number)))
        assert told[check].startswith("Right"), f"exercise {number} takes its solution for wrong: {told[check]}"
    for number, answer in zip(near, told[len(told) - 2 * len(near) + 1 :: 2], strict=True):
        assert answer.startswith("Not yet"), f"exercise {number} takes a wrong answer for right: {answer}"
