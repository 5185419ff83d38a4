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
"""What may be linked to: a path below the run directory."""


def anchor(row: Variant) -> str:
    """Where the sources of a variant are told."""
    return "source-" + re.sub(r"\W+", "-", f"{row.name}-{row.engine}")


def _linked(path: str | None, text: str | None = None, *, name: str = "") -> Cell:
    """A link to a file of the run directory; plain text for whatever else a record might hold."""
    if path is None:
        return text or NONE
    if PLAIN.fullmatch(path) is None:
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
    """A row for each variant: its network, predictions and timings, and its stage; nothing without variants."""
    if not every:
        return []
    return [
        Table(
            caption="The files of each variant, of the first seed, within the run directory. A deployed network is "
            "model.onnx in its artifact directory; the accuracy comes from the predictions, the times from the raw "
            "timings (ms).",
            header=("Variant", "Network", "Predictions", "Raw timings", "Stage"),
            rows=tuple(_row(group) for group in every), words=frozenset({1, 2, 3, 4}),
        )
    ]  # fmt: skip


def _row(group: Group) -> tuple[Cell, ...]:
    row = group.first
    raw = next((time.raw_file for time in row.latency if time.raw_file), None)
    return (
        Linked(text=group.label, href="#variants", name=anchor(row)),
        _linked(row.artifact and f"{row.artifact}/"),
        _linked(row.predictions),
        _linked(raw),
        stage(row.name) or NONE,
    )


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
