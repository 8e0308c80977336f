"""A whole scenario: what a user writes, in a file or in Python."""

from __future__ import annotations

import re
from collections.abc import Mapping
from itertools import chain, islice
from pathlib import Path
from typing import Any, Self

from pydantic import ValidationError

from models.checks import contradictions
from models.editing import put
from models.errors import BadScenario, Problem, shown
from models.explain import MOST, explain
from models.later import unsupported
from models.loading import Source, find, read
from models.outline import Outline
from models.resolving import resolve
from models.scalars import NAME_PATTERN
from models.toml import to_toml
from models.topology import topics_named


class Scenario(Outline):
    """What runs, for how long, and what goes wrong. Raises BadScenario, with every problem, where it is not valid.

    Problems come in two steps: first the values by themselves; where all of those are right, what is not supported yet
    and what contradicts something else.
    """

    def __init__(self, /, **fields: Any) -> None:
        self._validate(fields, Path())

    def _validate(self, fields: Mapping[str, Any], base: Path) -> None:
        try:
            self.__pydantic_validator__.validate_python(fields, self_instance=self, context={"base": base})
        except ValidationError as error:
            raise BadScenario(explain(error, fields, type(self))) from None
        except UnicodeEncodeError as error:
            text = f"found a text with the lone surrogate U+{ord(error.object[error.start]):04X}"
            raise BadScenario([Problem("", text, "texts must be Unicode")]) from None
        later = list(islice(unsupported(self), MOST))
        told = {problem.path for problem in later}
        others = (problem for problem in contradictions(self) if problem.path not in told)
        if found := list(islice(chain(later, others), MOST)):
            raise BadScenario(found)

    @classmethod
    def from_toml(cls, path: str | Path) -> Self:
        """Reads a .toml file, or a manifest.json that an earlier run left."""
        return cls._from_source(read(path))

    @classmethod
    def load(cls, name: str | Path) -> Self:
        """Reads a file as `from_toml` does, or the built-in scenario of that name."""
        return cls._from_source(find(name))

    @classmethod
    def _from_source(cls, source: Source) -> Self:
        stem = Path(source.file).stem
        named = {"name": stem} if re.fullmatch(NAME_PATTERN, stem) else {}
        return cls.from_dict({**named, **source.data}, source.base, source.file)

    @classmethod
    def from_dict(cls, data: Mapping[str, Any], base: str | Path = "", source: str = "") -> Self:
        """From nested tables; files named in it are sought in the folder `base`, and messages begin with `source`."""
        try:
            if odd := [key for key in data if not isinstance(key, str)]:
                raise BadScenario([Problem("", f"found the key {shown(odd[0])}", "keys must be texts")])
            scenario = cls.__new__(cls)
            scenario._validate(data, Path(base))
        except BadScenario as bad:
            raise (bad.within(source) if source else bad) from None
        return scenario

    def with_(self, changes: Mapping[str, Any]) -> Self:
        """The scenario with other values at dotted paths: `{"consumers.payment.instances": 8, "faults[0].at": "5m"}`.

        None takes a field out. Raises BadScenario for a path that leads nowhere and for what is then not valid.
        """
        data = self.to_dict()
        for path, value in changes.items():
            put(data, path, value, topics_named(self))
        return type(self).from_dict(data)

    def resolved(self) -> Self:
        """The scenario with the profile's defaults filled in and every topic written out, as it runs.

        It is valid in itself, and resolving it again changes nothing. Where a profile has none, or no limit, None
        stays.
        """
        return resolve(self)

    def to_dict(self) -> dict[str, Any]:
        """Nested tables of plain values, durations in seconds; what is None is left out."""
        return self.model_dump(mode="json", by_alias=True, exclude_none=True, include=set(Outline.model_fields))

    def to_toml(self) -> str:
        """The same as TOML text, which `from_toml` reads back to an equal scenario."""
        return to_toml({key: value for key, value in self.to_dict().items() if value not in ({}, [])})
