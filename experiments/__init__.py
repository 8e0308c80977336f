"""Studies as scripts, and the lab they stand on: sweep, compare, plan, chaos, fit, charts, the command line.

from experiments import charts, sweep
found = sweep(system, {"consumers.payment.instances": [4, 6, 8]})
charts.over_values(found, "faults.gateway-down", "recovery_time").figure
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from experiments.lab import charts, fit
    from experiments.lab.chaos import chaos
    from experiments.lab.compare import compare
    from experiments.lab.plan import plan
    from experiments.lab.sweep import sweep

__all__ = ["chaos", "charts", "compare", "fit", "plan", "sweep"]


def __getattr__(name: str) -> Any:
    """Load a part of the lab when it is first named: charts bring matplotlib, which most scripts can do without."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    part = import_module(f"experiments.lab.{name}")
    return part if name in ("charts", "fit") else getattr(part, name)
