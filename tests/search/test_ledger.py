"""The ledger: a recipe is tried once, whoever tries it, and what was found is there for all."""

import multiprocessing
import os
import shutil
import sqlite3
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from petiole.errors import UserError
from petiole.search import ledger as ledger_module
from petiole.search.ledger import Claim, Ledger, Space, study_errors
from petiole.search.recipe import Recipe

SPACE: Space = {
    "backbone": ["resnet18"], "size_px": [224, 160], "macs": [1.0, 0.5, 0.25], "amount": [0.0],
    "quantization": ["static", "qat"],
}  # fmt: skip


def open_ledger(url: str, worker: str = "one") -> Ledger:
    return Ledger(url, "study", SPACE, seed=0, worker=worker)


@pytest.fixture
def sqlite(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path / 'study.db'}"


def recipe(size_px: int = 224, macs: float = 0.5) -> Recipe:
    return Recipe(backbone="resnet18", size_px=size_px, macs=macs)


def test_every_recipe_is_proposed_once_and_then_none(sqlite: str) -> None:
    ledger, names = open_ledger(sqlite), []
    while (claim := ledger.propose()) is not None:
        names.append(claim.recipe.name)
        ledger.finish(claim, (claim.recipe.macs, float(claim.recipe.size_px)), {"name": claim.recipe.name})
    assert len(names) == len(set(names)) == 12
    assert [each.found["name"] for each in ledger.finished()] == names


def test_proposals_do_not_depend_on_how_often_the_search_was_stopped(tmp_path: Path) -> None:
    """One process tries nine recipes; another search is killed at each of them, and taken up by a new process."""

    def finish(ledger: Ledger, claim: Claim) -> str:
        name = claim.recipe.name
        ledger.finish(claim, (claim.recipe.macs, float(claim.recipe.size_px)), {"name": name})
        return name

    whole, names = open_ledger(f"sqlite:///{tmp_path / 'whole.db'}"), []
    for _ in range(9):
        claim = whole.propose()
        assert claim is not None
        names.append(finish(whole, claim))
    url, again = f"sqlite:///{tmp_path / 'killed.db'}", []
    for _ in range(9):
        assert open_ledger(url).propose() is not None  # killed while it is at work on it
        taken_up = open_ledger(url)
        claim = taken_up.propose()
        assert claim is not None
        again.append(finish(taken_up, claim))
    assert again == names


def test_a_claimed_recipe_is_not_given_away_again(sqlite: str) -> None:
    ledger = open_ledger(sqlite)
    claim = ledger.claim(recipe())
    assert claim is not None
    assert claim.recipe == recipe()
    assert open_ledger(sqlite, "two").claim(recipe()) is None
    ledger.finish(claim, (1.0, 2.0), {"right": 3})
    assert ledger.claim(recipe()) is None
    assert [(each.recipe, each.found) for each in open_ledger(sqlite, "two").finished()] == [(recipe(), {"right": 3})]


def test_what_another_worker_has_taken_over_is_left_to_it(sqlite: str, monkeypatch: pytest.MonkeyPatch) -> None:
    slow = open_ledger(sqlite)
    claim = slow.claim(recipe())
    assert claim is not None
    open_ledger(sqlite)  # another process of the same run directory: the first one counts as killed
    slow.finish(claim, (1.0, 2.0), {"late": True})
    assert slow.finished() == []


def test_a_recipe_that_is_not_possible_is_not_proposed(tmp_path: Path) -> None:
    space = {**SPACE, "macs": [1.0], "size_px": [224], "amount": [0.0, 0.5]}
    ledger = Ledger(f"sqlite:///{tmp_path / 'study.db'}", "study", space, seed=0, worker="one")
    names = set()
    while (claim := ledger.propose()) is not None:
        names.add(claim.recipe.name)
        ledger.finish(claim, (1.0, 1.0), {})
    assert names == {"resnet18-224px-static", "resnet18-224px-qat", "resnet18-224px-zeros50-static"}


@pytest.mark.parametrize(
    "url",
    ["nodialect://me:secret@host/name", "nodialect://host/name?user=me&password=secret", "sqlite://me:secret@h/n"],
)
def test_passwords_are_not_shown(url: str) -> None:
    with pytest.raises(UserError) as error:
        open_ledger(url)
    assert "secret" not in str(error.value)
    assert "***" in str(error.value)


def test_what_was_given_up_keeps_its_reason_and_is_not_tried_again(sqlite: str) -> None:
    ledger = open_ledger(sqlite)
    claim = ledger.claim(recipe())
    assert claim is not None
    ledger.give_up(claim, "too few channels")
    assert ledger.given_up() == [(recipe(), "too few channels")]
    assert ledger.claim(recipe()) is None
    assert ledger.finished() == []


def test_a_worker_that_was_killed_takes_its_recipe_up_again(sqlite: str) -> None:
    assert open_ledger(sqlite).claim(recipe()) is not None
    assert open_ledger(sqlite, "two").claim(recipe()) is None, "another one leaves it to the first"
    again = open_ledger(sqlite)
    assert again.claim(recipe()) is not None


def test_what_another_worker_lost_long_ago_is_taken_up(sqlite: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert open_ledger(sqlite).claim(recipe()) is not None
    monkeypatch.setattr(ledger_module, "LOST_AFTER_S", 2.0)
    time.sleep(2.1)
    assert open_ledger(sqlite, "two").claim(recipe()) is not None


def test_who_is_late_does_not_count(sqlite: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The slow worker's trial is over the limit, which is 0, and so is the other's own: it is taken up all the same."""
    slow, other = open_ledger(sqlite), open_ledger(sqlite, "two")
    claim = slow.claim(recipe())
    monkeypatch.setattr(ledger_module, "LOST_AFTER_S", 0.0)
    taken_up = other.claim(recipe())
    assert claim is not None
    assert taken_up is not None
    slow.finish(claim, (1.0, 2.0), {"by": "slow"})
    assert other.finished() == []
    other.finish(taken_up, (3.0, 4.0), {"by": "other"})
    assert [each.found for each in slow.finished()] == [{"by": "other"}]


def test_who_ends_just_before_it_is_taken_up_keeps_the_recipe(sqlite: str, monkeypatch: pytest.MonkeyPatch) -> None:
    slow, other = open_ledger(sqlite), open_ledger(sqlite, "two")
    claim = slow.claim(recipe())
    assert claim is not None
    monkeypatch.setattr(ledger_module, "LOST_AFTER_S", 0.0)
    fail = other._fail

    def finished_first(number: int) -> None:
        slow.finish(claim, (1.0, 2.0), {"by": "slow"})
        fail(number)

    monkeypatch.setattr(other, "_fail", finished_first)
    assert other.claim(recipe()) is None
    assert [each.found for each in other.finished()] == [{"by": "slow"}]


DAMAGES = {
    "another version": "update alembic_version set version_num = 'v9.9.9.a'",
    "a value cut short": "update trial_user_attributes set value_json = '{'",
}


@pytest.mark.parametrize("damage", [*DAMAGES, "cut short", "no database"])
def test_a_runs_own_study_that_cannot_be_read_is_told(damage: str, tmp_path: Path) -> None:
    path = tmp_path / "study.db"
    url = f"sqlite:///{path}"
    assert open_ledger(url).claim(recipe()) is not None
    if damage in DAMAGES:
        with closing(sqlite3.connect(path)) as database, database:
            database.execute(DAMAGES[damage])
    else:
        path.write_bytes(path.read_bytes()[:20_000] if damage == "cut short" else b"no database" * 1000)
    with pytest.raises(UserError) as own:
        Ledger(url, "study", SPACE, seed=0, worker="one", own=True)
    assert str(own.value).startswith(f"{path} cannot be used (")
    assert str(own.value).endswith("): move study.db away and give the command again")
    assert ("another version of Optuna made it" in str(own.value)) == (damage == "another version")
    with pytest.raises(UserError, match=f"--study {url} cannot be used"):
        open_ledger(url)


def test_a_study_that_is_damaged_while_it_is_in_use_is_told(sqlite: str) -> None:
    ledger = open_ledger(sqlite)
    Path(sqlite.removeprefix("sqlite:///")).write_bytes(b"no database" * 10_000)
    with pytest.raises(UserError, match="move that file away and give the same command again"), study_errors(sqlite):
        ledger.claim(recipe())


def test_a_database_that_cannot_be_opened_is_told(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="--study sqlite:////no/such cannot be used"):
        open_ledger("sqlite:////no/such/folder/study.db".replace("/folder/study.db", ""))
    with pytest.raises(UserError, match="cannot be used"):
        open_ledger("no-database")


def work(url: str, worker: str, target: str) -> None:
    """What one of several processes does: try what is proposed until nothing is left."""
    ledger, mine = open_ledger(url, worker), []
    while (claim := ledger.propose()) is not None:
        mine.append(claim.recipe.name)
        time.sleep(0.01)
        ledger.finish(claim, (claim.recipe.macs, 1.0), {"worker": worker})
    Path(target).write_text("\n".join(mine), encoding="utf-8")


def shared_by_two(url: str, tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    targets = [tmp_path / name for name in ("a.txt", "b.txt")]
    processes = [context.Process(target=work, args=(url, each.stem, str(each))) for each in targets]
    for process in processes:
        process.start()
    for process in processes:
        process.join(120)
    assert [process.exitcode for process in processes] == [0, 0]
    done = [target.read_text(encoding="utf-8").split() for target in targets]
    finished = [each.recipe.name for each in open_ledger(url, "last").finished()]
    assert sorted(done[0] + done[1]) == sorted(finished)
    assert len(finished) == len(set(finished)) == 12
    assert all(done), "both had a part in it"


def test_two_processes_share_a_file(sqlite: str, tmp_path: Path) -> None:
    shared_by_two(sqlite, tmp_path)


@pytest.fixture
def postgres() -> Iterator[str]:
    """A PostgreSQL server of this test's own, on a socket in a folder of a short name (a long one is refused)."""
    binaries = next(iter(sorted(Path("/usr/lib/postgresql").glob("*/bin"))), None)
    if binaries is None or not (binaries / "initdb").is_file() or shutil.which("su") is None or os.getuid() != 0:
        pytest.skip("no PostgreSQL server here that this user could start")
    pytest.importorskip("psycopg2")

    def run(command: str) -> None:
        subprocess.run(["su", "postgres", "-c", command], check=True, capture_output=True, timeout=60)

    with tempfile.TemporaryDirectory(prefix="petiole-", ignore_cleanup_errors=True) as folder:
        shutil.chown(folder, "postgres")
        run(f"{binaries}/initdb -D {folder}/data -A trust")
        run(f"{binaries}/pg_ctl -D {folder}/data -w -o \"-k {folder} -c listen_addresses=''\" -l {folder}/log start")
        yield f"postgresql+psycopg2://postgres@/postgres?host={folder}"
        run(f"{binaries}/pg_ctl -D {folder}/data -m immediate stop")


def test_two_processes_share_a_server(postgres: str, tmp_path: Path) -> None:
    shared_by_two(postgres, tmp_path)
