"""Autoscaling at work: what is recommended and for how long, and who then comes and goes."""

from __future__ import annotations

from collections import deque
from functools import partial

from models.autoscale import Autoscale
from models.group import Group
from models.lag_watch import LagWatch
from simulator.simulation import WAIT_END, Simulation


class Recommendations:
    """What was recommended in the last `cooldown` seconds: up at once, down to the highest of it. `instances`: at 0."""

    def __init__(self, terms: Autoscale, instances: int) -> None:
        assert terms.cooldown is not None
        self.terms = terms
        self.cooldown = terms.cooldown
        self.given = deque([(0.0, instances)])

    def decide(self, lag: int, current: int, now: float) -> int:
        """How many instances there are to be from `now` on, instead of the `current` ones."""
        wanted = self.terms.recommend(lag, current)
        self.given.append((now, wanted))
        while self.given[0][0] + self.cooldown <= now and len(self.given) > 1:
            self.given.popleft()
        return wanted if wanted > current else min(current, max(number for _, number in self.given))


class Autoscaler:
    """Sets the number of instances of a group, after all else that happens at an instant."""

    def __init__(self, sim: Simulation, group: Group, terms: Autoscale) -> None:
        self.sim = sim
        self.group = group
        self.terms = terms
        self.watches = [LagWatch(handling.journey) for handling in group.handlings]
        self.looks = 0

    def start(self) -> None:
        """From time 0 on; what an entry for 0 says is so from the beginning."""
        if self.terms.schedule is None:
            self._look_again(Recommendations(self.terms, self.group.wanted))
            return
        for time, number in self.terms.schedule:
            if time > 0.0:
                self.sim.call_at(time, WAIT_END, partial(self.group.scale_to, number), self.group.place)

    def lag(self) -> int:
        """Events that are available to the group and not finished."""
        self.group.subscription.write_off()
        return sum(watch.count(self.sim.now) for watch in self.watches)

    def _look_again(self, recommendations: Recommendations) -> None:
        assert self.terms.interval is not None
        self.looks += 1
        self.sim.call_at(self.looks * self.terms.interval, WAIT_END, partial(self._look, recommendations), self.group.place)

    def _look(self, recommendations: Recommendations) -> None:
        self.group.scale_to(recommendations.decide(self.lag(), self.group.wanted, self.sim.now))
        self._look_again(recommendations)
