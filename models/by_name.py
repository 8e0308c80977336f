"""Policies given by the name of a preset, alone or with fields of their own: the resolved table takes the name's place."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, PydanticCustomError, core_schema

from models.errors import one_of
from models.preset_table import Preset
from models.presets import POLICIES, preset_named, presets_of

PRESET = "preset"
RULE = ("backoff", "base", "factor", "cap")
GIVES_WAY: dict[str, tuple[str, ...]] = {
    "delays": RULE,
    **dict.fromkeys(RULE, ("delays",)),
    "jitter": ("spread",),
    "failures": ("failure_rate",),
    "failure_rate": ("failures",),
    "window": ("size",),
}
"""Fields of a preset that mean nothing beside one that is given: what contradicts it, or is in its units."""


class ByName:
    """Marks a field that takes a preset's name: `"resilience4j"`, or `{ preset = "resilience4j", max_attempts = 5 }`.

    `optional`: `"none"` is None. `without`: fields of the presets that this place does not have. A policy that is a
    duration takes the bare name alone.
    """

    def __init__(self, policy: str, *, optional: bool = True, without: tuple[str, ...] = ()) -> None:
        self.policy = policy
        self.optional = optional
        self.without = without
        self.presets = presets_of(policy)
        self.is_table = not any(isinstance(preset.value, str) for preset in self.presets.values())

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        """As of the field, with presets resolved before it is validated."""
        return core_schema.no_info_before_validator_function(self.resolved, handler(source))

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        """As of the field, or a name, or a table with a name and any of the fields."""
        inner = handler(schema)
        forms = inner.pop("anyOf", None) or [inner]
        names = {"type": "string", "enum": [*self.presets, *(["none"] if self.optional and self.is_table else [])]}
        more: list[JsonSchemaValue] = [names]
        if self.is_table:
            table = handler.resolve_ref_schema(next(form for form in forms if form.get("type") != "null"))
            fields = {PRESET: {"type": "string", "enum": list(self.presets)}, **table["properties"]}
            more.append({"type": "object", "properties": fields, "required": [PRESET], "additionalProperties": False})
        return {"anyOf": [*forms, *more]}

    def resolved(self, value: Any) -> Any:
        """The value with the preset's own values in place of its name; raises PydanticCustomError for a wrong name."""
        if self.is_table:
            if value == "none" and self.optional:
                return None
            if isinstance(value, str):
                return self._values(value, "a table, or ")
            if isinstance(value, Mapping) and PRESET in value:
                given = {field: inner for field, inner in value.items() if field != PRESET}
                return overridden(self._values(value[PRESET]), given)
        elif isinstance(value, str) and re.match("[A-Za-z]", value):
            return self._preset(value, 'a duration such as 0.25, "250ms" or "1h30m", or ').value
        return value

    def _values(self, name: object, else_a: str = "") -> dict[str, Any]:
        value = self._preset(name, else_a).value
        assert not isinstance(value, str)
        return {field: inner for field, inner in value.items() if field not in self.without}

    def _preset(self, name: object, else_a: str) -> Preset:
        if isinstance(name, str) and name in self.presets:
            return self.presets[name]
        allowed = one_of(self.presets).replace("must be ", f"must be {else_a}", 1)
        others = " and ".join(preset.policy for preset in preset_named(str(name)))
        if others:
            raise PydanticCustomError("preset", "{rule}", {"rule": f"which is a preset of {others}: {self.policy} {allowed}"})
        known = " or ".join(f"'{known}'" for known in self.presets)
        raise PydanticCustomError("preset", "{rule}", {"rule": allowed, "expected": known})


def overridden(values: Mapping[str, Any], given: Mapping[str, Any]) -> dict[str, Any]:
    """The preset's values with the given ones in their place, field by field; so in a table inside, if it is of the same
    form."""
    giving_way = {other for field in given for other in GIVES_WAY.get(field, ())}
    merged = {field: inner for field, inner in values.items() if field not in giving_way}
    for field, inner in given.items():
        own = merged.get(field)
        nested = isinstance(inner, Mapping) and isinstance(own, Mapping) and set(inner) <= set(own)
        merged[field] = {**own, **inner} if nested and own is not None else inner
    return merged


def takes_presets(field: str) -> bool:
    """Whether a field of that name is a policy with presets."""
    return field in POLICIES
