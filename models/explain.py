"""What pydantic says about a wrong scenario, in the scenario's words and at the scenario's places."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from typing import Any, Literal, get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from models.errors import Problem, joined, nearest, one_of, shown

Path = tuple[str | int, ...]

MOST = 200  # problems that are told at once
_ABOUT_KEYS = ("missing", "extra_forbidden")
_CONTAINERS: dict[type, Any] = {str: Mapping, int: (list, tuple)}  # what has places of that kind
_RULES = {
    "int_type": "must be a whole number",
    "int_from_float": "must be a whole number",
    "int_parsing_size": "must be a whole number",
    "float_type": "must be a number",
    "finite_number": "must be a finite number",
    "bool_type": "must be true or false",
    "string_type": "must be a text",
    "string_pattern_mismatch": 'must be a name of letters, digits, "_", "-" and "."',
    "string_unicode": "must be Unicode",
    "tuple_type": "must be a list",
    "dict_type": "must be a table",
    "model_type": "must be a table",
    "model_attributes_type": "must be a table",
    "greater_than": "must be above {gt}",
    "greater_than_equal": "must be at least {ge}",
    "less_than": "must be below {lt}",
    "less_than_equal": "must be at most {le}",
    "string_too_short": "must not be empty",
    "string_too_long": "must have at most {max_length} letters",
    "too_short": "must have at least {min_length} entries",
    "too_long": "must have at most {max_length} entries",
}


def explain(error: ValidationError, data: Mapping[str, Any], root: type[BaseModel]) -> list[Problem]:
    """One problem per place, the first `MOST`: what the branches of a union say of one value is joined by "or"."""
    found: dict[Path, list[ErrorDetails]] = {}
    for detail in _of_likely_branches(error.errors(include_url=False)[:MOST], data):
        found.setdefault(_place(detail, data), []).append(detail)
    inner = {place[:depth] for place in found for depth in range(len(place))}
    return [
        _problem(place, details, root)
        for place, details in found.items()
        if not (place in inner and all(_is_a_table(detail) or _lacks_wrong_ones(detail) for detail in details))
    ]


def _is_a_table(detail: ErrorDetails) -> bool:
    """Whether it only says that a table or list is not the scalar of another branch of a union."""
    return detail["type"].endswith("_type") and isinstance(detail["input"], Mapping | list | tuple)


def _lacks_wrong_ones(detail: ErrorDetails) -> bool:
    """Whether it only says that a list is too short without those of its entries that are wrong."""
    given = detail["input"]
    return detail["type"] == "too_short" and isinstance(given, list | tuple) and len(given) >= detail["ctx"]["min_length"]


def _of_likely_branches(details: list[ErrorDetails], data: Any) -> list[ErrorDetails]:
    """Of a table that is none of several, what the branch says that has the least to say."""
    said: dict[Path, Counter[Any]] = {}
    branches = [_branch(detail, data) for detail in details]
    for branch in filter(None, branches):
        said.setdefault(branch[0], Counter())[branch[1]] += 1
    likely = {place: min(counts, key=counts.__getitem__) for place, counts in said.items()}
    return [detail for detail, at in zip(details, branches, strict=True) if at is None or likely[at[0]] == at[1]]


def _branch(detail: ErrorDetails, data: Any) -> tuple[Path, str | int] | None:
    """Where pydantic's location leaves what the user wrote for a branch of a union of tables, and its label; None of a branch
    that is not for a table at all."""
    whole = data
    for depth, step in enumerate(detail["loc"][:-1]):
        if not _holds(data, step):
            apart = _is_a_table(detail) and _place(detail, whole) == detail["loc"][:depth]
            return (detail["loc"][:depth], step) if isinstance(data, Mapping) and not apart else None
        data = data[step]
    return None


def _holds(data: Any, step: str | int) -> bool:
    if isinstance(data, Mapping):
        return step in data
    return isinstance(data, list | tuple) and isinstance(step, int) and step < len(data)


def _place(detail: ErrorDetails, data: Any) -> Path:
    """The part of pydantic's location that the user wrote: tags of unions and names of validators are left out."""
    place: list[str | int] = []
    for index, step in enumerate(detail["loc"]):
        last = index == len(detail["loc"]) - 1
        if _holds(data, step):
            data = data[step]
        elif not (last and detail["type"] in _ABOUT_KEYS and isinstance(data, _CONTAINERS[type(step)])):
            continue
        place.append(step)
    if detail["type"].startswith("union_tag") and isinstance(data, Mapping):
        place.append(_tag_field(detail))
    elif detail["type"] == "preset" and isinstance(data, Mapping):
        place.append("preset")
    return tuple(place)


def _problem(place: Path, details: list[ErrorDetails], root: type[BaseModel]) -> Problem:
    detail, path = details[0], joined(place)
    value, kind = detail["input"], detail["type"]
    if kind == "extra_forbidden":
        known = _fields(_specs_at(root, detail["loc"][:-1]))
        close = nearest(place[-1], known)
        return Problem(path, f"unknown field (found {shown(value)})", "" if close else one_of(known), close)
    if kind == "missing":
        return Problem(path, "required, but missing")
    if kind == "union_tag_not_found" and isinstance(value, Mapping):
        return Problem(path, "required, but missing", one_of(_kinds(root, detail)))
    if kind == "value_error" and isinstance(value, Mapping) and not _rule(detail).startswith("must"):
        return Problem(path, _rule(detail))
    if kind == "union_tag_invalid" or (kind == "preset" and isinstance(value, Mapping)):
        value = value[place[-1]]
    close = nearest(value, [name for each in details for name in _names(each)]) if isinstance(value, str) else ""
    return Problem(path, f"found {shown(value)}", _either([_rule(each) for each in details]), close)


def _either(rules: list[str]) -> str:
    distinct = sorted(dict.fromkeys(rules), key=len)
    return " or ".join([distinct[0], *(rule.removeprefix("must be ") for rule in distinct[1:])])


def _rule(detail: ErrorDetails) -> str:
    kind, context = detail["type"], detail.get("ctx", {})
    if kind == "value_error":
        return str(context["error"])
    if kind == "preset":
        return str(context["rule"])
    names = _names(detail)
    if names:
        return one_of(names)
    if kind == "too_short" and context["min_length"] == 1:
        return "must not be empty"
    return _RULES[kind].format(**_short(context)) if kind in _RULES else detail["msg"]


def _short(context: Mapping[str, Any]) -> dict[str, Any]:
    """Bounds as people write them: 1 and not 1.0."""
    return {key: int(value) if isinstance(value, float) and value.is_integer() else value for key, value in context.items()}


def _names(detail: ErrorDetails) -> list[str]:
    context = detail.get("ctx", {})
    return re.findall(r"'([^']*)'", context.get("expected", "") or context.get("expected_tags", ""))


def _kinds(root: type[BaseModel], detail: ErrorDetails) -> list[str]:
    return [spec.model_fields[_tag_field(detail)].default for spec in _specs_at(root, detail["loc"])]


def _tag_field(detail: ErrorDetails) -> str:
    return str(detail["ctx"]["discriminator"]).strip("'")


def _specs_at(root: type[BaseModel], location: Path) -> list[type[BaseModel]]:
    """The specs that may stand at pydantic's location: one, but for a union without a tag."""
    specs, names = [root], False
    for step in location:
        if names:  # the step is a component's name, whatever fields are called
            names = False
            continue
        fields = [spec.model_fields[key] for spec in specs for key in _keys(spec, step)]
        inner = [spec for field in fields for spec in _specs_in(field.annotation)]
        if inner:
            specs, names = inner, any(get_origin(field.annotation) is dict for field in fields)
        else:
            specs = [spec for spec in specs if step == spec.__name__ or step in _tags([spec])] or specs
    return specs


def _keys(spec: type[BaseModel], step: str | int) -> list[str]:
    return [name for name, field in spec.model_fields.items() if step == (field.validation_alias or name)]


def _specs_in(annotation: Any) -> list[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [spec for part in get_args(annotation) for spec in _specs_in(part)]


def _fields(specs: list[type[BaseModel]]) -> list[str]:
    names = (str(field.validation_alias or name) for spec in specs for name, field in spec.model_fields.items())
    return list(dict.fromkeys(names))


def _tags(specs: list[type[BaseModel]]) -> list[str]:
    fields = (field for spec in specs for field in spec.model_fields.values())
    literals = (field.default for field in fields if get_origin(field.annotation) is Literal)
    return [value for value in literals if isinstance(value, str)]
