"""Where each number comes from: the files of each variant, and the commands that make its numbers again."""

import shlex
from collections.abc import Sequence

from petiole import units
from petiole.evidence import Group
from petiole.records import Results, Variant
from petiole.report.blocks import NONE, Block, Chapter, Linked, Table, Text

CHAPTER = "sources"
STAGE_OF = (
    ("CNNScratch", "scratch"), ("CNNAdapted", "transfer"), ("CNNOptimized-", "quantization"),
    ("CNNOptimized", "transfer"), ("LeNet", "lenet"), ("LSTM", "demos"), ("demo", "demos"),
)  # fmt: skip


def anchor(row: Variant) -> str:
    """Where the sources of a variant are told."""
    return f"source-{row.name}-{row.engine}"


def stage(name: str) -> str:
    """The stage of the lab that makes a variant.

    >>> stage("CNNOptimized-qat-int8"), stage("CNNPrunedGO"), stage("CNNPrunedGO-structured-static-int8")
    ('quantization', 'pruning', 'structured')
    """
    if name.startswith("CNNPruned"):
        return "structured" if "structured" in name else "pruning"
    return next((found for start, found in STAGE_OF if name.startswith(start)), "")


def chapter(results: Results, every: Sequence[Group]) -> Chapter:
    """A row for each variant: its network, predictions and timings, and its stage."""
    rows = tuple(_row(group) for group in every)
    again = (
        f"All of it was made by: {results.run.command}. With --stages and the name of a stage (last column) one part "
        "is made again, with the stages that it needs. In the run directory, petiole report . writes this report again "
        "from results.json."
    )
    artifact = next((row.first.artifact for row in every if row.first.artifact), None)
    blocks: list[Block] = [Text(text=again)]
    if artifact:
        blocks.append(Text(text=(
            f"What a network says of other photos: petiole predict {shlex.quote(artifact)} PHOTOS. How fast it is "
            f"on another machine: petiole bench {shlex.quote(artifact)}. Both stand for every row."
        )))  # fmt: skip
    if rows:
        blocks.append(
            Table(
                caption="The files of each variant, of the first seed, within the run directory. A deployed network is "
                "model.onnx in its artifact directory; the accuracy comes from the predictions, the times from the raw "
                "timings (ms).",
                header=("Variant", "Network", "Predictions", "Raw timings", "Stage"),
                rows=rows, words=frozenset({1, 2, 3, 4}),
            )
        )  # fmt: skip
    return Chapter(anchor=CHAPTER, title="Where each number comes from", blocks=tuple(blocks))


def _row(group: Group) -> tuple[str | Linked, ...]:
    row = group.first
    raw = next((time.raw_file for time in row.latency if time.raw_file), None)
    return (
        Linked(text=group.label, href="#variants", name=anchor(row)),
        Linked(text=row.artifact, href=f"{row.artifact}/") if row.artifact else NONE,
        Linked(text=row.predictions, href=row.predictions) if row.predictions else NONE,
        Linked(text=raw, href=raw) if raw else NONE,
        stage(row.name) or NONE,
    )


def accuracy_link(group: Group, text: str) -> str | Linked:
    """An accuracy that leads to the predictions that it comes from."""
    return Linked(text=text, href=group.first.predictions) if group.first.predictions else text


def file_link(group: Group) -> str | Linked:
    """The size of a deployed file that leads to it."""
    size, artifact = units.bytes(group.file_bytes), group.first.artifact
    return Linked(text=size, href=f"{artifact}/model.onnx") if artifact else size


def time_link(group: Group, setting: tuple[str, int, int], text: str) -> str | Linked:
    """A time that leads to its raw timings."""
    raw = next(
        (time.raw_file for time in group.first.latency if (time.runtime, time.batch, time.threads) == setting), None
    )
    return Linked(text=text, href=raw) if raw and text != NONE else text
