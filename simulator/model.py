"""What can be replicated."""

from __future__ import annotations

from typing import Any, Literal, Protocol, Self

from simulator.results import Measurement
from simulator.simulation import Simulation


class Model(Protocol):
    """What can be replicated: a picklable specification that starts processes and measures what they recorded."""

    @property
    def name(self) -> str: ...
    @property
    def description(self) -> str: ...
    @property
    def duration(self) -> float: ...
    @property
    def warmup(self) -> float | Literal["auto"]: ...
    @property
    def runs(self) -> int | Literal["auto"]: ...
    @property
    def seed(self) -> int: ...
    @property
    def precision(self) -> float: ...
    @property
    def precision_metric(self) -> str | None: ...
    @property
    def horizon(self) -> float:
        """Simulated seconds after which a replication is stopped at the latest."""
        ...

    def start(self, sim: Simulation) -> Any:
        """Start the processes; what is returned is given to `measure` after the run."""
        ...

    def measure(self, record: Any) -> Measurement: ...

    def pilot(self) -> Self:
        """The model without faults, surges and warm-up. Raises ValueError where its arrivals are not stationary."""
        ...

    def with_warmup(self, warmup: float) -> Self: ...
