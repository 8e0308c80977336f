"""What is wrong with an alert: whom it watches, and whether that can be."""

from __future__ import annotations

from collections.abc import Iterator

from models.alerts import Alert
from models.errors import Problem, joined, nearest, one_of, shown
from models.outline import Outline


def alert_problems(scenario: Outline) -> Iterator[Problem]:
    """Problems of the alerts of a scenario."""
    names = set()
    for index, alert in enumerate(scenario.alerts):
        path = joined(("alerts", index))
        if alert.name in names:
            yield Problem(f"{path}.name", f"found {shown(alert.name)} again", "must be its own name")
        names.add(alert.name)
        yield from _of_alert(path, alert, scenario)


def _of_alert(path: str, alert: Alert, scenario: Outline) -> Iterator[Problem]:
    groups = {f"consumers.{name}": spec for name, spec in scenario.consumers.items()}
    group = groups.get(alert.component)
    if group is None:
        close = nearest(alert.component, groups)
        yield Problem(f"{path}.component", f"found {shown(alert.component)}", "" if close else one_of(groups), close)
    elif alert.metric == "breaker_open" and group.breaker is None:
        yield Problem(f"{path}.metric", 'found "breaker_open"', f"only with {alert.component}.breaker")
    elif alert.metric == "dead_letters" and group.dead_letter is None:
        yield Problem(f"{path}.metric", 'found "dead_letters"', f"only with {alert.component}.dead_letter")
