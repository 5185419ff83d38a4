"""Each number and each graph of a report: its key in ``results.json``, and what it comes from."""

NUMBERS = (
    ("accuracy, interval, by class", "variants[].accuracy", "predictions/"),
    ("lost, gained, McNemar p", "variants[].versus_parent", "predictions/"),
    ("the same against the baseline", "variants[].versus_baseline", "predictions/"),
    ("the same of two networks neither of which was made from the other", "comparisons", "predictions/"),
    (
        "parameters, nonzero, MACs (of int8 networks: of the float network), bytes",
        "variants[].parameters, nonzero_parameters, macs and file_bytes",
        "artifacts/",
    ),
    ("bytes as nonzeros and bitmasks, and dense", "variants[].sparse_bytes and dense_bytes", "artifacts/"),
    (
        "points against another network, and their interval",
        "variants[].versus_parent and versus_baseline",
        "lost, gained and the total, by Tango",
    ),
    ("pictures lost and gained, with probabilities (at most 200 of each)", "variants[].flips", "predictions/"),
    ("time of a call, p50 and p90", "variants[].latency", "latency/"),
    ("how many times as fast, with interval", "variants[].time_ratios", "latency/"),
    (
        "operators and CPU time by the profiler",
        "variants[].profile, profile_ms, profile_p25_ms, profile_p75_ms and profile_calls",
        "the run",
    ),
    (
        "training: loss and accuracy by epoch, seconds, images in a second, epochs, converged (the last epoch: not)",
        "variants[].train",
        "the run",
    ),
    ("histograms of the weights", "variants[].histogram", "artifacts/"),
    ("gates", "variants[].gates", "the run"),
    ("accuracy against pruning amount", "curves", "the run; at 0% CNNOptimized itself"),
    ("accuracy when one layer is pruned", "sensitivities", "the run"),
    ("what int8 does to each layer", "layer_errors", "the run"),
    ("the two demos", "demos", "the run"),
    ("answers", "answers", "the other keys of results.json"),
    ("photos and digits, by class and skipped", "data", "the data"),
    ("its small photos", "thumbnails", "the photos and digits"),
    ("what failed, and why", "failures", "the run"),
    ("amounts of the study that could not be reached", "unreached", "the run"),
    ("seconds and most memory of the run", "run.seconds and peak_memory_bytes", "the run"),
    ("time of each stage, pictures in a second", "run.stages", "the run"),
    ("machine, instruction sets, versions", "run.machine", "the run"),
)
SEARCH_NUMBERS = (
    "what was chosen: chosen",
    "judged on the test split: finalists[] and variants[]",
    "all candidates, and those that no other beats: candidates[], pareto[]",
    "limits: chosen.limits[]",
    "time of the search: run.seconds; machine, instruction sets, versions: run.machine",
)

GRAPHS = (
    ("candidates-time", "accuracy of the candidates on held-out photos against time", "candidates"),
    ("candidates-size", "accuracy of the candidates on held-out photos against file size", "candidates"),
    ("overview-time", "accuracy against time", "variants[].accuracy and variants[].latency"),
    ("overview-size", "accuracy against file size", "variants[].accuracy and variants[].file_bytes"),
    ("-accuracy", "accuracy of each variant with its interval", "variants[].accuracy"),
    ("-training", "training loss by epoch", "variants[].train.history"),
    ("-size", "size on disk", "variants[].file_bytes, and sparse_bytes where there are any"),
    ("-time", "time of one call", "variants[].latency"),
    ("-curve-retrained", "accuracy against pruning amount after retraining", "curves"),
    ("-curve", "accuracy against pruning amount before retraining", "curves"),
    ("-sensitivity", "what each layer means to the network", "sensitivities"),
    ("-confusion", "confusion matrices", "variants[].accuracy.confusion"),
    ("-weights", "histograms of the weights", "variants[].histogram"),
    ("-layers", "quantization noise of each layer", "layer_errors"),
    ("-dtype", "the two-weight layer in float32 and int8", "demos.dtype"),
)
"""By what a graph's file name holds: what it shows, and its key in results.json. The first that fits counts."""
