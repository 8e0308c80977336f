"""Studies as scripts, and the lab they stand on: the command line, charts, tables.

from experiments import charts
charts.lag(result, "payment").figure
"""

from __future__ import annotations

from importlib import import_module
from types import ModuleType

__all__ = ["charts"]


def __getattr__(name: str) -> ModuleType:
    """Load a part of the lab when it is first named: charts bring matplotlib, which most scripts can do without."""
    if name in __all__:
        return import_module(f"experiments.lab.{name}")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
