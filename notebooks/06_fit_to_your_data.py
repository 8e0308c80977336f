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
# # Fit to your data
#
# A simulation is as good as the numbers in it. This notebook turns what you have measured into lines of a scenario:
# durations into `service`, a list of incidents into `[[faults]]`, lag and arrivals into a trace and a capacity.
#
# The data here come from a system that is itself simulated, so that the truth is known, and each fit can be held against
# it. With data of your own, replace the cells marked *data*; the same is done by `edasim fit service`, `edasim fit
# incidents` and `edasim fit lag`.

# %%
# %matplotlib inline
import tempfile
from pathlib import Path

import numpy as np

from experiments import charts, fit
from experiments.lab.charts.fits import backlog, capacity, quantiles
from models import System
from simulator import replicate

folder = Path(tempfile.mkdtemp())

# %% [markdown]
# ## The truth
#
# Two workers with lognormal service of mean 40 ms, so a capacity of 50 events/s; 35 events/s arrive. The whole group goes
# down every 10 minutes on average, for 20 s.

# %%
truth = System.from_dict({
    "name": "truth",
    "run": {"duration": "2h", "runs": 1, "seed": 5},
    "broker": {"profile": "rabbitmq"},
    "producers": {"shop": {"topic": "orders", "arrivals": {"process": "poisson", "rate": 35}}},
    "consumers": {
        "payment": {
            "topic": "orders",
            "instances": 2,
            "prefetch": 1,
            "service": {"dist": "lognormal", "mean": "40ms", "cv": 0.8},
        }
    },
    "faults": [{
        "name": "payment crash",
        "target": "consumers.payment",
        "kind": "crash",
        "time_to_failure": {"dist": "exponential", "mean": "10m"},
        "time_to_repair": {"dist": "lognormal", "mean": "20s", "cv": 0.5},
        "together": True,
    }],
})  # fmt: skip
result = replicate(truth, trace=True)
charts.lag(result, "payment").figure

# %% [markdown]
# ## Service times
#
# *Data:* from a file, `values = fit.read_durations(Path("latency.csv"), "milliseconds", 0.001)`. Here they are what the
# trace says of events that were attempted once and did not meet a crash.

# %%
events = result.events
once = events[(events["attempts"] == 1) & (events["deliveries"] == 1) & events["effect"].notna()]
values = (once["effect"] - once["started"]).to_numpy()[:3000]
service = fit.service(values)
service

# %% [markdown]
# The table has the likeliest law of each family, best first. AIC weighs likelihood against the number of parameters; a
# p-value below 0.01 says that data from this law would hardly ever look like these.

# %%
quantiles(service).figure

# %%
service.parameters[service.parameters["dist"] == service.best.dist]

# %% [markdown]
# ## Incidents
#
# *Data:* `starts, ends = fit.read_incidents(Path("incidents.csv"))`, a file with the columns `start` and `end`. Say when
# the observation began and ended: the time up before the first incident and after the last one was then seen in part, and
# counts as what it is. The first lasts at least as long as it was seen, and so does the last.

# %%
windows = [window for window in result.measurements[0].windows if window.end < truth.run.duration]
seen = sorted({(window.start, window.end) for window in windows})
starts, ends = np.array(seen).T
incidents = fit.incidents(starts, ends, since=0, until=truth.run.duration, target="consumers.payment")
incidents

# %%
print(incidents.line)

# %% [markdown]
# ## Arrivals and capacity
#
# *Data:* `observed = fit.read_lag(Path("lag.json"), Path("offsets.json"), "total")`, the answers of two range queries to
# Prometheus. While the group has a backlog that it cannot finish within an interval it works as fast as it can; how fast
# that is shows in arrivals less the growth of lag.

# %%
series = result.series
payment = series[(series["component"] == "consumers.payment") & series["metric"].isin(["lag", "arrivals"])]
sampled = payment.pivot(index="time", columns="metric", values="value")
times = sampled.index.to_numpy(dtype=float)
arrived = sampled["arrivals"].to_numpy() * np.diff(times, prepend=0.0)
observed = fit.Observed(times, arrived, sampled["lag"].to_numpy())
lag = fit.lag(observed, workers=2)
capacity(lag).figure

# %%
backlog(lag).figure

# %% [markdown]
# ## A scenario from the lines
#
# `save` writes the files that the lines name; the scenario stands beside them.

# %%
lag.save(folder)
scenario = f"""
name = "fitted"
[run]
duration = "2h"
runs = 1
seed = 6
[broker]
profile = "rabbitmq"
[producers.shop]
topic = "orders"
{lag.arrivals_line}
[consumers.payment]
topic = "orders"
instances = 2
prefetch = 1
{service.line}
{incidents.line}
"""
(folder / "fitted.toml").write_text(scenario)
fitted = System.from_toml(folder / "fitted.toml")
again = replicate(fitted)
charts.lag(again, "payment").figure

# %% [markdown]
# ## Was the truth found?


# %%
def covered(name, true, low, high):
    print(f"{name}: true {true:g}, 95 % interval {low:.4g} to {high:.4g}: {'inside' if low <= true <= high else 'OUTSIDE'}")


for part, dist, true in (
    (service, "lognormal", {"mean": 0.04, "cv": 0.8}),
    (incidents.to_failure, "exponential", {"mean": 600}),
):
    rows = part.parameters[part.parameters["dist"] == dist]
    for row in rows.itertuples():
        covered(f"{part.key} {row.parameter}", true[row.parameter], row.ci_low, row.ci_high)
covered("capacity", 50, lag.ci_low, lag.ci_high)
