"""What stands beside the variants: the two demos, the data, the machine and the stages of the run."""

from typing import Any

import altair as alt

from petiole import units
from petiole.records import Photos, Results
from petiole.report import charts, provenance
from petiole.report.blocks import NONE, Picture, Table

DTYPE = {"seed", "scale", "zero_point", "input", "output_fp32", "output_int8", "weight_fp32", "weight_int8", "int_repr"}
LSTM = {"float_bytes", "int8_bytes", "float_p50_ms", "int8_p50_ms", "mean_abs_output", "mean_abs_difference"}
"""What must be recorded of the demos to be shown."""
LEAST_REST_S = 0.5
"""What a run took beside its stages is told from that on."""


def dtype(demo: dict[str, Any]) -> Table:
    """The handout's two-weight layer, in float and with int8 weights."""
    return Table(
        caption=(
            f"demo-dtype, seed {demo['seed']}: one linear layer before and after dynamic quantization; scale "
            f"{demo['scale']:.6g}, zero point {demo['zero_point']}. All numbers are exact: the seed makes them."
        ),
        header=("Quantity", "float32", "int8"),
        rows=(
            ("Input", _numbers(demo["input"]), NONE),
            ("Output", f"{demo['output_fp32']:.4f}", f"{demo['output_int8']:.4f}"),
            ("Weights", _numbers(demo["weight_fp32"]), _numbers(demo["weight_int8"])),
            ("int_repr", NONE, ", ".join(f"{value:g}" for value in _flat(demo["int_repr"]))),
        ),
    )


def dtype_picture(demo: dict[str, Any], name: str) -> Picture:
    """The numbers of the handout's two-weight layer in float32 and as int8 gives them back."""
    weights = zip(_flat(demo["weight_fp32"]), _flat(demo["weight_int8"]), strict=True)
    pairs = [(f"weight {at}", *both) for at, both in enumerate(weights, start=1)]
    pairs.append(("output", demo["output_fp32"], demo["output_int8"]))
    kinds = ["float32", "int8"]
    rows = [
        {"what": what, "kind": kind, "value": value}
        for what, *values in pairs
        for kind, value in zip(kinds, values, strict=True)
    ]
    base = alt.Chart(charts.data(rows)).encode(
        x=alt.X("value:Q", axis=alt.Axis(title="value"), scale=alt.Scale(zero=True)),
        y=alt.Y("what:N", sort=[what for what, *_ in pairs], axis=alt.Axis(title=None, domain=False, ticks=False)),
        yOffset=alt.YOffset("kind:N", sort=kinds), color=charts.colour("kind", kinds),
    )  # fmt: skip
    dot = base.mark_point(filled=True, size=70, opacity=1).encode(
        shape=alt.Shape("kind:N", scale=alt.Scale(domain=kinds), legend=charts.legend())
    )
    said = [f"{what} {before:.4f} and {after:.4f}" for what, before, after in pairs]
    return charts.picture(
        name, alt.layer(dot).properties(width=charts.WIDTH_PX, height=alt.Step(22)),
        f"The layer's numbers in float32 and in int8: no weight moves by more than half the scale of "
        f"{demo['scale']:.6f}.",
        f"float32 and int8: {'; '.join(said)}.",
    )  # fmt: skip


def lstm(demo: dict[str, Any]) -> Table:
    """The LSTM of the dynamic quantization recipe before and after."""
    seed = f", seed {demo['seed']}" if "seed" in demo else ""
    raw, kinds = demo.get("raw_file"), ("float", "int8")
    shape = f", {demo['shape']}" if demo.get("shape") else ""
    return Table(
        caption=f"LSTM of the dynamic quantization recipe{seed}{shape}. Bytes and outputs are exact. Times are of "
        "eager-mode PyTorch, one sequence a call, the two networks in turns." + (f" Every call: {raw}." if raw else ""),
        header=("Quantity", "LSTM", "LSTM-dynamic-int8"),
        rows=(
            ("File", f"{demo['float_bytes']:,} bytes", f"{demo['int8_bytes']:,} bytes"),
            (
                "Time of one call: median (middle half)",
                *(provenance.file(raw or "", _time(demo, each)) for each in kinds),
            ),
            ("Mean absolute output", f"{demo['mean_abs_output']:.4f}", NONE),
            ("Mean absolute difference of outputs", NONE, f"{demo['mean_abs_difference']:.2g}"),
        ),
    )


def _time(demo: dict[str, Any], kind: str) -> str:
    """The median time and its quartiles, where they were recorded."""
    text = units.ms(demo[f"{kind}_p50_ms"])
    low, high = demo.get(f"{kind}_p25_ms"), demo.get(f"{kind}_p75_ms")
    return f"{text} ({units.ms(low)} to {units.ms(high)})" if low and high else text


def photos(record: Photos) -> list[Table]:
    """Class counts, files that were skipped, photos found in both splits or under several labels."""
    counts = Table(
        caption="Photos by class (exact counts).",
        header=("Class", "Training", "Test"),
        rows=tuple(
            (name, _count(record.train_by_class, name), _count(record.test_by_class, name)) for name in record.classes
        ),
    )
    tables = [counts]
    if record.skipped:
        skipped = tuple((file.path, file.why) for file in record.skipped)
        tables.append(
            Table(caption="Files that were skipped.", header=("File", "Why"), rows=skipped, words=frozenset({1}))
        )
    if record.duplicates:
        doubles = tuple((", ".join(paths),) for paths in record.duplicates)
        tables.append(Table(caption="The same photo in both splits.", header=("Files",), rows=doubles))
    if record.contradictions:
        doubles = tuple((", ".join(paths),) for paths in record.contradictions)
        tables.append(Table(caption="The same photo under different labels.", header=("Files",), rows=doubles))
    return tables


def run(results: Results) -> list[Table]:
    """The machine with its libraries, and how long each stage took."""
    machine = results.run.machine
    rows = [
        ("Processor", machine.cpu),
        ("Instruction sets", ", ".join(machine.isa) or NONE),
        ("Cores", str(machine.cores)),
        ("Threads", str(machine.threads)),
        ("Memory", units.bytes(machine.memory_bytes) if machine.memory_bytes else NONE),
        *machine.versions.items(),
        ("Petiole", results.run.petiole or NONE),
        ("Whole run (this once)", units.seconds(results.run.seconds)),
    ]
    if results.run.peak_memory_bytes:
        rows.append(("Most memory that the run took (this once)", units.bytes(results.run.peak_memory_bytes)))
    tables = [Table(caption="Machine and versions.", header=("What", "Value"), rows=tuple(rows), words=frozenset({1}))]
    stages = results.run.stages
    if stages:
        named = sum(stage.seconds for stage in stages)
        whole = max(results.run.seconds, named) or 1.0
        rest = [
            ("between them, and the report", NONE, units.seconds(whole - named), units.percent(1 - named / whole), NONE)
        ]
        tables.append(
            Table(
                caption="Time of each stage, as it went this once, and its share of the whole run. Images/s: those "
                "that networks were trained on, or whose features were computed, in all that time.",
                header=("Stage", "Seed", "Time", "Share", "Images/s"),
                rows=tuple(
                    (
                        stage.name,
                        str(stage.seed),
                        units.seconds(stage.seconds),
                        units.percent(stage.seconds / whole),
                        f"{stage.images_per_s:,.0f}" if stage.images_per_s else NONE,
                    )
                    for stage in stages
                )
                + (tuple(rest) if whole - named >= LEAST_REST_S else ()),
            )
        )
    return tables


def _count(counts: dict[str, int], name: str) -> str:
    return f"{counts[name]:,}" if name in counts else NONE


def _flat(values: Any) -> list[float]:
    if isinstance(values, list | tuple):
        return [number for value in values for number in _flat(value)]
    return [float(values)]


def _numbers(values: Any) -> str:
    return ", ".join(f"{value:.4f}" for value in _flat(values))
