"""How long must a consumer remember what it has handled, if events come back late?

Payment fails now and then; what fails twice becomes a dead letter, and dead letters are put back into the topic after a
while, for every group that reads it. Shipping has handled them long since, and remembers each event for a time (TTL): what
comes back later than that is shipped twice. The second try of payment waits for U(0, 30 s), so an event comes back after
D + U(0, 30 s), D being the time that dead letters rest, and a share P(D + U > TTL) of those that come back is shipped
twice. A store keeps as many marks as events arrive within the TTL (Little 1961).
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

import numpy as np

from experiments.lab.charts.studies import curves, slide
from experiments.lab.charts.style import styled
from experiments.lab.charts.tidy import Measured
from experiments.lab.console import interval_text
from experiments.lab.study import Answer, Setup, derived, from_shell, tidy
from simulator.replication import replicate_all
from simulator.results import Measure, Measurement
from simulator.units import format_duration, format_number, format_value

GROUP = "consumers.shipping"
JITTER = 30.0
RATE = 20.0
ENOUGH = 0.01
"""Of the events that come back: the share shipped twice that a TTL may leave."""


def scenario(delay: float, ttl: float, duration: str) -> dict[str, Any]:
    """One topic that payment and shipping read, with dead letters that rest for `delay` and marks that hold for `ttl`."""
    twice = {"through": "retry_topic", "max_deliveries": 2, "backoff": "fixed", "base": JITTER, "jitter": "full"}
    dead = {"topic": "orders.dlq", "redrive_after": delay, "redrive_to": "topic"}
    reading = {"topic": "orders", "instances": 2, "service": "5ms"}
    return {
        "name": "idempotency_windows",
        "run": {"duration": duration, "drain": True},
        "topics": {"orders": {"partitions": 4}},
        "producers": {"shop": {"topic": "orders", "arrivals": {"process": "poisson", "rate": RATE}}},
        "consumers": {
            "payment": reading | {"transient_failure": 0.2, "redelivery": twice, "dead_letter": dead},
            "shipping": reading | {"idempotency": {"ttl": ttl}},
        },
    }


def harm(left: Measurement) -> Iterator[Measure]:
    """The share of events that come back and are shipped twice, and how many these are, of one replication."""
    had = {m.metric: m.value for m in left.metrics if m.component == GROUP}
    doubled, suppressed, millions = had["duplicate_effects"], had["suppressed"], had["processed"] / 1e6
    back = doubled + suppressed
    yield Measure(GROUP, "left_over", "share", doubled / back if back else np.nan, "share", back)
    yield Measure(GROUP, "shipped_twice", "1", doubled / millions, "rate", millions)
    yield Measure(GROUP, "suppressed_events", "1", suppressed / millions, "rate", millions)


def study(setup: Setup) -> Answer:
    """Every TTL with every time of rest."""
    delays = (30.0, 60.0) if setup.quick else (30.0, 60.0, 120.0)
    ttls = (15.0, 30.0, 45.0, 60.0, 75.0, 90.0) if setup.quick else tuple(10.0 * n for n in range(2, 17))
    keys = [(delay, ttl) for delay in delays for ttl in ttls]
    systems = [setup.system(scenario(*key, "3m" if setup.quick else "6m")) for key in keys]
    runs = setup.number(whole=8, quick=3)
    found = replicate_all(systems, runs, setup.seed, setup.jobs, progress=setup.progress, series=False)
    results = {key: derived(result, harm) for key, result in zip(keys, found, strict=True)}
    table = tidy(results, ("delay", "ttl"), [f"{GROUP}:{name}" for name in ("left_over", "shipped_twice", "suppressed_events")])
    table.insert(2, "marks", RATE * table["ttl"])
    table["expected"] = np.where(table["metric"] == "left_over", late(table["delay"], table["ttl"]), np.nan)
    head, said = finding(Measured.of(table, "left_over"))
    small = f"idempotency_windows, seed {setup.seed}", f"{runs} runs a point, mean and 95 % interval", "dotted: P(D + U > TTL)"
    figure, [ax] = slide(head, *small)
    curves(table, "left_over", "ttl", "delay", "shipped twice, of those that come back", ax)
    smooth = np.linspace(0, max(ttls), 400)
    with styled():
        for delay in delays:
            ax.plot(smooth, 100 * late(delay, smooth), color="#222222", linestyle=(0, (1.2, 1.6)), linewidth=1.8, zorder=3)
        ax.set_xlabel("TTL of a mark (s)")
        ax.set_xlim(0, 1.03 * max(ttls))
        handles, _ = ax.get_legend_handles_labels()
        names = [f"{format_duration(delay)} to {format_duration(delay + JITTER)}" for delay in delays]
        ax.legend(handles, names, title="comes back after", loc="upper right")
        above = ax.secondary_xaxis("top", functions=(partial(np.multiply, RATE), partial(np.multiply, 1 / RATE)))
        above.set_xlabel(f"marks kept at {RATE:g} events a second")
    return Answer(said, table, {"left_over": figure})


def late(delay: Any, ttl: Any) -> Any:
    """The share of events that come back after their mark is gone: P(delay + U(0, JITTER) > ttl), shape of both."""
    return np.clip((delay + JITTER - ttl) / JITTER, 0.0, 1.0)


def finding(left: Measured) -> tuple[str, str]:
    """The shortest TTL that surely leaves next to none for each delay, as a headline, and with what theory says."""
    delays, ttls = left.column("delay"), left.column("ttl")
    needs, marks = [], []
    for delay in np.unique(delays):
        enough = np.flatnonzero((delays == delay) & (left.high < ENOUGH))
        span = f"{format_duration(delay)} to {format_duration(delay + JITTER)}"
        needs.append(f"{format_duration(ttls[enough[0]]) if len(enough) else 'none that was tried'} for a way back of {span}")
        marks += [f"{format_number(RATE * ttls[place])} marks, at most {format_value(left.high[place], 'share')} left"
                  for place in enough[:1]]  # fmt: skip
    head = f"Shortest TTL with under {format_value(ENOUGH, 'share')} shipped twice: {', '.join(needs)}"
    theory = late(delays, ttls)
    agrees = int(((left.low - 1e-3 <= theory) & (theory <= left.high + 1e-3)).sum())
    far = int(np.argmax(np.abs(left.mean - theory)))
    mean = f"{left.told(far)} ({interval_text(left.low[far], left.high[far], 'share')})"
    farthest = f"{mean} with {ttls[far]:g} s after {delays[far]:g} s, where it is {format_value(float(theory[far]), 'share')}"
    kept = f" ({'; '.join(marks)})" if marks else ""
    return head, f"{head}{kept}. P(D + U > TTL) lies in {agrees} of {len(theory)} intervals; farthest from it: {farthest}."


if __name__ == "__main__":
    from_shell("idempotency_windows")
