"""What becomes of an event whose delivery failed: another delivery after its delay, the dead-letter topic, or nothing more."""

from __future__ import annotations

import math
from collections import Counter
from typing import Protocol

from models.channel import Channel
from models.delay import DelayLine
from models.handling import Handling
from models.journey import MOVE, Journey
from models.outcome import BARRED, POISON, SHORT
from models.rules import Rules
from simulator.simulation import Simulation


class Home(Protocol):
    """Where copies are delivered from: a partition, or a queue."""

    def append_again(self, event: int, now: float, count: int = 0, waited: float = 0.0) -> None:
        """Stores a further copy at the tail, with what its next delivery must know."""


class Again:
    """A delivery to come, at the tail of `home`: how often the event failed (log) or was handed out (else), and what its next
    delay has to know of the last (`waited`: that delay (s), but for jitter that remembers something else)."""

    __slots__ = ("count", "event", "home", "journey", "waited")

    def __init__(self, home: Home, journey: Journey, event: int, count: int, waited: float) -> None:
        self.home = home
        self.journey = journey
        self.event = event
        self.count = count
        self.waited = waited

    def arrive(self, now: float) -> None:
        """The copy can be delivered."""
        self.home.append_again(self.event, now, self.count, self.waited)


class Letter:
    """A copy in the dead-letter topic, as long as it `rests` there; a redrive delivers it to `home`."""

    __slots__ = ("event", "handling", "home", "rests")

    def __init__(self, handling: Handling, event: int, home: Home) -> None:
        self.handling = handling
        self.event = event
        self.home = home
        self.rests = True


class Settlement:
    """One group's desk for failed deliveries. `resting`: copies per event in the dead-letter topic, by journey; they are gone
    from it after `letter_age` (s)."""

    def __init__(self, sim: Simulation, rules: Rules, place: int) -> None:
        self.sim = sim
        self.rules = rules
        self.delayed: DelayLine[Again] = DelayLine(sim, lambda again: again.arrive(sim.now), place)
        self.parked: DelayLine[Letter] = DelayLine(sim, self._redrive, place)
        self.fading: DelayLine[Letter] = DelayLine(sim, self._fade, place)
        self.letter_age = math.inf
        self.resting: dict[Journey, Counter[int]] = {}
        self.redriven: dict[Journey, Counter[int]] = {}
        self.dead_letters: Channel | None = None
        self.source = -1
        self.sources: dict[Journey, Channel] = {}
        self._next_redrive = 0.0

    def open_for(self, journey: Journey, source: Channel) -> None:
        """Keeps the books of a topic's events here; `source` is where they came from."""
        self.resting[journey], self.redriven[journey] = Counter(), Counter()
        self.sources[journey] = source

    def moves_to(self, channel: Channel, group: str) -> None:
        """The dead-letter topic is read by somebody: what is moved there is stored as a message of its own."""
        self.dead_letters = channel
        self.letter_age = channel.spec.longest_stay
        self.source = channel.messages.add_source(group)

    def wait(self, handling: Handling, event: int, outcome: int, failed: int, waited: float) -> tuple[float, float]:
        """Seconds until the next delivery, after the `failed`-th one that failed, with `outcome`; and what the wait after that
        has to know, as `waited` says it of the one before. It is not before the claim of another on the event ends."""
        luck = handling.redelivery_luck(event, handling.journey.turn(event, outcome >= SHORT))
        seconds, known = self.rules.redelivery.wait_step(failed, luck, waited)
        if outcome == BARRED and handling.inbox is not None:
            seconds = max(seconds, handling.inbox.claimed_until(event) - self.sim.now)
        return seconds, known

    def deliver_later(self, again: Again, seconds: float) -> None:
        """The copy comes back after its delay: to its place in a queue, or to the tail of a partition or queue."""
        if seconds > 0.0:
            now = self.sim.now
            again.journey.delays.add(again.event, now, now + seconds)
            self.delayed.put(now + seconds, again)
        else:
            again.arrive(self.sim.now)

    def give_up(self, handling: Handling, event: int, outcome: int, home: Home) -> None:
        """No further delivery: dead-lettered where there is a topic for it, else discarded."""
        rules, journey, now = self.rules, handling.journey, self.sim.now
        letter = rules.dead_letter
        if letter is None or (outcome == POISON and rules.spec.permanent == "discard"):
            journey.discard(event, now)
            return
        if self.dead_letters is not None and not letter.safe and not self.dead_letters.takes(journey.messages, event):
            journey.lose(event, now, MOVE)
            return
        journey.move(event, now)
        self.resting[journey][event] += 1
        dead = Letter(handling, event, home)
        if self.letter_age < math.inf:
            self.fading.put(now + self.letter_age, dead)
        if self.dead_letters is not None:
            self.dead_letters.adopt(journey.messages, event, self.source, now)
        if letter.redrive_after is not None and self.redriven[journey][event] < letter.redrive_times:
            self.redriven[journey][event] += 1
            due = max(now + letter.redrive_after, self._next_redrive)
            if letter.redrive_rate is not None:
                self._next_redrive = due + 1.0 / letter.redrive_rate
            self.parked.put(due, dead)

    def _fade(self, letter: Letter) -> None:
        if letter.rests:
            letter.rests = False
            journey = letter.handling.journey
            self.resting[journey][letter.event] -= 1
            journey.fades.add(letter.event, self.sim.now)

    def _redrive(self, letter: Letter) -> None:
        if not letter.rests:
            return
        letter.rests = False
        journey, event, now = letter.handling.journey, letter.event, self.sim.now
        self.resting[journey][event] -= 1
        journey.redrives.add(event, now)
        assert self.rules.dead_letter is not None
        if self.rules.dead_letter.redrive_to == "topic":
            self.sources[journey].append_again(event, now)
        else:
            letter.home.append_again(event, now)
