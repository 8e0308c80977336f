# ---
# jupyter:
#   jupytext:
#     formats: ipynb,py:percent
#     text_representation:
#       extension: .py
#       format_name: percent
#   kernelspec:
#     display_name: Python 3 (ipykernel)
#     language: python
#     name: python3
# ---

# %% [markdown]
# # A system of your own
#
# Three things: write a system in Python, let a process of your own take part in it, and follow one unlucky event.
#
# ## The system
#
# The fields are those of a TOML scenario, as keyword arguments and tables. What is wrong with them is told at once, by
# its path and with the nearest right name; try `"instance": 4`.

# %%
# %matplotlib inline
import pandas as pd

from experiments import charts, compare
from models import System
from simulator import replicate
from simulator.recorder import view

tables = {
    "name": "fulfilment",
    "run": {"duration": "12m", "warmup": "1m", "runs": 4, "seed": 7},
    "topics": {"orders": {"partitions": 8}},
    "producers": {
        "shop": {
            "topic": "orders",
            "arrivals": {"process": "poisson", "rate": 30},
            "keys": {"dist": "zipf", "count": 1000, "exponent": 0.4},
        }
    },
    "dependencies": {"carrier": {"latency": {"dist": "lognormal", "mean": "80ms", "p99": "400ms"}, "error_rate": 0.01}},
    "consumers": {
        "shipping": {
            "topic": "orders",
            "instances": 4,
            "dependencies": ["carrier"],
            "redelivery": {
                "through": "retry_topic",
                "max_deliveries": 4,
                "backoff": "exponential",
                "base": "5s",
                "factor": 3,
                "jitter": "full",
            },
            "dead_letter": {"topic": "orders.dead"},
        }
    },
    "faults": [{
        "name": "slow carrier",
        "target": "dependencies.carrier",
        "kind": "slowdown",
        "factor": 3,
        "at": "2m",
        "for": "4m",
    }],
}  # fmt: skip
four = System(**tables)
eight = four.with_({"consumers.shipping.instances": 8})

# %% [markdown]
# The carrier does not fail, it is slow: three times as slow for four minutes. Four instances cannot keep up with that, eight
# could. But who wants to pay for eight all day?
#
# ## A process of your own
#
# So let somebody be on call. A process is a function of `(sim, parts)` that returns a SimPy generator; it is started
# with the rest. `sim.timeout(s)` waits, `parts` holds what is running: `parts.groups`, `parts.servers`,
# `parts.producers`, by path.
#
# This one keeps four of eight instances down. Every 10 s it looks at the lag. When it was above 300 twice in a row, it takes a
# minute to react, as people do, and starts the spare ones.

# %%
diary = []


def lag_of(group, now):
    """Events that were produced and have had no effect yet; the arrays are let go at once, for they still grow."""
    lag = 0
    for handling in group.handlings:
        messages, journey = handling.journey.messages, handling.journey
        lag += int((view(messages.produced) <= now).sum() - (view(journey.effect, len(messages)) <= now).sum())
    return lag


def on_call(sim, parts):
    group = parts.groups["consumers.shipping"]
    spare = group.instances[4:]
    for instance in spare:
        group.stop(instance)
    high = 0
    while high < 2:
        yield sim.timeout(10)
        high = high + 1 if lag_of(group, sim.now) > 300 else 0
    alarmed = sim.now
    yield sim.timeout(60)
    diary.append({"run": sim.replication, "alarm": alarmed, "started": sim.now, "lag then": lag_of(group, sim.now)})
    for instance in spare:
        group.restart(instance)


person = System(processes=[on_call], **eight.to_dict())

# %% [markdown]
# Four systems under the same luck; one of them with smaller batches, `max.poll.records` in Kafka's words. `jobs=1` keeps all
# runs in this process, so that they write into this diary; with more jobs each worker would have a copy of its own.

# %%
found = compare(
    four,
    {"on call": person, "on call, batch 50": person.with_({"consumers.shipping.batch": 50}), "eight": eight},
    ["consumers.shipping:lag_max", "consumers.shipping:latency_p99", "faults.slow carrier:recovery_time"],
    baseline_name="four",
    jobs=1,
)
charts.overlaid(found, "shipping").figure

# %%
found

# %%
pd.DataFrame(diary)

# %% [markdown]
# Look at what follows the start of the spare instances, at 3 min 40 s. With the default batch the lag first rises *faster*,
# and the help is felt more than a minute later. With an eager assignor every member must come to the rebalance before anyone
# goes on, and a member comes when it polls next, after the up to 500 records that it has in hand. At 240 ms each that is
# two minutes, and who is done early waits. With batches of 50 the same help is felt at once. Where handling is
# slow, a small batch is what makes a group that can be scaled, or deployed, while it is in trouble.
#
# ## One unlucky event
#
# With `trace=True` a result keeps a row for each event in each group. Percentiles say how bad it was; one row says why.

# %%
traced = replicate(person, runs=1, jobs=1, trace=True)
events = traced.events
events["latency"] = events["effect"] - events["produced"]
events.nlargest(5, "latency")

# %% [markdown]
# The unluckiest of all, as a story:

# %%
unlucky = events.loc[events["latency"].idxmax()]
for moment, what in [
    ("produced", f"a customer orders; key {unlucky['key']}, so partition {unlucky['partition']}"),
    ("started", "first handed to a worker"),
    ("effect", f"shipped, after {unlucky['attempts']} attempts in {unlucky['deliveries']} deliveries"),
    ("settled", "settled: its offset is committed"),
]:
    print(f"{unlucky[moment]:8.2f} s  (+{unlucky[moment] - unlucky['produced']:6.2f} s)  {what}")

# %% [markdown]
# Two kinds of waiting. Before `started` it stood in its partition behind others. Then it failed and was set aside, for a delay
# of some seconds; and when that was over it stood in line **once more**, behind what its instance had in hand. A failure
# costs little when there is no backlog, and another turn through it when there is. Did later orders of the same customer go by?

# %%
same = events[(events["key"] == unlucky["key"]) & (events["produced"] > unlucky["produced"])]
overtaken = same[same["effect"] < unlucky["effect"]]
print(f"{len(overtaken)} later orders of customer {unlucky['key']} were shipped before this one")
overtaken[["produced", "started", "effect", "attempts"]].head()

# %% [markdown]
# That is the price of a retry topic: order within a key is not kept. `through = "seek"` keeps it, and makes the partition wait.
#
# Over all events: how much of the latency is waiting for a first try, and how much is trying again?

# %%
shares = pd.DataFrame({
    "before the first try": events["started"] - events["produced"],
    "from there to the effect": events["effect"] - events["started"],
})  # fmt: skip
shares[events["deliveries"] > 0].groupby(events["deliveries"]).agg(["count", "mean", "max"]).round(2)
