"""What hypothesis damages and makes up: bytes, JSON, and records by what their fields say."""

import types
import typing
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from petiole.accuracy_records import MOST, Accuracy
from petiole.figure_records import CurvePoint, Histogram, Sensitivity
from petiole.records import Latency, Train, Variant
from petiole.search_records import Candidate, Finalist

FUZZ = settings(deadline=None, derandomize=True)
"""The same examples at every run: a run that fails can be repeated."""

scalars = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | st.sampled_from(["..", "/"])
values = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=4), inner, max_size=3)
)
"""Anything that JSON holds, and the numbers that Python adds to it."""
finite = st.floats(allow_nan=False, allow_infinity=False)
plain = st.recursive(
    st.none() | st.booleans() | st.integers() | finite | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=5,
)


@st.composite
def damaged(draw: st.DrawFn, content: bytes) -> bytes:
    """``content`` with some bytes overwritten, put in or left out, or cut short."""
    result = bytearray(content)
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, len(result)) | st.integers(0, min(len(result), 400)))
        kind = draw(st.sampled_from(["overwrite", "insert", "remove", "cut"]))
        piece = draw(st.binary(min_size=1, max_size=8))
        if kind == "overwrite":
            result[at : at + len(piece)] = piece
        elif kind == "insert":
            result[at:at] = piece
        elif kind == "remove":
            del result[at : at + draw(st.integers(1, 64))]
        else:
            del result[at:]
    return bytes(result)


@st.composite
def changed(draw: st.DrawFn, content: Any) -> Any:
    """JSON ``content`` with up to three of its values, at any depth, replaced by others; changed in place."""
    for _ in range(draw(st.integers(1, 3))):
        inside = content
        while True:
            key = draw(st.sampled_from(sorted(inside) if isinstance(inside, dict) else range(len(inside))))
            if not isinstance(inside[key], dict | list) or not inside[key] or draw(st.booleans()):
                break
            inside = inside[key]
        inside[key] = draw(values)
    return content


def records(model: type[BaseModel]) -> st.SearchStrategy[Any]:
    """Records of a class, every field made up by its annotation and its bounds."""
    if model is Accuracy:
        return _accuracies().map(model.model_validate)
    fields = {field.alias or name: _field(field) for name, field in model.model_fields.items()}
    whole = st.fixed_dictionaries(fields)
    if issubclass(model, Variant | Candidate | Finalist):
        return _networks(whole).map(model.model_validate)
    return whole.map(lambda values: model.model_validate(_mended(model, values)))


@st.composite
def _accuracies(draw: st.DrawFn) -> dict[str, Any]:
    """What an accuracy may be: counts, what follows from them, an interval around it, a matrix that sums to them."""
    classes = draw(st.integers(0, 3))
    line = st.lists(st.integers(0, MOST // 9), min_size=classes, max_size=classes)
    confusion = draw(st.lists(line, min_size=classes, max_size=classes))
    total = sum(map(sum, confusion))
    correct = sum(line[i] for i, line in enumerate(confusion))
    if not total:
        confusion, total = [], draw(st.integers(1, MOST))
        correct = draw(st.integers(0, total))
    value = correct / total
    return {
        "correct": correct, "total": total, "value": value,
        "ci95": (draw(st.floats(0, value)), draw(st.floats(value, 1))),
        "by_class": draw(st.dictionaries(st.text(), st.floats(0, 1), max_size=2)), "confusion": confusion,
    }  # fmt: skip


@st.composite
def _networks(draw: st.DrawFn, fields: st.SearchStrategy[dict[str, Any]]) -> dict[str, Any]:
    """A network whose numbers leave room for each other: weights that are not zero, pictures lost and gained."""
    values = draw(fields)
    right, total = values["accuracy"].correct, values["accuracy"].total
    if "nonzero_parameters" in values:
        values["nonzero_parameters"] = draw(st.integers(0, values["parameters"]))
    for key in sorted({"versus", "versus_parent", "versus_baseline", "versus_reference"} & set(values)):
        if values[key] is not None:
            lost, gained = draw(st.integers(0, total - right)), draw(st.integers(0, right))
            values[key] = values[key].model_copy(update={"lost": lost, "gained": gained})
    return values


def _mended(kind: type[BaseModel], values: dict[str, Any]) -> dict[str, Any]:
    """The same values, those that must agree with each other made to."""
    if kind is Latency:
        keys = ("p25_ms", "p50_ms", "p75_ms", "p90_ms")
        return values | dict(zip(keys, sorted(max(values[key], 1e-9) for key in keys), strict=True))
    if kind is Train:
        return values | {"converged_epoch": min(values["converged_epoch"], values["epochs"])}
    if kind is CurvePoint:
        return values | {"correct": min(values["correct"], values["total"])}
    if kind is Sensitivity:
        most = {"removed": "of", "correct": "total", "correct_before": "total"}
        return values | {key: min(values[key], values[other]) for key, other in most.items()}
    if kind is Histogram:
        counts = [abs(count) % 10**9 for count in values["counts"]]
        low = min(values["low"], 1e300)
        return values | {
            "counts": [counts[0] + 1, *counts[1:]],
            "low": low,
            "high": max(values["high"], low + 1 + abs(low)),
            "outside": values["outside"] % 10**9,
            "zeros": values["zeros"] % 10**9,
        }
    return values


def _field(field: FieldInfo) -> st.SearchStrategy[Any]:
    names = ("ge", "gt", "le", "min_length")
    bounds = {name: getattr(each, name) for each in field.metadata for name in names if hasattr(each, name)}
    if field.annotation in (int, int | None) and bounds:
        whole = st.integers(bounds.get("ge"), bounds.get("le"))
        return whole if field.annotation is int else st.none() | whole
    if field.annotation in (float, float | None) and bounds:
        least, above = bounds.get("ge"), bounds.get("gt")
        number = st.floats(
            least if above is None else above, bounds.get("le"), exclude_min=above is not None, allow_infinity=False,
            allow_nan=False,
        )  # fmt: skip
        return number if field.annotation is float else st.none() | number
    if bounds.get("min_length"):
        return st.lists(_annotated(typing.get_args(field.annotation)[0]), min_size=bounds["min_length"], max_size=3)
    return _annotated(field.annotation)


def _annotated(annotation: Any) -> st.SearchStrategy[Any]:
    origin, inner = typing.get_origin(annotation), typing.get_args(annotation)
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return records(annotation)
    if origin in (typing.Union, types.UnionType):
        return st.one_of(*map(_annotated, inner))
    if origin is list:
        return st.lists(_annotated(inner[0]), max_size=2)
    if origin is tuple and inner[-1] is Ellipsis:
        return st.lists(_annotated(inner[0]), max_size=3).map(tuple)
    if origin is tuple:
        return st.tuples(*map(_annotated, inner))
    if origin is dict:
        return st.dictionaries(_annotated(inner[0]), _annotated(inner[1]), max_size=2)
    if annotation is Any:
        return plain
    return finite if annotation is float else st.from_type(annotation)
