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
# # Compare retry policies
#
# A payment service calls a gateway that is away for a minute. What should it do with a payment that fails? Five answers,
# on the same small system, under the same luck: the same customers come at the same moments, and each call takes as long
# with one policy as with the other. What differs is the policy.

# %%
# %matplotlib inline
from experiments import charts, compare
from models import System

no_retry = System.from_dict({
    "name": "checkout",
    "run": {"duration": "8m", "warmup": "1m", "runs": 6, "seed": 7},
    "topics": {"orders": {"partitions": 8}},
    "producers": {"shop": {"topic": "orders", "arrivals": {"process": "poisson", "rate": 20}}},
    "dependencies": {"gateway": {"latency": {"dist": "lognormal", "mean": "100ms", "p99": "400ms"}, "concurrency": 8}},
    "consumers": {
        "payment": {
            "topic": "orders",
            "instances": 4,
            "dependencies": ["gateway"],
            "timeout": "1s",
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
    "faults": [{"name": "gateway outage", "target": "dependencies.gateway", "kind": "outage", "at": "2m", "for": "1m"}],
})  # fmt: skip

# %% [markdown]
# There are two places to wait before the next try. `retry` waits **inside** the delivery: it holds the worker, and with
# it the partition, so everything behind it waits too. `redelivery` through a retry topic sets the event **aside** and
# goes on with the next; after four deliveries the event is a dead letter.
#
# | | what it does with a failure |
# |---|---|
# | no retry | set aside at once (the baseline) |
# | fixed | five tries, 200 ms between them, then set aside |
# | exponential | five tries, 200 ms, 400 ms, ... at random up to that (full jitter), then set aside |
# | budget | the same, but retries may be at most a tenth of first tries |
# | pause | no retry; a breaker stops the consumer while the gateway does not answer |

# %%
exponential = {"max_attempts": 5, "backoff": "exponential", "base": "200ms", "jitter": "full"}
policies = {
    "fixed": no_retry.with_({"consumers.payment.retry": {"max_attempts": 5, "backoff": "fixed", "base": "200ms"}}),
    "exponential": no_retry.with_({"consumers.payment.retry": exponential}),
    "budget": no_retry.with_({"consumers.payment.retry": {**exponential, "budget": {"ratio": 0.1}}}),
    "pause": no_retry.with_({
        "consumers.payment.breaker": {
            "size": 20,
            "minimum_calls": 10,
            "open_for": "10s",
            "half_open_calls": 3,
            "on_open": "pause",
        }
    }),
}  # fmt: skip
metrics = [
    "consumers.payment:lag_max",
    "consumers.payment:latency_p99",
    "consumers.payment:dead_letter_rate",
    "dependencies.gateway:calls",
    "faults.gateway outage:recovery_time",
]
found = compare(no_retry, policies, metrics, baseline_name="no retry")

# %% [markdown]
# ## Lag
#
# Who waits inside the delivery lets the log pile up: its lag grows as fast as events arrive. Who sets aside shows
# little lag. A dashboard would say that *no retry* is the best policy by far.

# %%
charts.overlaid(found, "payment").figure

# %% [markdown]
# ## What the dashboard does not show
#
# Events that are set aside use up their deliveries against a gateway that is not there, and end as dead letters,
# healthy as they are. Grey is within 5 % of the baseline's mean, a difference that would not matter.

# %%
charts.differences(found, "consumers.payment:dead_letter_rate").figure

# %%
charts.differences(found, "consumers.payment:lag_max").figure

# %% [markdown]
# So lag is what it costs to lose nothing. Make it cheap: what waits in the log needs room for the backlog (retention), a
# group with headroom, and an alert that knows the difference between waiting and stuck.
#
# ## The price for the gateway
#
# Recovery time against calls of the gateway, each relative to the baseline. Left is kinder to the gateway, down is
# sooner back to normal. Where the gateway is not away but overloaded, to the right means that the retries keep it down.

# %%
charts.trade_off(found, "dependencies.gateway:calls", "faults.gateway outage:recovery_time").figure

# %% [markdown]
# ## All verdicts
#
# *better* and *worse* are significant at 5 % over the whole table together (Holm), so that looking at many metrics does
# not find a difference that is not there. *same* is a claim too: within 5 %, surely. *undecided* asks for more runs.

# %%
found

# %% [markdown]
# ## What pairing gains
#
# Same luck on both sides: what is alike in both runs cancels out of the difference. `narrowing` says how many times wider
# the interval would be with luck of its own for each system. Two policies that do nearly the same (*no retry* and a tight
# budget) gain most; policies that live through the outage in different ways share less. Below 1 it is a small loss, of
# chance.

# %%
found.table.pivot(index="metric", columns="name", values="narrowing").round(1)

# %% [markdown]
# A narrowing of 3 is worth nine times the runs. It is also why the *same* seed for two systems is the right way to compare
# them, and two seeds are not.
#
# ## Yours
#
# From the shell, on the built-in scenario: `edasim compare orders --vary consumers.payment.breaker.on_open=pause,fail`.
