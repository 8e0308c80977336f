"""Which parts have to be up for the whole to be available."""

from __future__ import annotations

from models.scalars import Count, Text
from simulator.spec import Spec


class AnyOf(Spec):
    """Available while at least `any` of the components `of` are."""

    any: Count
    of: tuple[Text, ...]


class AvailabilityPath(Spec):
    """`[paths.NAME]`: available while every one of `components` is."""

    components: tuple[Text | AnyOf, ...]
