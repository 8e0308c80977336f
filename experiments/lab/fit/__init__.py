"""From measured data to the lines of a scenario: service times, incidents, arrivals and lag.

from experiments import fit
fit.service(seconds).line

Files are read by `read_durations`, `read_incidents` and `read_lag`.
"""

from experiments.lab.fit.backlog import Lag, lag
from experiments.lab.fit.comparing import Comparison, Fitted, Parameter
from experiments.lab.fit.durations import service
from experiments.lab.fit.outages import Incidents, incidents
from experiments.lab.fit.prometheus import Observed, read_lag
from experiments.lab.fit.reading import BadDataError, read_durations, read_incidents

__all__ = [
    "BadDataError",
    "Comparison",
    "Fitted",
    "Incidents",
    "Lag",
    "Observed",
    "Parameter",
    "incidents",
    "lag",
    "read_durations",
    "read_incidents",
    "read_lag",
    "service",
]
