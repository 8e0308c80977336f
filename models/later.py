"""Fields that the format has and that are not built yet: refused by name, never ignored."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from pydantic.fields import FieldInfo

from models.errors import Problem, joined, one_of, shown
from simulator.spec import Spec


def later(*built: Any) -> dict[str, Any]:
    """Marks a field as not built, for `json_schema_extra`; its default and the values `built` are accepted."""
    return {"later": True, "built": list(built)}


def unsupported(value: Any, path: tuple[str | int, ...] = ()) -> Iterator[Problem]:
    """Every field below `value` that is marked as not built and was given something else than what is built."""
    if isinstance(value, Spec):
        yield from _of_spec(value, path)
    elif isinstance(value, dict):
        for name, inner in value.items():
            yield from unsupported(inner, (*path, name))
    elif isinstance(value, tuple):
        for index, inner in enumerate(value):
            yield from unsupported(inner, (*path, index))


def _of_spec(spec: Spec, path: tuple[str | int, ...]) -> Iterator[Problem]:
    for name, field in type(spec).model_fields.items():
        inner = getattr(spec, name)
        here = (*path, field.serialization_alias or name)
        extra = field.json_schema_extra
        if not (isinstance(extra, dict) and extra.get("later")):
            yield from unsupported(inner, here)
        elif inner not in (built := _built(field)):
            found = f"{shown(inner)} is not supported yet" if isinstance(inner, str) else "not supported yet"
            names = [value for value in built if isinstance(value, str)]
            yield Problem(joined(here), found, one_of(names) if names else "")


def _built(field: FieldInfo) -> list[Any]:
    extra = field.json_schema_extra
    assert isinstance(extra, dict)
    built = extra.get("built", [])
    others = built if isinstance(built, list) else []
    return [field.get_default(call_default_factory=True), extra.get("default"), *others]
