"""What is there to choose from?  Every method, encoder, source of images, question and map in a line."""

from __future__ import annotations


def listing(what: str) -> dict[str, list[tuple[str, str]]]:
    """{heading: [(name, what it is)]} of all "methods", "encoders", "images", "diagnostics", "transfer" or "maps".

    The heading of a method is its family; all others have none.
    """
    if what == "methods":
        from sslviz.methods import METHODS

        families: dict[str, list[tuple[str, str]]] = {}
        for name, method in METHODS.items():
            families.setdefault(method.family, []).append((name, _first_line(method)))
        return families
    return {"": _without_headings(what)}


def _without_headings(what: str) -> list[tuple[str, str]]:
    if what == "encoders":
        from sslviz.encoders.create import list_encoders
        from sslviz.encoders.presets import PRESETS

        return [(name, _first_line(PRESETS[name]) if name in PRESETS else "timm") for name in list_encoders()]
    if what == "images":
        from sslviz.data.sources.spec import SOURCES

        return list(SOURCES.items())
    if what == "maps":
        from sslviz.explanations.attribution.methods import ATTRIBUTION_METHODS

        return [(name, _first_line(method.compute)) for name, method in ATTRIBUTION_METHODS.items()]
    from sslviz.catalog import diagnostics, transfers

    return [(entry.name, entry.question) for entry in (transfers() if what == "transfer" else diagnostics())]


def _first_line(thing: object) -> str:
    return (thing.__doc__ or "").strip().partition("\n")[0]
