"""Every gate of the sources, and the test that claims it: what :mod:`test_gates` switches off, one at a time."""

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

SOURCES = Path(__file__).parents[1] / "src"
KINDS = {"GateError", "AccuracyError", "CoverageError", "ImportanceError", "ShareError", "lost"}
"""Errors that a gate raises, wherever it stands; ``lost`` makes a TrainingError."""
GUARDS = {
    "petiole.deploy.artifact",
    "petiole.data.archive",
    "petiole.download.fetch",
    "petiole.models.backbones.load_state",
    "petiole.models.backbones.require_numbers",
    "petiole.models.weights.read_state",
    "petiole.models.weights._require_checksums",
    "petiole.pruning.storage.load_sparse",
    "petiole.quantization.eager.load_state",
}
"""Modules and functions that let in files from elsewhere: all that they raise is a gate too."""


@dataclass(frozen=True, kw_only=True)
class Found:
    """A ``raise`` in the sources: its module, the function around it, its place and its text."""

    module: str
    function: str
    line: int
    text: str

    @property
    def where(self) -> str:
        """``petiole.deploy.parity.require_parity``."""
        return f"{self.module}.{self.function}"


def found() -> Iterator[Found]:
    """All gates of the sources, read and not imported."""
    for path in sorted(SOURCES.rglob("*.py")):
        module = ".".join(path.relative_to(SOURCES).with_suffix("").parts)
        for function, node in _raises(ast.parse(path.read_text(encoding="utf-8")), ""):
            name = node.exc.func.id if isinstance(node.exc, ast.Call) and isinstance(node.exc.func, ast.Name) else ""
            if name in KINDS or module in GUARDS or f"{module}.{function}" in GUARDS:
                yield Found(module=module, function=function, line=node.lineno, text=ast.unparse(node))


def _raises(node: ast.AST, scope: str) -> Iterator[tuple[str, ast.Raise]]:
    for child in ast.iter_child_nodes(node):
        inner = scope
        if isinstance(child, ast.FunctionDef | ast.ClassDef):
            inner = f"{scope}.{child.name}".lstrip(".")
        if isinstance(child, ast.Raise) and child.exc is not None:
            yield scope, child
        yield from _raises(child, inner)


@dataclass(frozen=True, kw_only=True)
class Gate:
    """A row of the table: the gate at ``where`` that ``says`` this, and the ``test`` that plants what it catches."""

    where: str
    says: str
    test: str

    def is_of(self, found: Found) -> bool:
        """Whether this row is of that ``raise``."""
        return found.where == f"petiole.{self.where}" and self.says in found.text


def _rows(where: str, test: str, *pairs: tuple[str, str]) -> list[Gate]:
    """Gates of one function and tests of one file: what each says, and its test there."""
    return [Gate(where=where, says=says, test=f"tests/{test}::{name}") for says, name in pairs]


DAMAGE = "test_damage_is_told_by_the_file"
GATES = [
    *_rows("chain.channel_choice._require_fewer", "chain/test_channel_choice.py",
           ("they are too few", "test_few_channels_that_cannot_lose_any_are_told"),
           ("or more", "test_a_share_that_rounds_to_no_channel_names_the_least_that_does")),
    *_rows("chain.channel_choice._bn_scales", "chain/test_channel_choice.py",
           ("says nothing about this network", "test_bn_scale_of_a_network_without_batch_norm_is_refused")),
    *_rows("chain.prune_retrain.refit_masked", "chain/test_prune_retrain.py",
           ("changed nothing", "test_a_refit_that_brings_nothing_is_an_error")),
    *_rows("chain.prune_retrain.require_smaller", "chain/test_prune_retrain.py",
           ("more than it should", "test_what_should_be_smaller_must_be")),
    *_rows("chain.transfer.train_output_layer", "chain/test_transfer.py",
           ("has not learned", "test_an_output_layer_that_learned_nothing_is_an_error"),
           ("although it was frozen", "test_statistics_that_move_are_an_error_with_their_name")),
    *_rows("data.archive.extract_zip", "data/test_archive.py", ("is not a sound", "test_a_broken_archive[cut]")),
    *_rows("data.archive._check_members", "data/test_archive.py",
           ("leads outside", "test_a_member_that_leads_outside[../evil]"),
           ("has no name", "test_a_member_without_a_name[.]"),
           ("is a link", "test_a_link"),
           ("not packed by deflate", "test_other_packings_are_refused[12]"),
           ("lies below a file", "test_a_member_below_a_file[names0]"),
           ("too large unpacked", "test_bombs")),
    *_rows("data.archive._write", "data/test_archive.py", ("is shorter", "test_a_broken_archive[declares more]")),
    *_rows("deploy.artifact.load_weights", "deploy/test_artifact.py",
           ("is missing", "test_weights_that_cannot_be_read_are_named[missing]"),
           ("is damaged", "test_weights_that_cannot_be_read_are_named[damaged]")),
    *_rows("deploy.artifact.read_back", "inference/test_opened.py",
           ("is not what was written", "test_an_artifact_that_is_not_what_was_written_is_none")),
    *_rows("deploy.artifact.read_card", "deploy/test_artifact.py",
           ("is no artifact", f"{DAMAGE}[no card]"),
           ("is damaged ({error})", f"{DAMAGE}[card cut short]"),
           ("does not describe", f"{DAMAGE}[another file]"),
           ("is of version", f"{DAMAGE}[newer version]"),
           ("its digest differs", f"{DAMAGE}[one word changed]"),
           ("is damaged ({where}", f"{DAMAGE}[value of a wrong kind]")),
    *_rows("deploy.artifact._of_all", "deploy/test_artifact.py",
           ("is more than all", f"{DAMAGE}[more layers than all]")),
    *_rows("deploy.artifact._readable", "deploy/test_artifact.py",
           ("cannot be read", "test_files_that_may_not_be_read_are_named[model.onnx]")),
    *_rows("deploy.artifact._verify", "deploy/test_artifact.py",
           ("names a class twice", f"{DAMAGE}[a class twice]"),
           ("names no", f"{DAMAGE}[no checksum]"),
           ("which is no file of the directory", f"{DAMAGE}[outside]"),
           ("is missing", f"{DAMAGE}[weights missing]"),
           ("its checksum differs", f"{DAMAGE}[another model]"),
           ("names the parent", f"{DAMAGE}[parent outside]"),
           ("not one for each class", f"{DAMAGE}[ragged check]"),
           ("not those that were written", f"{DAMAGE}[another check]")),
    *_rows("deploy.artifact._verify_model", "deploy/test_artifact.py",
           ("is damaged", f"{DAMAGE}[model cut short, vouched]"),
           ("nothing vouches for", f"{DAMAGE}[a constant outside]"),
           ("the predictions would be wrong", f"{DAMAGE}[classes swapped]"),
           ("takes and gives", f"{DAMAGE}[another network]")),
    *_rows("deploy.export._trace", "deploy/test_quantized_template.py",
           ("cannot be written", "test_a_network_without_a_graph_is_told_by_name")),
    *_rows("deploy.parity.require_parity", "deploy/test_parity.py",
           ("of their spread", "test_logits_must_agree"),
           ("differently from the network", "test_one_picture_may_be_called_differently_and_no_more"),
           ("correctly, the network", "test_pictures_on_the_fence_may_fall_either_way_but_not_all_the_same_way")),
    *_rows("deployed.Deployed._check", "inference/test_opened.py",
           ("does not give what it gave", "test_a_network_that_answers_otherwise_here_is_refused")),
    *_rows("download.fetch", "test_download.py",
           ("neither http nor https", "test_only_http"),
           ("(--offline)", "test_offline_touches_no_socket"),
           ("cannot be reached", "test_no_server_is_told_at_once"),
           ("not kept", "test_a_wrong_digest_leaves_nothing")),
    *_rows("models.weights.read_state", "models/test_weights.py",
           ("no such weights file", "test_a_file_that_is_not_there"),
           ("code in it is never run", "test_files_that_are_no_weights[code]"),
           ("broken or cut short", "test_files_that_are_no_weights[cut]"),
           ("holds no state dict", "test_files_that_are_no_weights[list]"),
           ("other things than tensors", "test_files_that_are_no_weights[mixed]")),
    *_rows("models.weights._require_checksums", "models/test_weights.py",
           ("is damaged", "test_files_that_are_no_weights[bit]")),
    *_rows("models.backbones.require_numbers", "models/test_weights.py",
           ("no dense tensor of real numbers", "test_files_that_are_no_weights[complex-safetensors]"),
           ("values that are no numbers", "test_files_that_are_no_weights[nan-safetensors]")),
    *_rows("models.backbones.load_state", "models/test_networks.py",
           *((says, "test_weights_that_do_not_fit_are_named")
             for says in ("is missing", "not {wanted}", "is not in this network"))),
    *_rows("pruning.channels.least_important", "pruning/test_channels.py",
           ("no channel would leave", "test_the_least_important_leave")),
    *_rows("pruning.contribution._places", "pruning/test_contribution.py",
           ("not a multiple", "test_a_group_that_does_not_fit_is_an_error")),
    *_rows("pruning.pruner.ChannelPruner.__init__", "pruning/test_pruner.py",
           ("NOTHING_LEAVES", "test_a_network_without_groups_is_refused")),
    *_rows("pruning.pruner.ChannelPruner.require", "pruning/test_pruner.py",
           ("no longer zero", "test_a_weight_behind_a_removed_channel_that_comes_back_is_caught")),
    *_rows("pruning.pruner.ChannelPruner._require_unfinished", "pruning/test_step_scores.py",
           ("the channels have left", "test_a_pruner_that_is_finished_is_done_with")),
    *_rows("pruning.refit.refit", "pruning/test_refit.py",
           ("was not refitted", "test_a_convolution_that_is_never_used_is_an_error"),
           ("used by several", "test_a_weight_that_is_used_twice_is_an_error")),
    *_rows("pruning.storage.load_sparse", "pruning/test_storage.py",
           ("there is no file", "test_a_missing_file_and_a_directory"),
           ("no safetensors file", "test_a_truncated_file[100]"),
           ("is not a sparse file", "test_foreign_files"),
           ("has version", "test_foreign_files"),
           ("its checksum does not fit", "test_every_flipped_byte_is_noticed"),
           ("does not fit together", "test_parts_that_contradict_each_other")),
    *_rows("pruning.channel_gates.require_same", "pruning/test_pruner.py",
           ("answers otherwise", "test_a_network_that_answers_otherwise_without_its_masked_channels_is_refused")),
    *_rows("pruning.channel_gates.require_followable", "pruning/test_structured.py",
           ("torch.inference_mode", "test_inference_mode_hides_no_group"),
           ("is frozen", "test_a_frozen_layer_is_an_error_and_not_an_invisible_group"),
           ("does not run", "test_a_layer_that_runs_only_in_training_is_refused_before_any_cut")),
    *_rows("pruning.channel_gates.require_followable", "pruning/test_channel_gates.py",
           ("not one tensor", "test_a_network_that_gives_more_than_a_tensor_is_refused[tuple]")),
    *_rows("pruning.channel_gates._require_own_parameters", "pruning/test_channel_gates.py",
           ("is not a parameter", "test_a_weight_that_is_no_parameter_is_refused[masks]"),
           ("are one parameter", "test_two_layers_that_share_a_weight_are_refused_and_one_that_is_used_twice_is_not")),
    *_rows("pruning.importances.require_gradients", "pruning/test_structured.py",
           ("needs gradients", "test_what_cannot_be_scored_is_refused")),
    *_rows("pruning.graph._followed", "pruning/test_graph.py",
           ("it rearranges them", "test_what_torch_pruning_cannot_follow_is_told_in_a_sentence")),
    *_rows("pruning.trial._at_fault", "pruning/test_trial.py",
           ("cannot leave together", "test_channels_that_can_leave_only_apart_are_refused")),
    *_rows("pruning.pruner.ChannelPruner.__init__", "pruning/test_trial.py",
           ("NOTHING_FOLLOWED", "test_a_network_of_which_nothing_can_be_followed_is_refused_before_any_cut")),
    *_rows("pruning.structured.Dependencies._part", "pruning/test_graph.py",
           ("are shuffled", "test_shuffled_channels_stay_whole_by_hand_and_by_plan")),
    *_rows("pruning.structured.Dependencies.scores", "pruning/test_structured.py",
           ("says nothing about", "test_bn_scale_without_batch_norm_is_refused")),
    *_rows("pruning.structured.Dependencies._part", "pruning/test_grouped.py",
           ("leave unevenly", "test_other_places_of_other_groups_are_refused[uneven1]")),
    *_rows("pruning.structured._one_each", "pruning/test_structured.py",
           ("a number", "test_a_group_of_zeros_has_no_scores")),
    *_rows("pruning.structured.Dependencies.require_some_left", "pruning/test_structured.py",
           ("no such channels that could leave", "test_channels_that_are_not_there_are_refused_before_any_cut[fc0]"),
           ("keep one at least", "test_nothing_or_everything_is_refused")),
    *_rows("pruning.channel_gates.require_whole", "pruning/test_structured.py",
           ("nothing was pruned", "test_nothing_or_everything_is_refused"),
           ("no longer fit together", "test_a_network_that_was_cut_wrongly_is_an_error"),
           ("and now gives", "test_a_network_that_was_cut_wrongly_is_an_error")),
    *_rows("pruning.unstructured.require_sparsity", "pruning/test_unstructured.py",
           ("no longer zero", "test_held_weights_stay_zero_and_a_returned_one_is_caught"),
           ("asked to prune", "test_masks_that_prune_nothing_are_refused")),
    *_rows("quantization.coverage.require_all", "quantization/test_pt2e.py",
           ("run in int8", "test_a_float_graph_has_no_quantized_layer")),
    *_rows("quantization.eager.check_observers", "quantization/test_eager.py",
           ("has seen no data", "test_uncalibrated_observers_are_refused_by_name")),
    *_rows("quantization.eager.load_state", "quantization/test_eager.py",
           ("no stored int8 network", "test_a_state_that_cannot_be_read_is_named")),
    *_rows("quantization.eager._require_some", "quantization/test_eager.py",
           ("nothing was quantized", "test_a_network_that_was_not_prepared_is_refused")),
    *_rows("quantization.mixed.quantize_within", "quantization/test_mixed.py",
           ("more than allowed", "test_a_drop_that_cannot_be_helped_is_an_error")),
    *_rows("quantization.pt2e.export_graph", "deploy/test_quantized_template.py",
           ("has no graph", "test_a_network_without_a_graph_is_told_by_name")),
    *_rows("quantization.pt2e.check_observers", "quantization/test_pt2e.py",
           ("has seen no data", "test_uncalibrated_observers_are_refused_by_name")),
    *_rows("training.evaluate.predict", "training/test_fit.py",
           ("are no numbers", "test_logits_that_are_no_numbers_are_not_judged")),
    *_rows("training.fit._Run._steps", "training/test_fit.py",
           ("the loss became", "test_a_loss_that_is_no_number_stops_training_and_what_was_learned_stays[2-nan]")),
    *_rows("training.soundness.require_numbers", "training/test_fit.py",
           ("became NaN", "test_a_weight_that_is_no_number_is_found_though_no_loss_tells")),
    *_rows("predictions.PredictionFiles.of", "test_predictions.py",
           ("on different pictures", "test_networks_that_saw_different_pictures_are_not_compared")),
    *_rows("variants.AssemblyLine._card", "inference/test_opened.py",
           ("what is no number", "test_check_inputs_without_a_number_make_no_artifact")),
]  # fmt: skip
