"""A consumer group at work: its instances, what they share, and what happens to them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from models.budget import BudgetState
from models.gate import Gate
from models.guards import Guards
from models.handling import Handling
from models.instance import Instance, Life
from models.outbox import Outbox
from models.settlement import Settlement
from models.subscription import Subscription
from simulator.distributions import Distribution
from simulator.recorder import Trail
from simulator.simulation import WAIT_END, Simulation

INFINITY = float("inf")


class Group:
    """One `[consumers.NAME]` of one replication. `name` is its path.

    `unserved`: (partition, start, end) periods in which nobody who runs consumed that place of its `subscription`.
    """

    def __init__(
        self,
        sim: Simulation,
        name: str,
        subscription: Subscription[Any],
        settlement: Settlement,
        handlings: Sequence[Handling],
        place: int,
    ) -> None:
        self.sim = sim
        self.name = name
        self.rules = settlement.rules
        self.spec = spec = self.rules.spec
        self.subscription = subscription
        self.membership = subscription.membership
        self.settlement = settlement
        self.handlings = handlings
        self.place = place
        self.instances = [Instance(sim, f"{name}[{i}]", i, place + i) for i in range(spec.most_instances)]
        self.wanted = spec.first_instances
        self.shared_gate = Gate(sim, spec.breaker, place) if spec.breaker and spec.breaker.scope == "group" else None
        self.gates: list[tuple[Instance, Gate]] = []
        self.shared_budget: BudgetState | None = None
        if spec.retry is not None and spec.retry.budget is not None and spec.retry.scope == "group":
            self.shared_budget = BudgetState(spec.retry.budget)
        self.outboxes: dict[str, Outbox] = {}
        self.unserved = Trail(partition="i", start="d", end="d")
        self.lives: list[Life] = []
        self.life_seconds = 0.0
        self._unserved_since: dict[int, float] = {}
        self._startup = sim.stream(f"{name}/startup")

    def start(self) -> None:
        """Everything begins at time 0 with all instances at work, but those that only autoscaling may want."""
        self.membership.on_change = self._note_service
        lives = [self._new_life(instance) for instance in self.instances[: self.wanted]]
        for instance in self.instances[self.wanted :]:
            instance.is_wanted(False)
            instance.down += 1
            instance.note()
        self.membership.found(lives)
        self._note_service()

    # -- lives --------------------------------------------------------------------------------------------------------

    def _new_life(self, instance: Instance) -> Life:
        gate = self.shared_gate
        if gate is None and self.spec.breaker is not None:
            gate = Gate(self.sim, self.spec.breaker, instance.place)
            self.gates.append((instance, gate))
        life: Life = self.subscription.new_life(instance, gate, self._stopped)
        instance.life = life
        instance.living += 1
        if self.spec.retry is not None and self.spec.retry.budget is not None:
            life.budget = self.shared_budget or BudgetState(self.spec.retry.budget)
        if self.rules.guarded:
            life.guards = Guards(self.sim, self.spec, instance.place)
        self.lives.append(life)
        if self.rules.concurrency == INFINITY:
            life.spawn = self.subscription.new_worker
        else:
            for _ in range(int(self.rules.concurrency)):
                life.workers.append(self.subscription.new_worker(life))
        if instance.pauses:
            life.freeze()
        instance.note()
        return life

    def _stopped(self, life: Life) -> None:
        """All workers of a life that may not take more have finished what they had in hand. One that is not linked waits."""
        if not life.alive:
            return
        if life.stopping:
            if life.is_done():
                self._end(life)
        elif not life.linked:
            return
        elif not life.member:
            self.membership.join(life)
            self._note_service()
        else:
            self.membership.surrendered(life)

    # -- what faults do -----------------------------------------------------------------------------------------------

    def crash(self, instance: Instance) -> None:
        """The process is gone; the broker is told nothing."""
        instance.down += 1
        for outgoing in instance.outgoing.values():
            outgoing.crash()
        for life in self._lives_of(instance):
            life.catch_up(math.nextafter(self.sim.now, 0.0))
            self._bury(life)
            self.membership.miss(life)
        instance.life = None
        instance.note()
        self._note_service()

    def stop(self, instance: Instance) -> None:
        """A planned stop: finishes what is in hand, says goodbye, and is gone."""
        instance.down += 1
        life = instance.life
        if life is not None:
            instance.life = None
            life.stopping, life.open = True, False
            if life.gate is not None:
                life.gate.let_look()
            if life.guards is not None:
                life.guards.let_look()
            if life.is_done():
                self._end(life)
        instance.note()
        self._note_service()

    def restart(self, instance: Instance, startup: Distribution | None = None) -> None:
        """A crash or stop is over: if it was the last one, the instance starts, and joins after its start-up time, or that
        one."""
        instance.down -= 1
        if instance.down:
            return
        instance.starts += 1
        start, luck = instance.starts, self._startup.uniform(instance.index, instance.starts)
        instance.note()

        def begin() -> None:
            if instance.down == 0 and instance.life is None and instance.starts == start:
                life = self._new_life(instance)
                if not life.frozen and life.linked:
                    self.membership.join(life)
                self._note_service()

        seconds = (startup or self.spec.startup).ppf(luck)
        if seconds > 0.0:
            self.sim.call_at(self.sim.now + seconds, WAIT_END, begin, instance.place)
        else:
            begin()

    def scale_to(self, number: int) -> None:
        """Autoscaling wants the first `number` instances: others stop, the last one first, and those that come start, unless a
        fault has taken their place."""
        before, self.wanted = self.wanted, number
        if number != before:
            self.sim.hold()
        for instance in reversed(self.instances[number:before]):
            instance.is_wanted(False)
            self.stop(instance)
        startup = None if self.spec.autoscale is None else self.spec.autoscale.startup
        for instance in self.instances[before:number]:
            instance.is_wanted(True)
            self.restart(instance, startup)
            instance.note()

    def pause(self, instance: Instance) -> None:
        """The process stands still: its heartbeats stop, what it called goes on."""
        instance.pauses += 1
        if instance.pauses == 1:
            for outgoing in instance.outgoing.values():
                outgoing.client.freeze()
            for life in self._lives_of(instance):
                life.catch_up(math.nextafter(self.sim.now, 0.0))
                life.freeze()
                if life.member:
                    self.membership.miss(life)
            instance.note()
            self._note_service()

    def resume(self, instance: Instance) -> None:
        """It goes on where it was, perhaps as a zombie: expelled, and not yet aware of it."""
        instance.pauses -= 1
        if instance.pauses == 0:
            for outgoing in instance.outgoing.values():
                outgoing.client.thaw()
            for life in self._lives_of(instance):
                life.thaw()
                self._go_on(life)
            instance.note()
            self._note_service()

    def look(self) -> None:
        """Nodes or links have changed: who reaches the broker, and who does no more."""
        changed = [each for each in self.instances if each.uplink is not None and each.uplink.look()]
        lives = [life for life in self.lives if life.instance in changed]
        dead = [life for life in self.membership.members if not life.alive and life.instance in changed]
        for life in lives:
            life.catch_up(math.nextafter(self.sim.now, 0.0))
        for life in (*lives, *dead):
            life.relink()
        for life in (*lives, *dead):
            self.membership.miss(life)
        for life in lives:
            self._go_on(life)
        for instance in changed:
            instance.note()
        if changed and (uplink := changed[0].uplink) is not None:
            self.membership.broker_is(uplink.there)
        self._note_service()

    def _go_on(self, life: Life) -> None:
        """A life that was frozen or cut off is not any more, or less so."""
        if life.frozen or not life.linked:
            return
        self.membership.resumed(life)
        if life.active == life.at_gate and not life.open:
            self._stopped(life)

    def _lives_of(self, instance: Instance) -> list[Life]:
        """Its life, and former ones that are still finishing what they have in hand."""
        return [life for life in self.lives if life.instance is instance]

    def _bury(self, life: Life) -> None:
        self.lives.remove(life)
        self.life_seconds += self.sim.now - life.began
        life.die()
        life.instance.living -= 1
        if life.instance.away:
            life.instance.note()
        if life.gate is not None and life.gate is not self.shared_gate:
            life.gate.end()

    def _end(self, life: Life) -> None:
        """A clean goodbye, if it is heard."""
        life.take_leave()
        self._bury(life)
        if life.heard:
            self.membership.leave(life)
        else:
            self.membership.miss(life)
        self._note_service()

    # -- what is recorded ---------------------------------------------------------------------------------------------

    def _note_service(self) -> None:
        """Opens and closes the periods in which a partition has nobody to consume it."""
        now = self.sim.now
        idle = self.subscription.unserved()
        for place in [place for place in self._unserved_since if place not in idle]:
            self.unserved.add(place, self._unserved_since.pop(place), now)
        for place in idle:
            self._unserved_since.setdefault(place, now)

    def _all_gates(self) -> list[Gate]:
        return [self.shared_gate] if self.shared_gate else [gate for _, gate in self.gates]

    def work_so_far(self) -> tuple[float, float, float]:
        """Seconds so far: of workers inside attempts and holding an event without working, and of instances' lives."""
        now, rules = self.sim.now, self.rules
        workers = [worker for life in self.lives for worker in life.workers]
        busy = sum(now - w.busy_since for w in workers if w.busy_since == w.busy_since)
        held = sum(now - w.held_since for w in workers if w.held_since == w.held_since)
        seconds = self.life_seconds + sum(now - life.began for life in self.lives)
        return rules.busy + busy, rules.held + held, seconds

    def finish(self) -> None:
        """The run is over: what is still going on is written down as far as it went."""
        self.subscription.write_off()
        for life in self.lives:
            life.catch_up(self.sim.now)
        for gate in self._all_gates():
            gate.state.advance(min(gate.ended, self.sim.now))
        for place, start in self._unserved_since.items():
            self.unserved.add(place, start, self.sim.now)
        self._unserved_since.clear()
