"""Fills in the parts of the reference that are made from the code, where a page says ``<!-- generated: WHAT -->``."""

import re
from collections.abc import Callable

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment
from sphinx.util.nodes import make_refnode

from extensions import commands, records
from petiole.deploy.artifact import Card
from petiole.inference_records import Benchmark, Prediction
from petiole.records import Results
from petiole.search_records import SearchResults

PLACE = re.compile(r"^<!-- generated: (\w+) -->$", re.MULTILINE)
RECORDS = records.within(Results, SearchResults, Benchmark, Prediction)
ARTIFACT = [model for model in records.within(Card) if model not in RECORDS]

PARTS: dict[str, Callable[[], str]] = {
    "commands": commands.markdown,
    "records": lambda: records.markdown(RECORDS, known=RECORDS),
    "artifact": lambda: records.markdown(ARTIFACT, known=[*RECORDS, *ARTIFACT]),
}
ANCHORS = {f"{model.__module__}.{model.__name__}": records.anchor(model) for model in (*RECORDS, *ARTIFACT)}


def _fill(app: Sphinx, docname: str, source: list[str]) -> None:
    source[0] = PLACE.sub(lambda place: PARTS[place[1]](), source[0])


def _link(app: Sphinx, env: BuildEnvironment, node: nodes.Element, shown: nodes.TextElement) -> nodes.Node | None:
    """A record that a signature names is where its fields are."""
    anchor = ANCHORS.get(node["reftarget"])
    if anchor is None:
        return None
    page, target, _ = env.domains.standard_domain.labels[anchor]
    return make_refnode(app.builder, node["refdoc"], page, target, shown)


def setup(app: Sphinx) -> dict[str, bool]:
    """Register with Sphinx."""
    app.connect("source-read", _fill)
    app.connect("missing-reference", _link)
    return {"parallel_read_safe": True}
