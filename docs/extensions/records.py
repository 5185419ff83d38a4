"""The reference of the records, made from the models themselves: every field, its type, and what its comment says."""

import types
import typing
from collections.abc import Collection, Iterator
from typing import Any

from pydantic import BaseModel
from pydantic.fields import FieldInfo
from sphinx.pycode import ModuleAnalyzer

Model = type[BaseModel]
ROLES = (":func:", ":class:", ":mod:", ":data:")


def within(*roots: Model) -> list[Model]:
    """The roots and all models that they hold, in the order in which they are met."""
    found: list[Model] = []
    waiting = list(roots)
    while waiting:
        model = waiting.pop(0)
        if model not in found:
            found.append(model)
            waiting[:0] = [inner for field in model.model_fields.values() for inner in _models(field.annotation)]
    return found


def _models(annotation: Any) -> Iterator[Model]:
    if isinstance(annotation, type) and not typing.get_args(annotation) and issubclass(annotation, BaseModel):
        yield annotation
    for argument in typing.get_args(annotation):
        yield from _models(argument)


def described(model: Model) -> dict[str, str]:
    """What the comment (``#:``) beside each field says, those of base classes included."""
    texts: dict[str, str] = {}
    for base in model.__bases__:
        if issubclass(base, BaseModel):
            texts |= described(base)
    comments = ModuleAnalyzer.for_module(model.__module__).find_attr_docs()
    own = {name: " ".join(lines).strip() for (owner, name), lines in comments.items() if owner == model.__name__}
    return texts | own


def markdown(models: Collection[Model], *, known: Collection[Model]) -> str:
    """A section for each of ``models``; types that are ``known`` become links."""
    return "\n\n".join(part for model in models for part in _section(model, known)) + "\n"


def _section(model: Model, known: Collection[Model]) -> Iterator[str]:
    yield f"({anchor(model)})=\n## {model.__name__}"
    yield _plain(" ".join((model.__doc__ or "").split()))
    texts = described(model)
    rows = [
        f"| `{field.alias or name}` | {_type(field.annotation, known)} | {_default(field)} | {_plain(texts[name])} |"
        for name, field in model.model_fields.items()
    ]
    head = ["| key | type | if left out | what it is |", "| --- | --- | --- | --- |"]
    yield "\n".join(["```{table}", ":class: fields", "", *head, *rows, "```"])


def anchor(model: Model) -> str:
    """The label of a model's section."""
    return f"record-{model.__name__.lower()}"


def _plain(text: str) -> str:
    """A docstring as Markdown: its roles bare names, its double backquotes single ones."""
    for role in ROLES:
        text = text.replace(role, "")
    return text.replace("``", "`").replace("|", "\\|")


def _type(annotation: Any, known: Collection[Model]) -> str:
    if annotation is type(None):
        return "null"
    if annotation is ...:
        return "…"
    if annotation in known:
        return f"[{annotation.__name__}](#{anchor(annotation)})"
    arguments, origin = typing.get_args(annotation), typing.get_origin(annotation)
    if origin is typing.Annotated:
        return _type(arguments[0], known)
    if origin in (types.UnionType, typing.Union):
        return " or ".join(_type(each, known) for each in arguments)
    if origin is typing.Literal:
        return " or ".join(f"`{each}`" for each in arguments)
    if origin is not None:
        return f"{origin.__name__} of {', '.join(_type(each, known) for each in arguments)}"
    return "any" if annotation is Any else str(annotation.__name__)


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "required"
    value = field.get_default(call_default_factory=True, validated_data={})
    if isinstance(value, BaseModel):
        return "an empty one"
    if value in ("", [], {}, ()):
        return "empty"
    return "null" if value is None else f"`{str(value).lower()}`"
