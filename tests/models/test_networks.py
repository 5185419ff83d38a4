"""Networks: sizes known from the literature, and what does not fit is refused."""

import pytest
import torch
from torch import nn

from petiole.errors import UserError
from petiole.models import backbones
from petiole.models.lenet import LeNet
from petiole.models.scratch import CNNScratch


def test_lenet_has_the_known_number_of_parameters() -> None:
    assert sum(p.numel() for p in LeNet().parameters()) == 61_706
    assert LeNet()(torch.zeros(2, 1, 32, 32)).shape == (2, 10)


def test_scratch_takes_its_views() -> None:
    assert CNNScratch(3)(torch.zeros(2, 3, 128, 128)).shape == (2, 3)


@pytest.mark.parametrize(
    ("name", "layer", "features"),
    [("alexnet", "classifier.6", 4096), ("resnet18", "fc", 512), ("efficientnet_lite0", "classifier", 1280)],
)
def test_only_the_output_layer_is_new(name: str, layer: str, features: int) -> None:
    with torch.device("meta"):
        network = backbones.find(name).build()
    found, module = backbones.output_layer(network)
    assert (found, module.in_features, module.out_features) == (layer, features, 1000)


def test_adapting_keeps_the_weights_and_seeds_the_new_layer() -> None:
    backbone = backbones.find("resnet18")
    state = backbone.build().state_dict()
    one = backbones.adapt(backbone, state, classes=2, seed=3)
    two = backbones.adapt(backbone, state, classes=2, seed=3)
    assert torch.equal(one.get_parameter("conv1.weight"), state["conv1.weight"])
    assert torch.equal(one.get_parameter("fc.weight"), two.get_parameter("fc.weight"))
    assert one.get_parameter("fc.weight").shape == (2, 512)


def test_weights_that_do_not_fit_are_named() -> None:
    network = LeNet()
    state = network.state_dict()
    with pytest.raises(UserError, match=r"conv1\.weight is missing"):
        backbones.load_state(network, {}, what="the weights")
    with pytest.raises(UserError, match=r"fc3\.bias is \(3,\), not \(10,\)"):
        backbones.load_state(network, {**state, "fc3.bias": torch.zeros(3)}, what="the weights")
    with pytest.raises(UserError, match="extra is not in this network"):
        backbones.load_state(network, {**state, "extra": torch.zeros(1)}, what="the weights")
    with pytest.raises(UserError, match=r"the weights: fc3\.bias \(torch\.complex64\) is no dense tensor of real"):
        backbones.load_state(network, {**state, "fc3.bias": torch.zeros(10).to(torch.complex64)}, what="the weights")
    with pytest.raises(UserError, match=r"the weights: fc3\.bias holds values that are no numbers"):
        backbones.load_state(network, {**state, "fc3.bias": torch.full((10,), torch.inf)}, what="the weights")


def test_an_unknown_backbone_lists_what_there_is() -> None:
    with pytest.raises(UserError, match=r"unknown backbone 'resnet19': choose from alexnet"):
        backbones.find("resnet19")


def test_a_mistyped_variant_of_a_network_names_the_network() -> None:
    with pytest.raises(UserError, match=r"mobilenetv3_small_100\.bogus.*mobilenetv3_small_100\b"):
        backbones.find("mobilenetv3_small_100.bogus")


def test_a_network_that_gives_features_only_is_refused() -> None:
    with pytest.raises(UserError, match="vit_small_patch14_dinov2 has no output layer"):
        backbones.find("vit_small_patch14_dinov2")


def test_a_network_that_does_not_work_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object, **__: object) -> nn.Module:
        raise RuntimeError("size of tensor a (2) must match\nmore")

    monkeypatch.setattr("torch.nn.Linear.forward", broken)
    with pytest.raises(UserError, match=r"resnet18 does not work with a new output layer \(size of tensor a"):
        backbones.require_trainable(backbones.find("resnet18").at(64), classes=2)


def test_a_convolution_as_output_layer_is_named() -> None:
    with pytest.raises(
        UserError, match=r"no linear output layer to replace \(classifier\.1, its last layer, is a conv"
    ):
        backbones.output_layer(backbones.find("squeezenet1_1").build())
