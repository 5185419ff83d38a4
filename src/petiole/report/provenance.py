"""Where each number comes from: the files of each variant, and the commands that make its numbers again."""

import re
import shlex
from collections.abc import Sequence

from petiole import units
from petiole.evidence import Group
from petiole.records import Results, Variant
from petiole.report.blocks import NONE, Block, Cell, Chapter, Linked, Table, Text

CHAPTER = "sources"
STAGE_OF = (
    ("CNNScratch", "scratch"), ("CNNAdapted", "transfer"), ("CNNOptimized-", "quantization"),
    ("CNNOptimized", "transfer"), ("LeNet", "lenet"), ("LSTM", "demos"), ("demo", "demos"),
)  # fmt: skip


PLAIN = re.compile(r"(?!.*\.\.)\w[\w./+ -]*")
"""What may be linked to or shown: a path below the run directory."""


def is_plain(path: str) -> bool:
    """Whether a path from the records leads below the run directory, and holds nothing odd."""
    return PLAIN.fullmatch(path) is not None


def anchor(row: Variant) -> str:
    """Where the sources of a variant are told."""
    return "source-" + re.sub(r"\W+", "-", f"{row.name}-{row.engine}")


def _linked(path: str | None, text: str | None = None, *, name: str = "") -> Cell:
    """A link to a file of the run directory; plain text for whatever else a record might hold."""
    if path is None:
        return text or NONE
    if not is_plain(path):
        return text or path
    return Linked(text=text or path, href=path, name=name)


def stage(name: str) -> str:
    """The stage of the lab that makes a variant.

    >>> stage("CNNOptimized-qat-int8"), stage("CNNPrunedGO"), stage("CNNPrunedGO-structured-static-int8")
    ('quantization', 'pruning', 'structured')
    """
    if name.startswith("CNNPruned"):
        return "structured" if "structured" in name else "pruning"
    return next((found for start, found in STAGE_OF if name.startswith(start)), "")


def chapter(results: Results, every: Sequence[Group]) -> Chapter:
    """The commands that make everything again, and the files of each variant."""
    again = (
        f"All of it was made by: {results.run.command}. With --stages and the name of a stage (last column) one part "
        "is made again, with the stages that it needs. In the run directory, petiole report . writes this report again "
        "from results.json."
    )
    blocks: list[Block] = [Text(text=again)]
    artifact = next((row.first.artifact for row in every if row.first.artifact), None)
    if artifact:
        blocks.append(Text(text=(
            f"What a network says of other photos: petiole predict {shlex.quote(artifact)} PHOTOS. How fast it is "
            f"on another machine: petiole bench {shlex.quote(artifact)}. Both stand for every row."
        )))  # fmt: skip
    return Chapter(anchor=CHAPTER, title="Where each number comes from", blocks=(*blocks, *files(every)))


def files(every: Sequence[Group]) -> list[Table]:
    """A row for each variant: its network, its predictions and, where there are such, raw timings and the stage of the
    lab; nothing without variants."""
    if not every:
        return []
    columns: dict[str, list[Cell]] = {
        "Variant": [Linked(text=group.label, href="#variants", name=anchor(group.first)) for group in every],
        "Network": [_linked(group.first.artifact and f"{group.first.artifact}/") for group in every],
        "Predictions": [_linked(group.first.predictions) for group in every],
        "Raw timings": [
            _linked(next((time.raw_file for time in group.first.latency if time.raw_file), None)) for group in every
        ],
        "Stage": [stage(group.name) or NONE for group in every],
    }
    shown = {name: cells for name, cells in columns.items() if any(str(cell) != NONE for cell in cells)}
    times = "; the times come from the raw timings (ms)" if "Raw timings" in shown else ""
    return [
        Table(
            caption="The files of each variant, of the first seed, within the run directory. A deployed network is "
            f"model.onnx in its artifact directory; the accuracy comes from the predictions{times}.",
            header=tuple(shown), rows=tuple(zip(*shown.values(), strict=True)), words=frozenset(range(1, len(shown))),
        )
    ]  # fmt: skip


def accuracy_link(group: Group, text: str) -> Cell:
    """An accuracy that leads to the predictions that it comes from."""
    return _linked(group.first.predictions, text)


def file_link(group: Group) -> Cell:
    """The size of a deployed file that leads to it."""
    return _linked(group.first.artifact and f"{group.first.artifact}/model.onnx", units.bytes(group.file_bytes))


def time_link(group: Group, setting: tuple[str, int, int], text: str) -> Cell:
    """A time that leads to its raw timings."""
    of_setting = (time for time in group.first.latency if (time.runtime, time.batch, time.threads) == setting)
    return _linked(next((time.raw_file for time in of_setting), None), text)
