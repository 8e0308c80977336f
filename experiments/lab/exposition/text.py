"""Text that OpenMetrics 1.0 and the older Prometheus text format (0.0.4) both allow.

Prometheus' tools read one or the other: `promtool tsdb create-blocks-from openmetrics` the first, `promtool check metrics` the
second. They differ where this keeps to what they share:

- Times are whole seconds: OpenMetrics has seconds with or without fractions, the text format whole milliseconds.
- Counters are named `..._total` and have HELP, but no TYPE: OpenMetrics takes the suffix off the name of a counter's family,
  the text format does not. In both a family without TYPE is one of an unknown type; Prometheus treats it as any other.
- UNIT lines and `# EOF` are comments to the text format.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import numpy as np

Labels = Mapping[str, str]


@dataclass
class Family:
    """Metrics of one name. `unit`: "" or what the name ends in; `series`: labels and values by point, shape (points,), nan
    where there is no sample."""

    name: str
    help: str
    is_counter: bool = False
    unit: str = ""
    series: list[tuple[Labels, np.ndarray]] = field(default_factory=list)


def rendered(families: Iterable[Family], times: np.ndarray) -> str:
    """The families one after the other, each series in order of `times` (whole seconds since 1970), shape (points,)."""
    stamps = [str(time) for time in times.astype(np.int64).tolist()]
    lines = [line for family in families for line in _lines(family, stamps)]
    return "\n".join([*lines, "# EOF", ""])


def _lines(family: Family, stamps: list[str]) -> list[str]:
    samples = [
        f"{family.name}{_labelled(labels)} {number(value)} {stamp}"
        for labels, values in family.series
        for value, stamp in zip(values.tolist(), stamps, strict=True)
        if value == value
    ]
    if not samples:
        return []
    head = [f"# HELP {family.name} {family.help}"]
    head += [] if family.is_counter else [f"# TYPE {family.name} gauge"]
    head += [f"# UNIT {family.name} {family.unit}"] if family.unit else []
    return head + samples


def _labelled(labels: Labels) -> str:
    listed = ",".join(f'{name}="{_escaped(value)}"' for name, value in labels.items())
    return f"{{{listed}}}" if listed else ""


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


def number(value: float) -> str:
    """A number, without a fraction where it has none."""
    return str(int(value)) if value.is_integer() and abs(value) < 2**53 else repr(value)
