"""A thousand photos in one go, a bad one every fiftieth: none lost, in order, in flat memory."""

import json
import subprocess
import sys
import weakref
from pathlib import Path

import pytest
import torch

from bad_photos import encoded, noise
from petiole import api
from petiole.deploy.runtime import Array
from petiole.errors import UserError
from petiole.inference import predict as loading
from petiole.inference.predict import AHEAD
from petiole.inference_records import Prediction
from petiole.models.scratch import CNNScratch
from petiole.preprocessing import Preprocessing
from petiole.rundir import RunDir
from petiole.variants import AssemblyLine, Subject, Task

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning", "ignore::UserWarning")
PHOTOS, BAD_EVERY, DIFFERENT = 1000, 50, 7
PIXELS = Preprocessing(size_px=64, resize_px=64, mean=(0.5,) * 3, std=(0.25,) * 3)
INPUTS_MB = PHOTOS * 3 * 64 * 64 * 4 / 1e6
"""What the inputs of all photos take together: 49 MB."""


@pytest.fixture(scope="module")
def artifact(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A CNNScratch with random weights, judged on noise."""
    out = tmp_path_factory.mktemp("run")
    with torch.random.fork_rng():
        torch.manual_seed(0)
        network, inputs = CNNScratch(2), torch.randn(8, 3, 64, 64)
    network(inputs)  # BatchNorm sees something
    labels = network.eval()(inputs).argmax(1)
    task = Task(dataset="photos", classes=("ants", "bees"), preprocessing=PIXELS, inputs=inputs, labels=labels)
    subject = Subject(name="CNNScratch", seed=0, parent=None, backbone="CNNScratch", how="")
    AssemblyLine(RunDir(out), threads=1).judge_float(network, task, subject)
    return out / "artifacts" / "CNNScratch"


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Photo ``at`` is of kind ``at % 7``; photo 49, 99, ... is cut short."""
    folder = tmp_path_factory.mktemp("many")
    for at in range(PHOTOS):
        content = encoded(noise(16 + at % DIFFERENT), "JPEG")
        (folder / f"{at:04}.jpg").write_bytes(content[:300] if is_bad(at) else content)
    return folder


def is_bad(at: int) -> bool:
    return at % BAD_EVERY == BAD_EVERY - 1


def own_memory_mb() -> float:
    """What this process holds now, without mapped files."""
    status = Path("/proc/self/status")
    if not status.exists():
        pytest.skip("no /proc here")
    fields = dict(line.split(":", 1) for line in status.read_text().splitlines())
    return int(fields["RssAnon"].split()[0]) / 1000


def row_of(at: int, row: Prediction, alone: list[Prediction]) -> None:
    """A row is that of its own photo: its name, and what the network says of the photo alone."""
    assert Path(row.path).name == f"{at:04}.jpg"
    if is_bad(at):
        assert row.label is None
        assert (row.why or "").startswith("broken picture (")
    else:
        assert row.probability == pytest.approx(alone[at % DIFFERENT].probability, abs=1e-4)
        assert row.label == alone[at % DIFFERENT].label


def quiet(text: str) -> None:
    """Nobody listens."""


@pytest.mark.parametrize("batch", [1, 16])
def test_none_is_lost_the_order_is_kept_and_memory_stays_flat(
    artifact: Path, many: Path, batch: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of ``batch`` rows the first comes when all were pulled, and others are under way: AHEAD and one more batch."""
    images = [str(many / f"{at:04}.jpg") for at in range(DIFFERENT)]
    alone = list(api.predict(artifact, images, runtime="onnxruntime", threads=1, say=quiet))
    assert len({row.probability for row in alone}) == DIFFERENT, "told apart by what is said of them"
    loads, inputs, load = list[Path](), list[weakref.ref[Array]](), loading._load

    def watched(path: Path, preprocessing: Preprocessing) -> Array | str:
        loads.append(path)
        loaded = load(path, preprocessing)
        if not isinstance(loaded, str):
            inputs.append(weakref.ref(loaded))
        return loaded

    monkeypatch.setattr(loading, "_load", watched)
    rows, most_mb = 0, 0.0
    stream = api.predict(artifact, [str(many)], runtime="onnxruntime", batch=batch, threads=2, say=quiet)
    before_mb = own_memory_mb()
    for at, row in enumerate(stream):
        row_of(at, row, alone)
        rows += 1
        assert len(loads) - rows <= batch - 1 + AHEAD + batch, "loaded too far ahead of who takes the rows"
        alive = sum(each() is not None for each in inputs)
        assert alive <= batch + AHEAD + batch + 2, "inputs are kept (each of 2 threads may still hold its last one)"
        most_mb = max(most_mb, own_memory_mb())
    assert (rows, len(loads), len(inputs)) == (PHOTOS, PHOTOS, PHOTOS - PHOTOS // BAD_EVERY)
    assert most_mb - before_mb < INPUTS_MB / 2


def test_json_of_a_fresh_process_holds_every_row_in_order(artifact: Path, many: Path) -> None:
    images = [str(many / f"{at:04}.jpg") for at in range(120)]
    command = [sys.executable, "-m", "petiole", "predict", str(artifact), *images, "--json", "--batch", "8"]
    result = subprocess.run([*command, "--runtime", "onnxruntime"], capture_output=True, text=True, check=True)
    rows = [Prediction(**row) for row in json.loads(result.stdout)["rows"]]
    assert [row.path for row in rows] == images
    assert [at for at, row in enumerate(rows) if row.why] == [49, 99]
    assert result.stderr.splitlines() == ["2 of 120 pictures could not be read"]


def test_how_far_it_is_is_shown_where_rows_are_not(
    artifact: Path, many: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    images = [str(many / f"{at:04}.jpg") for at in range(5)]
    list(api.predict(artifact, images, runtime="onnxruntime", threads=1, say=quiet))
    shown = capsys.readouterr()
    assert "predicting" in shown.err
    assert "5/5" in shown.err
    assert shown.out == ""


@pytest.mark.parametrize(("batch", "sentence"), [(0, "--batch 0 is too small"), (-3, "--batch -3 is too small")])
def test_batches_that_are_none(artifact: Path, many: Path, batch: int, sentence: str) -> None:
    with pytest.raises(UserError, match=sentence):
        api.predict(artifact, [str(many)], batch=batch, say=quiet)
