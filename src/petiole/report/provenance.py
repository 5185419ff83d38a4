"""Where each number comes from: the files of each variant, and the commands that make its numbers again."""

import re
import shlex
from collections.abc import Sequence

from petiole import units
from petiole.evidence import Group
from petiole.records import Results, Variant
from petiole.report.blocks import NONE, Block, Cell, Chapter, Linked, Table, Text

CHAPTER = "sources"
WHOLE = "everything"
"""Stands for the command that made the whole run, where a stage would stand."""
ANEW = "runs/again"
"""Where a stage is made again: not in the run's own directory, whose records would then be of this stage alone."""
SECTION_OF = {
    "scratch": "3.1", "transfer": "3.2", "pruning": "3.3", "structured": "3.3", "demos": "3.4.2-demos",
    "quantization": "3.4.2", "lenet": "3.4.3",
}  # fmt: skip
"""The chapter of each stage of the lab."""
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


def command_anchor(name: str) -> str:
    """Where the command is told that makes a stage again."""
    return f"command-{name}"


def command_of(results: Results, section: str) -> str:
    """The anchor of the command that makes a chapter again: that of its (first) stage, if it was run."""
    ran = {each.name for each in results.run.stages}
    made = (name for name, its in SECTION_OF.items() if its == section and name in ran)
    return command_anchor(next(made, WHOLE))


def again(command: str, name: str) -> str:
    """The command that makes one stage of the lab again; what no shell can read stays as it was recorded.

    >>> again("petiole lab --stages scratch,lenet --seeds 3 --out runs/a", "lenet")
    'petiole lab --seeds 3 --stages lenet --out runs/again'
    """
    try:
        words = shlex.split(command)
    except ValueError:
        return command
    if words[:2] != ["petiole", "lab"]:
        return command
    kept, given = [], iter(words)
    for word in given:
        if word in ("--stages", "--out"):
            next(given, None)
        elif not word.startswith(("--stages=", "--out=")):
            kept.append(word)
    return shlex.join([*kept, "--stages", name, "--out", ANEW])


def chapter(results: Results, every: Sequence[Group]) -> Chapter:
    """The commands that make everything again, and the files of each variant."""
    text = (
        "Every number of a table leads to its own file, or to the row of its network below, or to the command of its "
        "stage. In the run directory, petiole report . writes this report again from results.json."
    )
    blocks: list[Block] = [Text(text=text), _commands(results, every)]
    artifact = next((row.first.artifact for row in every if row.first.artifact), None)
    if artifact:
        blocks.append(Text(text=(
            f"What a network says of other photos: petiole predict {shlex.quote(artifact)} PHOTOS. How fast it is "
            f"on another machine: petiole bench {shlex.quote(artifact)}. Both stand for every row."
        )))  # fmt: skip
    return Chapter(anchor=CHAPTER, title="Where each number comes from", blocks=(*blocks, *files(every)))


def _commands(results: Results, every: Sequence[Group]) -> Table:
    """The command of the whole run, and that of each stage which was run, or whose networks are here."""
    rows: list[tuple[Cell, ...]] = [
        (Linked(text=WHOLE, href="#variants", name=command_anchor(WHOLE)), results.run.command)
    ]
    ran = {each.name for each in results.run.stages} | {stage(group.name) for group in every}
    rows += [
        (Linked(text=name, href=f"#{section}", name=command_anchor(name)), again(results.run.command, name))
        for name, section in SECTION_OF.items()
        if name in ran
    ]
    return Table(
        caption="The command that makes each stage again, with the stages that it needs and the times of its networks.",
        header=("Stage", "Command"), rows=tuple(rows), words=frozenset({1}),
    )  # fmt: skip


def files(every: Sequence[Group]) -> list[Table]:
    """A row for each variant: its network, its predictions and, where there are such, raw timings and the stage of the
    lab, which leads to its command; nothing without variants."""
    if not every:
        return []
    columns: dict[str, list[Cell]] = {
        "Variant": [Linked(text=group.label, href="#variants", name=anchor(group.first)) for group in every],
        "Network": [_linked(group.first.artifact and f"{group.first.artifact}/") for group in every],
        "Predictions": [_linked(group.first.predictions) for group in every],
        "Raw timings": [
            _linked(next((time.raw_file for time in group.first.latency if time.raw_file), None)) for group in every
        ],
        "Made by": [_stage_link(group.name) for group in every],
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


def named(group: Group) -> Linked:
    """The name of a variant, which leads to its files and the command that makes it."""
    return Linked(text=group.label, href=f"#{anchor(group.first)}")


def named_places(every: Sequence[Group]) -> tuple[tuple[str, str], ...]:
    """Names of variants as the prose has them, and where each leads."""
    return tuple({name: f"#{anchor(group.first)}" for group in every for name in (group.name, group.label)}.items())


def _stage_link(name: str) -> Cell:
    found = stage(name)
    return Linked(text=found, href=f"#{command_anchor(found)}") if found else NONE


def file(path: str, text: str) -> Cell:
    """Text that leads to a file of the run directory, where there is one."""
    return _linked(path or None, text)


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
