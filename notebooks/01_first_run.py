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
# # A first run
#
# `orders` is the scenario that ships with edasim. An `OrderPlaced` event fans out to inventory and payment, payment
# publishes to shipping and loyalty, and every payment calls a gateway. The gateway goes away for a while. What does that
# do to the payment group, and for how long?
#
# Here the run is cut from 40 minutes to 10 and the outage from 3 minutes to one, so that it takes seconds. Anything in a
# scenario can be changed by its path.

# %%
# %matplotlib inline
from experiments import charts
from models import System
from simulator import replicate

system = System.load("orders").with_({
    "run.duration": "10m",
    "run.warmup": "1m",
    "faults.gateway outage.at": "2m",
    "faults.gateway outage.for": "1m",
})  # fmt: skip
print(system.description)

# %% [markdown]
# ## Replicate
#
# One run is an anecdote: another day the customers come at other moments and another instance crashes. Four runs with
# four different lucks are the least that tell you how much of a number is luck. `seed` fixes them all: the same seed
# gives the same numbers to the last bit, on any number of cores.

# %%
result = replicate(system, runs=4, seed=7, jobs=-1)
result.name, result.runs, result.duration, result.warmup

# %% [markdown]
# ## What happened, in a picture
#
# *Lag* is what is available to the group and not finished. The line is the median of the runs, the band holds the middle
# 80 % of them, the shade is the outage. Look at the slopes. Going up, the slope is the rate of arrival: nothing is done.
# Going down, it is what the group can do beyond that rate, its **headroom**. Headroom decides how long you suffer after
# everything is repaired.

# %%
charts.lag(result, "payment").figure

# %% [markdown]
# All of it together. With `on_open = "pause"` the breaker stops the consumer instead of failing its events: they wait in
# the log, where waiting is free, and nothing is dead-lettered on account of the outage. See `attempts` fall to a few
# probes while it lasts.

# %%
charts.group_figure(result, "payment")

# %% [markdown]
# Inventory reads the same topic and does not call the gateway. A consumer group is a bulkhead: look at the scale.

# %%
charts.lag(result, "inventory").figure

# %% [markdown]
# ## The numbers
#
# `result.summary` has a row for each metric of each component, in seconds, events or shares, over the time after the
# warm-up. Some that are worth a look:

# %%
wanted = ["latency_p50", "latency_p99", "lag_max", "lag_seconds_p99", "attempts_mean", "duplicate_rate", "dead_letter_moves"]
summary = result.summary.set_index(["component", "metric"]).sort_index()
summary.loc[[("consumers.payment", metric) for metric in wanted], ["unit", "mean", "ci_low", "ci_high", "n"]]

# %% [markdown]
# - `latency_p50` is still a fraction of a second and `latency_p99` is not: an outage is invisible in a median. Alert on
#   the tail, or better on `lag_seconds`, the age of the oldest event that is not finished.
# - `duplicate_rate` is not 0 although there is an idempotency store. Payment *does*, then *marks*: who crashes or times
#   out between the two, does it twice. `atomic = true` would close the gap.
# - `dead_letter_moves` are the poison events, which no amount of retrying helps.
#
# ## One value with its interval
#
# `ci_low` and `ci_high` are a 95 % interval: repeated with other seeds, 95 of 100 such intervals hold the true mean.

# %%
recovery = result.value("faults.gateway outage", "recovery_time")
print(f"recovered {recovery.mean:.0f} s after the gateway was back, at 95 %: {recovery.ci_low:.0f} to {recovery.ci_high:.0f} s")

# %% [markdown]
# The interval is wide, because four runs are few and they differ: in some of them an instance crashes while the backlog
# is drained, and the whole group stops for the rebalance. More runs narrow it with their square root; `runs="auto"` adds
# runs until it is as narrow as `precision` asks.

# %%
runs = result.runs_table
runs[(runs["component"] == "faults.gateway outage") & (runs["metric"] == "recovery_time")]

# %% [markdown]
# When did who crash? An instance that crashes in the minutes after the outage is what stretches the recovery.

# %%
result.windows

# %% [markdown]
# ## The books
#
# Every event that was stored is accounted for in every group, exactly once, or the run ends with an error. So `lost` is
# never a rounding error.

# %%
books = result.table("books")
books = books[books["component"].str.startswith("consumers.")]
books.pivot_table(index="component", columns="term", values="value", aggfunc="sum")

# %% [markdown]
# ## And now?
#
# Change one thing and run it again: `consumers.payment.instances`, `consumers.payment.breaker.on_open` to `"fail"`, or the
# length of the outage. Notebook 02 does that with statistics.
#
# `result` alone in a cell shows every metric. From the shell: `edasim run orders`, which also writes tables and charts.
