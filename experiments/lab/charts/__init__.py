"""Charts: functions of results and axes that return the axes, in one look.

Without `ax` a chart makes a figure of its own, outside pyplot: in a notebook, after `%matplotlib inline`,
`charts.lag(result, "payment").figure` shows it.
`page.save` writes figures.
"""

from experiments.lab.charts.broker import blocked, broker_figure, in_sync, publishing, unacknowledged, unavailability
from experiments.lab.charts.chaos import chaos_figures, schedules
from experiments.lab.charts.comparison import differences, overlaid, trade_off
from experiments.lab.charts.comparison_pages import comparison_figures
from experiments.lab.charts.page import file_name, save
from experiments.lab.charts.run import (
    age,
    attempts,
    breaker,
    figures,
    group_figure,
    groups,
    instances,
    lag,
    overview,
    throughput,
)
from experiments.lab.charts.sizing import headroom, plan_figures
from experiments.lab.charts.sweeps import over_values, sweep_figures
from experiments.lab.charts.tradeoffs import heat_map, pareto, recovery_against_utilisation

__all__ = [
    "age",
    "attempts",
    "blocked",
    "breaker",
    "broker_figure",
    "chaos_figures",
    "comparison_figures",
    "differences",
    "figures",
    "file_name",
    "group_figure",
    "groups",
    "headroom",
    "heat_map",
    "in_sync",
    "instances",
    "lag",
    "over_values",
    "overlaid",
    "overview",
    "pareto",
    "plan_figures",
    "publishing",
    "recovery_against_utilisation",
    "save",
    "schedules",
    "sweep_figures",
    "throughput",
    "trade_off",
    "unacknowledged",
    "unavailability",
]
