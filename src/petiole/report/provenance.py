"""Where each number comes from: the files of each variant, and the commands that make its numbers again."""

import re
import shlex
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from petiole import units
from petiole.evidence import Group
from petiole.records import Latency, Results, Variant
from petiole.report.blocks import NONE, Block, Cell, Chapter, Counted, Linked, Table, Text

CHAPTER = "sources"
WHOLE = "everything"
"""Stands for the command that made the whole run, where a stage would stand."""
ANEW = "runs/again-{}"
"""Where a stage is made again: not in the run's own directory, whose records would then be of this stage alone."""
RECORDS = "results.json"
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


def is_within(run_dir: Path, path: Path) -> bool:
    """Whether there is a file, and it lies in the run directory itself: no link leads to it from there."""
    return path.is_file() and path.resolve().is_relative_to(run_dir.resolve())


def anchor(row: Variant) -> str:
    """Where the sources of a variant are told."""
    return "source-" + re.sub(r"\W+", "-", f"{row.name}-{row.engine}")


def _anchor_of(group: Group, row: Variant) -> str:
    """The same of one of its seeds: the first one's row stands for all."""
    return anchor(row) if row is group.first else f"{anchor(row)}-seed{row.seed}"


def _linked(path: str | None, text: str | None = None) -> Cell:
    """A link to a file of the run directory; plain text for whatever else a record might hold."""
    if path is None:
        return text or NONE
    if not is_plain(path):
        return text or path
    return Linked(text=text or path, href=path)


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


def stages(results: Results) -> list[str]:
    """The stages of the lab that have a command of their own: those that were run, or whose networks are here. None
    where no command line of the lab made them."""
    if _words(results.run.command) is None:
        return []
    ran = {each.name for each in results.run.stages} | {stage(row.name) for row in results.variants}
    return [name for name in SECTION_OF if name in ran]


def command_of(results: Results, section: str) -> str:
    """The anchor of the command that makes a chapter again: that of its (first) stage, if there is one."""
    made = (name for name in stages(results) if SECTION_OF[name] == section)
    return command_anchor(next(made, WHOLE))


def _words(command: str) -> list[str] | None:
    """The words of a command line of the lab; None of anything else."""
    try:
        words = shlex.split(command)
    except ValueError:
        return None
    return words if words[:2] == ["petiole", "lab"] else None


def again(command: str, name: str) -> str:
    """The command that makes one stage of the lab again; what is no command line of the lab stays as it is.

    >>> again("petiole lab --stages scratch,lenet --seeds 3 --out runs/a", "lenet")
    'petiole lab --seeds 3 --stages lenet --out runs/again-lenet'
    """
    words = _words(command)
    if words is None:
        return command
    kept, given, out = [], iter(words), ANEW.format(name)
    for word in given:
        option, _, value = word.partition("=")
        if option in ("--stages", "--out"):
            value = value or next(given, "")
            out += "-anew" if option == "--out" and value == out else ""
        else:
            kept.append(word)
    return shlex.join([*kept, "--stages", name, "--out", out])


def chapter(results: Results, every: Sequence[Group]) -> Chapter:
    """The commands that make everything again, and the files of each variant."""
    text = (
        "In report.html the numbers in tables lead to the files of their network, or to its row, or to the command of "
        "its stage, and in sentences the networks' names do; in report.md accuracies, files, times and "
        "the names of rows and tables do. (In a hand-in archive without weights those to model.onnx lead nowhere.) All "
        f"numbers, or the counts that they come from, lie in {RECORDS}, from which petiole report . (in the run "
        "directory) writes this report again."
    )
    blocks: list[Block] = [Text(text=text), _commands(results)]
    artifact = next((row.first.artifact for row in every if row.first.artifact), None)
    if artifact:
        blocks.append(Text(text=(
            f"What a network says of other photos: petiole predict {shlex.quote(artifact)} PHOTOS. How fast it is "
            f"on another machine: petiole bench {shlex.quote(artifact)}. So it is with every network."
        )))  # fmt: skip
    return Chapter(anchor=CHAPTER, title="Where each number comes from", blocks=(*blocks, *files(results, every)))


def _commands(results: Results) -> Table:
    """The command of the whole run, and that of each stage."""
    command, top = results.run.command, "#variants" if results.variants else "#appendix"
    rows: list[tuple[Cell, ...]] = [(Linked(text=WHOLE, href=top, name=command_anchor(WHOLE)), command)]
    rows += [
        (Linked(text=name, href=f"#{SECTION_OF[name]}", name=command_anchor(name)), again(command, name))
        for name in stages(results)
    ]
    return Table(
        caption="The command that makes each stage again, with the stages that it needs and the times of its networks.",
        header=("Stage", "Command"), rows=tuple(rows), words=frozenset({1}),
    )  # fmt: skip


def files(results: Results, every: Sequence[Group]) -> list[Table]:
    """A row for each variant and seed: its network, its predictions, raw timings, its record, and the stage of the
    lab, which leads to its command; nothing without variants."""
    if not every:
        return []
    at, made_by = {id(row): at for at, row in enumerate(results.variants)}, stages(results)
    rows = [row for group in every for row in group.rows]
    columns: dict[str, list[Cell]] = {
        "Variant": [
            Linked(text=label_of(group, row), href="#variants", name=_anchor_of(group, row))
            for group in every
            for row in group.rows
        ],
        "Network": [_linked(row.artifact and f"{row.artifact}/") for row in rows],
        "Predictions": [_linked(row.predictions) for row in rows],
    }
    for batch in dict.fromkeys(time.batch for row in rows for time in row.latency):
        columns[f"Timings, batch {batch}"] = [_timings(row, batch) for row in rows]
    columns["Record"] = [Linked(text=f"variants[{at[id(row)]}]", href=RECORDS) for row in rows]
    columns["Made by"] = [_stage_link(stage(row.name), made_by) for row in rows]
    shown = {name: cells for name, cells in columns.items() if any(str(cell) != NONE for cell in cells)}
    times = ", its times from the raw timings (ms)" if any(name.startswith("Timings") for name in shown) else ""
    return [
        Table(
            caption="The files of each variant within the run directory. A deployed network is "
            f"model.onnx in its artifact directory. Its accuracy comes from the predictions{times}; what else is told "
            f"of it lies in its record in {RECORDS}, and what is told of two networks, of layers and of amounts under "
            "comparisons, layer_errors and curves; two chapters that are compared are made again by the command of the "
            "whole run.",
            header=tuple(shown), rows=tuple(zip(*shown.values(), strict=True)), words=frozenset(range(1, len(shown))),
        )
    ]  # fmt: skip


def _timings(row: Variant, batch: int) -> Cell:
    return _linked(next((time.raw_file for time in row.latency if time.batch == batch and time.raw_file), None))


def _stage_link(name: str, made_by: Sequence[str]) -> Cell:
    return Linked(text=name, href=f"#{command_anchor(name)}") if name in made_by else name or NONE


def label_of(group: Group, row: Variant) -> str:
    """The name of a variant, with the seed where it has several."""
    return f"{group.label}, seed {row.seed}" if len(group.rows) > 1 else group.label


def of_seed(group: Group, row: Variant) -> Linked:
    """The name of one seed of a variant, which leads to its files."""
    return Linked(text=label_of(group, row), href=f"#{_anchor_of(group, row)}")


def named(group: Group) -> Linked:
    """The name of a variant, which leads to its files and the command that makes it."""
    return Linked(text=group.label, href=f"#{anchor(group.first)}")


def places(every: Sequence[Group]) -> tuple[tuple[str, str], ...]:
    """Names as the prose has them, and where each leads: those of variants (a name that several engines share is left
    out) and that of the records."""
    found = {group.label: f"#{anchor(group.first)}" for group in every}
    count = Counter(group.name for group in every)
    found |= {group.name: f"#{anchor(group.first)}" for group in every if count[group.name] == 1}
    return (*found.items(), (RECORDS, RECORDS))


def file(path: str, text: str) -> Cell:
    """Text that leads to a file of the run directory, where there is one."""
    return _linked(path or None, text)


def _of_all(group: Group, path: str | None, text: str) -> Cell:
    """Text that leads to a file; where it is of several seeds, to the rows that name the files of each."""
    return _linked(path, text) if len(group.rows) == 1 else Linked(text=text, href=f"#{anchor(group.first)}")


def accuracy_link(group: Group, text: str) -> Cell:
    """An accuracy that leads to the predictions that it comes from."""
    return _of_all(group, group.first.predictions, text)


def file_link(group: Group) -> Cell:
    """The size of a deployed file that leads to it."""
    path = group.first.artifact and f"{group.first.artifact}/model.onnx"
    return _of_all(group, path, Counted.of(group.file_bytes, units.bytes))


def time_link(group: Group, setting: tuple[str, int, int], text: str) -> Cell:
    """A time that leads to its raw timings."""
    of_setting = (time for time in group.first.latency if (time.runtime, time.batch, time.threads) == setting)
    return _of_all(group, next((time.raw_file for time in of_setting), None), text)


def timed(time: Latency, text: str) -> Cell:
    """The same of one seed's time."""
    return _linked(time.raw_file, text) if text != NONE else text
