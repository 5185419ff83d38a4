"""An artifact directory: what is deployed (``model.onnx``), what training goes on from (``weights.safetensors``),
and what both are (``artifact.json``, with checksums). It can be copied to another machine and be trusted there.

``model.onnx`` carries its classes and its preprocessing as well, so that the three cannot be mixed up unnoticed.
"""

import hashlib
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import onnx
import torch
from google.protobuf.message import DecodeError, Message
from pydantic import AfterValidator, Field, NonNegativeInt, TypeAdapter, ValidationError, field_validator
from safetensors import SafetensorError
from safetensors.torch import load_file, save

from petiole.deploy import check
from petiole.download import sha256_of
from petiole.errors import GateError, UserError
from petiole.preprocessing import Preprocessing
from petiole.record import Record
from petiole.records import Machine

FORMAT = "petiole-artifact"
VERSION = 2
MODEL, WEIGHTS, CARD, STATE = "model.onnx", "weights.safetensors", "artifact.json", "state.pth"
SEAL = "card_sha256"
"""Key of the card's digest of itself."""
AGAIN = "copy the whole artifact directory again"


def _of_all(count: str) -> str:
    some, every = map(int, count.split("/"))
    if some > every:
        raise ValueError(f"{count} is more than all")
    return count


Counted = Annotated[str, Field(pattern=r"^\d{1,9}/\d{1,9}$"), AfterValidator(_of_all)]
"""``"49/50"``: so many of all."""
CHANNELS = TypeAdapter(list[tuple[str, list[NonNegativeInt]]])
"""A pruning plan's ``channels``: layers, and the channels that have left each."""


class Card(Record):
    """``artifact.json``: all that must be known about a network to run it, and to trust it.

    ``synthetic``: it learned from drawn pictures, not from photographs. ``plan`` holds the pruning plan and the
    quantization recipe. ``layers`` are the layers that each runtime computed in int8 when it was made, as "50/50";
    ``refused`` are runtimes on which it may not be used, with the reason.
    ``check_logits`` (8, classes) is what the network gave there, one by one, for :func:`petiole.deploy.check.draw` of
    ``check_seeds``.
    """

    format: str  #: always petiole-artifact
    version: int  #: always 2
    name: str  #: of the variant
    architecture: str  #: what the float network is rebuilt as
    classes: tuple[str, ...] = Field(min_length=2)  #: in the order of the logits
    preprocessing: Preprocessing  #: how a picture becomes an input
    engine: str  #: torch (float), eager or pt2e (int8)
    parent: str | None  #: the network it was made from
    weights: str  #: pretrained, random or from scratch
    synthetic: bool = False  #: learned from drawn pictures
    plan: dict[str, dict[str, Any]] = Field(default_factory=dict)  #: pruning plan and quantization recipe
    layers: dict[str, Counted] = Field(default_factory=dict)  #: int8 layers of all, by runtime
    refused: dict[str, str] = Field(default_factory=dict)  #: the reason, by runtime
    measured_on: Machine  #: the machine it was judged on
    check_seeds: tuple[NonNegativeInt, ...] = Field(
        min_length=check.IMAGES, max_length=check.IMAGES
    )  #: which inputs it is checked with
    check_logits: tuple[tuple[float, ...], ...] = Field(
        min_length=check.IMAGES, max_length=check.IMAGES
    )  #: eight rows of logits
    logits_digest: str  #: SHA-256 of them, rounded
    sha256: dict[str, str]  #: of every other file, by name

    @field_validator("plan")
    @classmethod
    def _is_plan(cls, plan: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
        CHANNELS.validate_python(plan.get("pruning", {}).get("channels", []))
        return plan

    @property
    def is_int8(self) -> bool:
        """Whether the network was quantized: its results then depend a little on the processor."""
        return self.engine != "torch"


def logits_digest(logits: torch.Tensor) -> str:
    """A digest of logits ``(8, classes)`` rounded to 2 decimals: it tells whether stored ones have been changed."""
    rounded = [[f"{value + 0.0:.2f}" for value in row] for row in logits.tolist()]
    return hashlib.sha256(json.dumps(rounded).encode()).hexdigest()


def label_model(path: Path, classes: tuple[str, ...], preprocessing: Preprocessing) -> None:
    """Write classes and preprocessing into a ``model.onnx``."""
    model = onnx.load(str(path))
    onnx.helper.set_model_props(model, _label(classes, preprocessing))
    onnx.save(model, str(path))


def _label(classes: tuple[str, ...], preprocessing: Preprocessing) -> dict[str, str]:
    return {"classes": json.dumps(classes), "preprocessing": json.dumps(preprocessing.model_dump(), sort_keys=True)}


def save_weights(state: Mapping[str, torch.Tensor], directory: Path) -> None:
    """Write ``weights.safetensors``."""
    tensors = {name: tensor.detach().contiguous().clone() for name, tensor in state.items()}
    (directory / WEIGHTS).write_bytes(save(tensors))  # a full disk is an OSError then, and told as such


def load_weights(directory: Path) -> dict[str, torch.Tensor]:
    """Read ``weights.safetensors``.

    Raises:
        UserError: it is missing or broken.
    """
    path = directory / WEIGHTS
    try:
        state: dict[str, torch.Tensor] = load_file(path)
    except FileNotFoundError as error:
        raise UserError(f"{path} is missing: {AGAIN}") from error
    except SafetensorError as error:
        raise UserError(f"{path} is damaged ({error}): {AGAIN}") from error
    return state


def write_card(directory: Path, **content: Any) -> None:
    """Write ``artifact.json`` with the checksums of every other file of the directory."""
    files = {path.name: sha256_of(path) for path in sorted(directory.iterdir()) if path.name != CARD}
    card = Card(format=FORMAT, version=VERSION, sha256=files, **content)
    (directory / CARD).write_text(sealed(card.model_dump(mode="json")), encoding="utf-8")


def sealed(content: Mapping[str, Any]) -> str:
    """The text of an ``artifact.json``, with a digest of all that it says."""
    rest = {key: value for key, value in content.items() if key != SEAL}
    return json.dumps({**rest, SEAL: _seal(rest)}, indent=1) + "\n"


def _seal(content: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def read_card(directory: Path) -> Card:
    """Read ``artifact.json`` and verify what it says: files, checksums, classes, preprocessing.

    Raises:
        UserError: no artifact, one of another version, or one that is damaged; the message names the file.
    """
    path = directory / CARD
    if not path.is_file():
        why = f"it has no {CARD}" if directory.is_dir() else "there is no such directory"
        if directory.is_file():
            why = f"that is a file; give its directory, {directory.parent}"
        raise UserError(f"{directory} is no artifact: {why}; artifacts are directories below a run's artifacts/")
    try:
        with _readable():
            content = json.loads(path.read_text(encoding="utf-8"))
            json.dumps(content, ensure_ascii=False).encode()  # an escaped half of a character is no text either
    except (ValueError, RecursionError) as error:  # no text, no JSON, or JSON with a number or a depth beyond reason
        raise UserError(f"{path} is damaged ({error}): {AGAIN}") from error
    if not isinstance(content, dict) or content.get("format") != FORMAT:
        raise UserError(f"{path} does not describe a Petiole artifact: give a directory below a run's artifacts/")
    if content.get("version") != VERSION:
        raise UserError(
            f"{path} is of version {content.get('version')}, and this Petiole reads version {VERSION}: "
            "make it again with petiole lab, or install the Petiole that wrote it"
        )
    seal = content.pop(SEAL, None)
    if seal != _seal(content):
        raise UserError(f"{path} is not the file that was made (its digest differs): {AGAIN}")
    try:
        card = Card.model_validate(content)
    except ValidationError as error:
        where = ".".join(str(part) for part in error.errors()[0]["loc"])
        raise UserError(f"{path} is damaged ({where}: {error.errors()[0]['msg']}): {AGAIN}") from error
    with _readable():
        _verify(directory, card)
    return card


def read_back(directory: Path, name: str) -> dict[str, Any]:
    """Read what has just been written as every reader does; its gates: files whose checksum is the card's, of all in
    the directory, and that ``model.onnx`` and the card have the same classes in the same order.

    Raises:
        GateError: it is refused, as by :func:`read_card`.
    """
    try:
        card = read_card(directory)
    except UserError as error:
        raise GateError(f"the artifact of {name}, read back, is not what was written: {error}") from error
    files = sum(path.name != CARD for path in directory.iterdir())
    return {"checksums": f"{len(card.sha256)}/{files}", "class_order": True}


@contextmanager
def _readable() -> Iterator[None]:
    """Turn the operating system's refusals to read into one clear sentence."""
    try:
        yield
    except OSError as error:
        why = (error.strerror or str(error)).lower()
        raise UserError(f"{error.filename} cannot be read ({why}): give yourself the permission to") from error


def _verify(directory: Path, card: Card) -> None:
    for name in {MODEL, WEIGHTS, *([STATE] if card.engine == "eager" else [])} - set(card.sha256):
        raise UserError(f"{directory / CARD} names no {name}: {AGAIN}")
    links = {path.name: path.is_symlink() for path in directory.iterdir()}
    for name, expected in card.sha256.items():
        path = directory / name
        if Path(name).name != name or links.get(name):
            raise UserError(f"{directory / CARD} names {name}, which is no file of the directory: {AGAIN}")
        if name not in links or not path.is_file():
            raise UserError(f"{path} is missing: {AGAIN}")
        if sha256_of(path) != expected:
            raise UserError(f"{path} is not the file that was made (its checksum differs): {AGAIN}")
    if card.parent is not None and Path(card.parent).name != card.parent:
        raise UserError(f"{directory / CARD} names the parent {card.parent}, which is no name of a variant: {AGAIN}")
    if len(set(card.classes)) < len(card.classes):
        raise UserError(f"{directory / CARD} names a class twice: {AGAIN}")
    if any(len(row) != len(card.classes) for row in card.check_logits):
        raise UserError(f"the check logits of {directory / CARD} are not one for each class: {AGAIN}")
    if logits_digest(torch.tensor(card.check_logits)) != card.logits_digest:
        raise UserError(f"the check logits of {directory / CARD} are not those that were written: {AGAIN}")
    _verify_model(directory, card)


def _verify_model(directory: Path, card: Card) -> None:
    """``model.onnx`` is whole, takes and gives what the card says, and is of the card's classes and preprocessing."""
    path = directory / MODEL
    try:
        model = onnx.load(str(path), load_external_data=False)
    except DecodeError as error:
        raise UserError(f"{path} is damaged ({error}): {AGAIN}") from error
    for tensor in _tensors(model):
        if tensor.data_location == onnx.TensorProto.EXTERNAL:
            raise UserError(f"{path} keeps {tensor.name} in another file, which nothing vouches for: {AGAIN}")
    found = {each.key: each.value for each in model.metadata_props}
    for key, value in _label(card.classes, card.preprocessing).items():
        if found.get(key) != value:
            raise UserError(
                f"the {key} of {directory / CARD} are not those of {path}: the predictions would be wrong; {AGAIN}"
            )
    shapes = [[_shape(each) for each in values] for values in (model.graph.input, model.graph.output)]
    types = {each.type.tensor_type.elem_type for each in (*model.graph.input, *model.graph.output)}
    if shapes != [[card.preprocessing.input_shape], [(len(card.classes),)]] or types != {onnx.TensorProto.FLOAT}:
        raise UserError(
            f"{path} takes and gives {shapes}, or other numbers than float32, not what its preprocessing and its "
            f"classes in {CARD} say: {AGAIN}"
        )


def _tensors(message: Message) -> Iterator[onnx.TensorProto]:
    """Every tensor of a model, wherever it lies: weights, sparse ones, constants, branches, functions."""
    if isinstance(message, onnx.TensorProto):
        yield message
        return
    for field, value in message.ListFields():
        if field.message_type is not None:
            for part in [value] if isinstance(value, Message) else value:
                yield from _tensors(part)


def _shape(value: onnx.ValueInfoProto) -> tuple[int, ...]:
    """The shape of an input or output behind its batch dimension."""
    return tuple(dim.dim_value for dim in value.type.tensor_type.shape.dim)[1:]
