"""Which encoder to take, in words: with few labels, in another domain, for what it costs, and what would turn the answer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sslviz.diagnostics.result import ResultKey
from sslviz.diagnostics.similarity.compare import compare
from sslviz.statistics import Score

Results = Mapping[str, Any]  # {run: result} of one question


@dataclass(frozen=True)
class Advice:
    """One thing to say of several encoders.

    - about: the heading of the questions that it rests on, as `Entry.group` has it
    - text: in words
    - turns: what would have to be true for the answer to turn; empty where nothing was found that could turn it
    """

    about: str
    text: str
    turns: str = ""


def recommendation(results: Mapping[str, Mapping[str, Any]]) -> list[Advice]:
    """What is said of these runs {run: {question: Result}}, from the answers that are there.

    Two runs are told apart only where the interval of their paired difference excludes 0.
    """
    few = _of(results, "low_label")
    elsewhere = _of(results, "shift"), _of(results, "domains"), _of(results, "continued_pretraining")
    said = [_few_labels(few), _other_domain(*elsewhere), _cost(_of(results, "cost"), few)]
    return [advice for advice in said if advice is not None]


def _of(results: Mapping[str, Mapping[str, Any]], name: str) -> dict[str, Any]:
    """{run: the first of its answers to this question}."""
    found: dict[str, Any] = {}
    for run, answers in results.items():
        for key, result in answers.items():
            if ResultKey.parse(key).name == name:
                found.setdefault(run, result)
    return found


# --- few labels -------------------------------------------------------------------------------------------------------


def _few_labels(of: Results) -> Advice | None:
    if not of:
        return None
    name, ranked = _headline(of)
    best = ranked[0]
    score = of[best].scores()[name]
    reads = f"{best} reads {of[best].label} at {score.text}"
    if score.beats_control is False:
        return Advice("Few labels", f"With {name}, take none of them: {reads}, no better than {score.control_text}.")
    if len(ranked) == 1:
        return Advice("Few labels", f"With {name}, {reads}, beside {score.control_text}.", _enough(of[best], best))
    second = ranked[1]
    if obstacle := _incomparable(of, second, best):
        return Advice("Few labels", obstacle)
    if (difference := _difference(of, second, best, name)) is None:
        text = f"With {name}, nothing tells {best} ({score.value_text}) and {second} apart; take the cheaper one."
        return Advice("Few labels", text, _first_told_apart(of, best, second))
    text = f"With {name}, take {best}: it reads {of[best].label} at {score.text}, better than {second} by {difference}."
    return Advice("Few labels", f"{text} {_worth(of, best, second)}".strip(), _turning(of, best, second))


def _headline(of: Results) -> tuple[str, list[str]]:
    """The score that comes first, and the runs by it, the best first."""
    name = next(iter(next(iter(of.values())).scores()))
    able = [run for run, result in of.items() if name in result.scores()]
    return name, sorted(able, key=lambda run: -of[run].scores()[name].value)


def _difference(of: Results, worse: str, better: str, score: str) -> str | None:
    """By how much the better one is better, "0.12 [0.08, 0.16]"; None where that cannot be told."""
    try:
        compared = compare(of[worse], of[better])
    except ValueError:  # other images, or other classes
        return None
    return compared.scores()[score].text if compared.winner.get(score) == 1 else None


def _incomparable(of: Results, one: str, other: str) -> str:
    """Why these two cannot be compared, in a sentence; empty where they can."""
    try:
        compare(of[one], of[other])
    except ValueError as error:
        return f"{one} and {other} cannot be compared: {error}"
    return ""


def _worth(of: Results, best: str, second: str) -> str:
    try:
        return of[best].labels_to_match(of[second]).sentence(best, second) + "."
    except ValueError:
        return ""


def _turning(of: Results, best: str, second: str) -> str:
    """From how many labels on the other one is as good or better; or that this was not found."""
    names = [name for name in of[best].scores() if name in of[second].scores()]
    overtaken = [name for name in names if _difference(of, best, second, name) is not None]
    if overtaken:
        return f"The answer turns with {' and '.join(overtaken)}, where {second} is the better one."
    level = [name for name in names if _difference(of, second, best, name) is None]
    if level:
        return f"It would not matter with {' or '.join(level)}: there nothing tells the two apart."
    return "It holds at every number of labels that was tried."


def _first_told_apart(of: Results, best: str, second: str) -> str:
    for name in of[best].scores():
        for better, worse in ((best, second), (second, best)):
            if name in of[worse].scores() and (by := _difference(of, worse, better, name)) is not None:
                return f"It would matter with {name}: there {better} is better by {by}."
    return "More scored images or draws of labels would tell them apart, if anything does."


def _enough(result: Any, run: str) -> str:
    for control in result.control_correct:
        try:
            found = result.labels_to_match(control)
        except ValueError:
            continue
        return f"It would not be worth its cost to whoever has labels enough: {found.sentence(run, control)}."
    return ""


# --- another domain ---------------------------------------------------------------------------------------------------


def _other_domain(shift: Results, domains: Results, continued: Results) -> Advice | None:
    """Which one bears it: the accuracy there, and what is lost on the way."""
    of = shift or domains
    if not of:
        return None
    name, ranked = _headline(of)
    best = ranked[0]
    lost = {run: _lost(of[run]) for run in ranked}
    listed = ", ".join(f"{run} {of[run].scores()[name].text}{lost[run]}" for run in ranked)
    where = "In the other domain" if shift else "In a domain that was left out"
    turns = f"{_won_back(of, ranked)} {_gone_on(continued)}".strip() if shift else ""
    if len(ranked) == 1:
        return Advice("Another domain", f"{where}: {listed}.", turns)
    if obstacle := _incomparable(of, ranked[1], best):
        return Advice("Another domain", obstacle)
    by = _difference(of, ranked[1], best, name)
    verdict = f"{best} bears it best, by {by}" if by else f"nothing tells {best} and {ranked[1]} apart"
    return Advice("Another domain", f"{where} {verdict}: {listed}.", turns)


def _won_back(of: Results, runs: list[str]) -> str:
    """What a readout fitted on the other domain would gain; nothing, where no interval lies above 0."""
    gains = {run: of[run].scores()["recoverable"] for run in runs}
    said = ", ".join(f"{gain.text} with {run}" for run, gain in gains.items())
    if all(gain.low is not None and gain.low <= 0 for gain in gains.values()):
        return f"Labels there are not shown to change it: a readout fitted there wins {said}."
    return f"Labels there would change it: a readout fitted there wins {said}."


def _gone_on(continued: Results) -> str:
    """What pretraining that goes on there gains beyond as many steps on the source; empty where nobody asked."""
    gains = {run: result.scores()["gain_over_source"] for run, result in continued.items()}
    said = ", ".join(f"{gain.text} with {run}" for run, gain in gains.items())
    return f"Going on pretraining with its pictures gains, beyond as many steps at home, {said}." if gains else ""


def _lost(result: Any) -> str:
    drop = result.scores().get("drop")
    return "" if drop is None or drop.reason else f" (lost on the way: {drop.text})"


# --- cost -------------------------------------------------------------------------------------------------------------


def _cost(of: Results, worth: Results) -> Advice | None:
    """What each takes, and whether the one that is better at reading is also the cheaper one."""
    if not of:
        return None
    pace = {run: result.scores()["images_per_second"] for run, result in of.items()}
    size = {run: result.scores()["megabytes"] for run, result in of.items()}
    ranked = sorted(pace, key=lambda run: -pace[run].value)
    listed = ", ".join(f"{run} {pace[run].text} pictures a second and {size[run].value_text} MB" for run in ranked)
    text = f"On the machine that measured it: {listed}."
    both = {run: result for run, result in worth.items() if run in of}
    if len(both) < 2:
        return Advice("Cost", text)
    name, by_worth = _headline(both)
    best, fastest = by_worth[0], ranked[0]
    if not _surely_more(pace[fastest], pace[best]):
        return Advice("Cost", f"{text} None of them is surely faster than {best}, which reads best.")
    times = pace[fastest].value / pace[best].value
    behind = both[best].scores()[name].value - both[fastest].scores()[name].value if fastest in both else None
    gap = "its accuracy" if behind is None else f"{behind:.2f} of accuracy with {name}"
    return Advice(
        "Cost", text, f"{fastest} would be the one to take if being {times:.1f} times as fast outweighs {gap}."
    )


def _surely_more(one: Score, other: Score) -> bool:
    """Whether the whole interval of one lies above that of the other."""
    return one.low is not None and other.high is not None and one.low > other.high
