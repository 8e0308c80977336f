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
# # Explore
#
# Move a slider and let go: the same day is lived through again with the new value, in about a second. The seed does not
# change, so what you see change is the value and not luck.
#
# The system is small, so that it is quick: payments in 8 partitions, 200 ms of work each at a gateway that goes away in
# minute 2. An instance does 5 events/s, and four of them 20.

# %%
# %matplotlib inline
import ipywidgets as widgets
from IPython.display import display

from experiments import charts
from models import System
from simulator import replicate

system = System.from_dict({
    "name": "explore",
    "run": {"duration": "6m", "warmup": "1m", "runs": 3, "seed": 7},
    "topics": {"orders": {"partitions": 8}},
    "producers": {"shop": {"topic": "orders", "arrivals": {"process": "poisson", "rate": 10}}},
    "dependencies": {"gateway": {"latency": {"dist": "lognormal", "mean": "200ms", "p99": "600ms"}}},
    "consumers": {
        "payment": {
            "topic": "orders",
            "instances": 4,
            "dependencies": ["gateway"],
            "redelivery": {
                "through": "retry_topic",
                "max_deliveries": 4,
                "backoff": "exponential",
                "base": "2s",
                "factor": 3,
                "jitter": "full",
            },
            "dead_letter": {"topic": "orders.dead"},
        }
    },
    "faults": [{
        "name": "outage",
        "target": "dependencies.gateway",
        "kind": "outage",
        "at": "2m",
        "for": "1m",
        "normal": 20,
    }],
})  # fmt: skip
retry = {"max_attempts": 5, "backoff": "exponential", "base": "200ms", "jitter": "full"}
breaker = {"size": 20, "minimum_calls": 10, "open_for": "10s", "half_open_calls": 3}
policies = {
    "breaker pauses": {"breaker": {**breaker, "on_open": "pause"}},
    "breaker fails": {"breaker": {**breaker, "automatic": True, "on_open": "fail"}},
    "retry topic": {},
    "retry in place": {"retry": retry},
}
shown = [
    ("consumers.payment", "utilization"),
    ("consumers.payment", "lag_max"),
    ("consumers.payment", "latency_p99"),
    ("consumers.payment", "attempts_mean"),
    ("consumers.payment", "dead_letter_rate"),
    ("dependencies.gateway", "calls"),
    ("faults.outage", "recovery_time"),
]


# %% [markdown]
# `explore` does it all, and can be called without sliders: events/s, instances, seconds of outage, name of the policy.


# %%
def explore(rate=10, instances=4, outage=60, policy="breaker pauses"):
    """Shows lag and key figures of the system with these values, and returns its result."""
    changes = {f"consumers.payment.{name}": table for name, table in policies[policy].items()}
    changed = system.with_({
        "producers.shop.arrivals.rate": rate,
        "consumers.payment.instances": instances,
        "faults.outage.for": outage,
        **changes,
    })  # fmt: skip
    result = replicate(changed)
    summary = result.summary.set_index(["component", "metric"])
    display(charts.lag(result, "payment").figure)
    display(summary.loc[shown, ["unit", "mean", "ci_low", "ci_high"]])
    return result


result = explore()
# %% [markdown]
# ## Sliders

# %%
sliders = widgets.interactive(
    explore,
    rate=widgets.IntSlider(10, 2, 20, 2, description="events/s", continuous_update=False),
    instances=widgets.IntSlider(4, 2, 10, description="instances", continuous_update=False),
    outage=widgets.IntSlider(60, 0, 120, 10, description="outage (s)", continuous_update=False),
    policy=widgets.Dropdown(options=list(policies), description="policy"),
)
sliders

# %% [markdown]
# Things to try:
#
# - **Events/s 6, 10, 14** with 4 instances. The recovery does not grow in proportion; it doubles from one to the next. At 18
#   it is not over when the run is, and has no value (`NaN`). Near a utilisation of 1 nothing recovers.
# - **Instances 4, 5, 7, 8** at 14 events/s. 8 partitions over 5 or 7 instances leave some with two, as over 4. It takes 8 to
#   help, and a ninth has nothing to do.
# - **Policy** with an outage of 120 s. *Breaker fails* and *retry topic* show little lag and a pile of dead letters. *Breaker
#   pauses* and *retry in place* show all of the lag and lose next to nothing; the first leaves the gateway alone meanwhile.
# - **Outage 10, 20, 30 s** with *retry topic*. The delays are drawn from up to 2, 6 and 18 s, 13 s together on average. An
#   outage that is longer than that costs dead letters: delays have to outlast the outages you want to live through.
