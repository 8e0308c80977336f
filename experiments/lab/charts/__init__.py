"""Charts: functions of results and axes that return the axes, in one look.

Without `ax` a chart makes a figure of its own, outside pyplot: in a notebook `charts.lag(result, "payment").figure` shows it.
`page.save` writes figures.
"""

from experiments.lab.charts.page import file_name, save
from experiments.lab.charts.run import age, attempts, breaker, figures, group_figure, groups, lag, overview, throughput

__all__ = [
    "age",
    "attempts",
    "breaker",
    "figures",
    "file_name",
    "group_figure",
    "groups",
    "lag",
    "overview",
    "save",
    "throughput",
]
