"""A run whose records were changed at random is shown, or refused in a sentence: nothing else."""

import contextlib
import json
import tempfile
from collections.abc import Callable
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from test_report_compress import REFERENCE, SMALL, finalist, searched

import fuzzing
from fabricated import latency, results, variant
from fuzzing import FUZZ
from petiole import api
from petiole.errors import UserError
from petiole.records import Results, to_json
from petiole.report import charts, html


@pytest.fixture(scope="module", autouse=True)
def undrawn() -> Any:
    """Charts are thought out and not drawn, which would take most of the time."""

    def undrawn(specification: Any, finish: Callable[[str], str]) -> "Future[str]":
        json.dumps(specification, allow_nan=False)
        done = Future[str]()
        done.set_result('<svg width="1"></svg>')
        return done

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(charts, "draw", undrawn)
        patch.setattr(html, "board", contextlib.nullcontext)
        yield


def of_a_lab() -> Results:
    return results()


def of_a_search() -> Results:
    rows = [variant(REFERENCE, 96, latency=[latency(4.0)]), variant(SMALL, 94, latency=[latency(1.25)])]
    return searched(finalist(), variants=rows)


@pytest.mark.parametrize("run", [of_a_lab, of_a_search], ids=["lab", "search"])
@given(data=st.data())
@settings(FUZZ, max_examples=150, suppress_health_check=[HealthCheck.too_slow])
def test_changed_records_are_shown_or_refused(run: Callable[[], Results], data: st.DataObject) -> None:
    content = data.draw(fuzzing.changed(json.loads(to_json(run()))))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "results.json"
        path.write_text(json.dumps(content), encoding="utf-8")
        try:
            api.report(Path(folder))
        except UserError as error:
            message = str(error)
            assert str(path) in message
