"""What was checked of each variant, so that a step that did nothing could not pass."""

from collections.abc import Sequence
from typing import Any

from petiole import units
from petiole.evidence import Group
from petiole.report import provenance
from petiole.report.blocks import NONE, Cell, Table

DISTANCE, FLIPS = "logits_distance", "parity_flips"
LEAST_DISTANCE = 0.001
"""Smaller ones are those of float32 numbers added in another order."""
SHARES = ("sparsity", "pruned", "macs_left", "parameters_left")
COLUMNS = {
    "frozen_unchanged": "Frozen part unchanged",
    "trained_parameters": "Parameters that learned",
    "pruned": "Weights pruned",
    "sparsity": "Zeros of the pruned layers",
    "macs_left": "MACs left",
    "parameters_left": "Parameters left",
    "quantized_layers": "Layers quantized",
    "int8_compiled": "int8 on OpenVINO",
    "int8_compiled_onnxruntime": "int8 on ONNX Runtime",
    "parity_flips": "Different answers on OpenVINO",
    "parity_flips_onnxruntime": "Different answers on ONNX Runtime",
    "checksums": "Checksums right",
    "class_order": "Class order kept",
    "refused_openvino": "Not used on OpenVINO",
    "refused_onnxruntime": "Not used on ONNX Runtime",
}
"""By the names of gates in the records, in this order."""


def table(groups: Sequence[Group]) -> Table | None:
    """What each variant showed, a column for each gate; None where nothing was checked."""
    checked = [group for group in groups if any(row.gates for row in group.rows)]
    found = {name for group in checked for row in group.rows for name in row.gates if not name.startswith(DISTANCE)}
    if not found:
        return None
    names = [*(name for name in COLUMNS if name in found), *sorted(found - COLUMNS.keys())]
    rows: list[tuple[Cell, ...]] = [
        (provenance.named(group), *(_cell(group, name) for name in names)) for group in checked
    ]
    caption = (
        "Gates: what was checked, so that a step that did nothing could not pass. All figures are exact, of this run."
    )
    if "macs_left" in names or "parameters_left" in names:
        caption += " Left: of the network before pruning."
    if "pruned" in names:
        caption += " Pruned: of the weights of the pruned layers."
    if "sparsity" in names:
        caption += " Zeros: weights that were pruned, and those that are zero anyway."
    if any(name.startswith("int8") for name in names):
        caption += " int8: convolutions and linear layers that the runtime really computes so, of all."
    if any(name.startswith(FLIPS) for name in names):
        caption += (
            " Different answers: test pictures that the deployed file classifies otherwise than the network in torch; "
            "in brackets the mean distance of their logits, divided by how far the logits themselves spread."
        )
    if "checksums" in names:
        caption += (
            " Checksums right: of the artifact's stored files, read back. Class order kept: model.onnx and "
            "artifact.json name the same classes in the same order."
        )
    return Table(
        caption=caption, header=("Variant", *(COLUMNS.get(name, name.replace("_", " ")) for name in names)),
        rows=tuple(rows), words=frozenset(at for at, name in enumerate(names, start=1) if name.startswith("refused")),
    )  # fmt: skip


def _cell(group: Group, name: str) -> str:
    """A gate's value; those that differ between seeds are all shown."""
    values = dict.fromkeys(_value(row.gates, name) for row in group.rows if name in row.gates)
    return ", ".join(values) or NONE


def _value(gates: dict[str, Any], name: str) -> str:
    value = gates[name]
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float) and name in SHARES:
        digits = next((some for some in (1, 2, 3) if value in (0, 1) or 0 < round(100 * value, some) < 100), 4)
        return units.percent(value, digits)  # what changed a little is not told as nothing or all
    text = f"{value:,}" if isinstance(value, int) else str(value)
    distance = gates.get(name.replace(FLIPS, DISTANCE)) if name.startswith(FLIPS) else None
    if isinstance(distance, int | float) and 0 < distance < LEAST_DISTANCE:
        return f"{text} (< {LEAST_DISTANCE:g})"
    return f"{text} ({distance:g})" if isinstance(distance, int | float) else text
