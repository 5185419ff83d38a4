"""The verbs, each one function with the same name and arguments as on the command line."""

import shlex
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from petiole.lab.config import STAGES, LabConfig
from petiole.recipes import effort
from petiole.records import Photos, Results, read_results


def _print(text: str) -> None:
    print(text, flush=True)


def lab(*, data: Path | None = None, mnist: Path | None = None, out: Path = Path("runs/lab"),
        backbone: str | None = None, weights: str | None = None, offline: bool = False, amount: float = 0.3,
        seed: int = 0, seeds: int = 1, author: Sequence[str] = (), stages: Sequence[str] = STAGES,
        profile: str = "lab", count: int | None = None, demo_seed: int = 123,
        say: Callable[[str], None] = _print) -> Results:  # fmt: skip
    """Run the lab and write ``results.json``, ``report.html`` and ``Readme.txt`` into ``out``.

    Raises:
        UserError: wrong input; one sentence says what, where, and what to do.
    """
    from petiole.lab.run import run_lab
    from petiole.report.html import write_report
    from petiole.report.readme import write_readme

    config = LabConfig(
        data=data, mnist=mnist, out=out, backbone=backbone, weights=weights, offline=offline, amount=amount,
        seed=seed, seeds=seeds, authors=tuple(author), stages=tuple(stages), profile=profile, count=count,
        demo_seed=demo_seed,
        effort=effort(profile),
    )  # fmt: skip
    results = run_lab(config, command=shlex.join(["petiole", *sys.argv[1:]]), say=say, progress=sys.stderr.isatty())
    write_report(out, results)
    write_readme(out, results)
    return results


def check(data: Path, *, seed: int = 0) -> Photos:
    """Check a folder of photos as the lab would, and train nothing.

    Raises:
        UserError: the folder cannot be used; the message says why.
    """
    from petiole.data.folder import check as check_folder

    return check_folder(data, seed=seed, progress=sys.stderr.isatty())


def draw(out: Path, *, count: int = 398, seed: int = 0) -> Path:
    """Draw ``count`` photos of ants and bees into ``out``, in the layout of the hymenoptera archive; returns ``out``.

    Raises:
        UserError: too few photos, or ``out`` is there already or cannot be written.
    """
    from petiole.data.sources import draw as draw_photos

    return draw_photos(out, seed=seed, count=count, progress=sys.stderr.isatty()).root


def report(run: Path) -> Path:
    """Write a run's report again from its records alone; returns the path of ``report.html``.

    Raises:
        UserError: there are no records, or they cannot be read.
    """
    from petiole.report.html import write_report

    return write_report(run, read_results(run))
