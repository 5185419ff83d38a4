"""What is made from a part of the photos counts for the versions and the machine that made it, and for no others."""

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

import petiole
from petiole.chain import made_by
from petiole.chain.config import ChainConfig
from petiole.rundir import RunDir
from petiole.search.config import SearchConfig
from petiole.search.part import Part
from petiole.search.setup import Search


def a_part(folder: Path, *, threads: int = 2) -> Part:
    split = SimpleNamespace(labels=[0, 1])
    photos: Any = SimpleNamespace(digest="d", train=split, test=split)
    return Part(
        rundir=RunDir(folder), photos=photos, weights={}, config=ChainConfig(), retrains=False, threads=threads, seed=0,
        say=lambda _: None,
    )  # fmt: skip


def a_search(folder: Path) -> Search:
    part = a_part(folder)
    return Search(
        config=SearchConfig(data=folder, out=folder), rundir=part.rundir, photos=part.photos, weights={}, sizes=(64,),
        threads=2, first=part, second=(part,), final=part, say=lambda _: None,
    )  # fmt: skip


CHANGES: dict[str, Callable[[pytest.MonkeyPatch], None]] = {
    "petiole": lambda patch: patch.setattr(petiole, "__version__", "0.0.1"),
    "library": lambda patch: patch.setattr(made_by, "library_versions", lambda: {"torch": "1.0"}),
    "bfloat16": lambda patch: patch.setattr(made_by, "has_bfloat16", lambda: "another"),
    "isa": lambda patch: patch.setattr(made_by, "isa", lambda: ["another"]),
    "threads": lambda patch: patch.setenv("OMP_NUM_THREADS", "77"),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_another_version_or_machine_is_another_basis_and_another_study(
    change: Callable[[pytest.MonkeyPatch], None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    search = a_search(tmp_path)
    part_before, search_before = search.first.basis, search.basis
    assert (search.first.basis, search.basis) == (part_before, search_before), "nothing else has changed it"
    change(monkeypatch)
    assert search.first.basis != part_before
    assert search.basis != search_before


def test_another_number_of_threads_is_another_basis(tmp_path: Path) -> None:
    assert a_part(tmp_path, threads=1).basis != a_part(tmp_path, threads=2).basis
