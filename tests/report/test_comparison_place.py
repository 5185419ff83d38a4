"""Where the comparison of two runs is written: nowhere that it would take the place of something else."""

from pathlib import Path

import pytest

from fabricated import results
from petiole import api
from petiole.errors import UserError
from petiole.records import to_json


@pytest.fixture
def runs(tmp_path: Path) -> tuple[Path, Path]:
    for name in ("first", "second"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "results.json").write_text(to_json(results()))
    return tmp_path / "first", tmp_path / "second"


@pytest.mark.parametrize("name", ["report.html", "thesis"])
def test_what_is_of_no_comparison_is_not_overwritten(name: str, runs: tuple[Path, Path], tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / name).write_text("precious")
    with pytest.raises(UserError, match=rf"out holds {name}, which is of no comparison: choose another --out"):
        api.report(*runs, out=tmp_path / "out")
    assert [each.name for each in (tmp_path / "out").iterdir()] == [name]
    assert (tmp_path / "out" / name).read_text() == "precious"


def test_a_comparison_takes_the_place_of_an_earlier_one(runs: tuple[Path, Path], tmp_path: Path) -> None:
    first = api.report(*runs, out=tmp_path / "out").read_bytes()
    assert api.report(*runs, out=tmp_path / "out").read_bytes() == first
