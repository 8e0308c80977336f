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
# # Capacity planning
#
# How many instances does a consumer group need? Not for the average minute, in which nearly any number will do, but for
# the minutes after something went wrong. And how much more traffic, and how long an outage, would it bear?
#
# The system: 20 events/s in 12 partitions, 150 ms of work each. A bad deploy freezes the whole group for a minute, then it
# is rolled back. The objective: 90 seconds later all is as before, which here is to say at most 60 events in lag.

# %%
# %matplotlib inline
from experiments import charts, plan, sweep
from models import System

system = System.from_dict({
    "name": "billing",
    "run": {"duration": "10m", "warmup": "1m", "runs": 4, "seed": 7},
    "topics": {"orders": {"partitions": 12}},
    "producers": {"shop": {"topic": "orders", "arrivals": {"process": "poisson", "rate": 20}}},
    "consumers": {
        "billing": {
            "topic": "orders",
            "instances": 6,
            "service": {"dist": "lognormal", "mean": "150ms", "cv": 0.8},
        }
    },
    "faults": [{
        "name": "bad deploy",
        "target": "consumers.billing",
        "kind": "pause",
        "together": True,
        "at": "2m",
        "for": "1m",
        "normal": 60,
    }],
    "slos": [{"component": "faults.bad deploy", "metric": "recovery_time", "below": "90s"}],
})  # fmt: skip

# %% [markdown]
# The usual calculation: 20 events/s × 0.15 s = 3 workers' worth of work, so 4 instances, at 75 % utilisation. Let us see.
#
# ## How many instances?
#
# `plan` finds the smallest number that meets every objective, by bisection. A value counts as enough only when its whole
# interval is on the right side; near the border it adds runs until that is decided.

# %%
instances = plan(system, {"consumers.billing.instances": (4, 14)})
print(instances.answer)
charts.headroom(instances).figure

# %%
instances

# %% [markdown]
# ## Why not 5, and what would 8 bring?
#
# A small sweep: every number of instances at three rates. Look at the steps.

# %%
found = sweep(
    system,
    {"producers.shop.arrivals.rate": [10, 20, 30], "consumers.billing.instances": [4, 5, 6, 8, 10, 11, 12, 14]},
    runs=3,
)
charts.over_values(found, "faults.bad deploy", "recovery_time", x="consumers.billing.instances").figure

# %% [markdown]
# It is a staircase, because a partition has one reader at a time. 12 partitions over 5 instances are 3, 3, 2, 2, 2: the
# group has recovered when the instance with **three** has, and that one is as slow as any of a group of 4. From 6 to 11
# the worst has two, and the eleventh instance costs as much as the others and brings little; from 12 on the worst has
# one, and a fourteenth has nothing to do at all. Scale in divisors of the number of partitions.
#
# The height of a step is the fluid rule: after an outage of *D* the backlog drains in *D ρ / (1 - ρ)*, with the ρ of
# the **busiest** instance. At ρ = 0.75 that is three times the outage, at 0.5 once, at 0.25 a third of it.
#
# The same as a map for a review. The line is the objective: what is on the dark side of it meets it. A "?" is a cell
# whose three runs do not decide.

# %%
charts.heat_map(
    found,
    "producers.shop.arrivals.rate",
    "consumers.billing.instances",
    "faults.bad deploy:recovery_time",
    contour=90,
).figure

# %% [markdown]
# ## How long an outage?
#
# The other way round: with 6 instances, how late may the roll-back come? What is sought is now the largest value; `plan`
# sees that by itself, the short end being good and the long end not.

# %%
outage = plan(system, {"faults.bad deploy.for": ("10s", "5m")}, precision=0.02)
print(outage.answer)
charts.headroom(outage).figure

# %% [markdown]
# That figure belongs into the runbook: it is how long the alert, a human and the roll-back may take together.
#
# ## Where Erlang C applies
#
# Call centres have planned with Erlang's formula since 1917. It holds for **one** queue in front of all workers, as of a
# RabbitMQ queue with a prefetch of 1, exponential service, and nothing that fails. There `plan` draws the exact curve
# beside what it simulated, so you can see for yourself that the two agree.

# %%
desk = System.from_dict({
    "name": "desk",
    "run": {"duration": "10m", "warmup": "1m", "runs": 4, "seed": 7},
    "broker": {"profile": "rabbitmq"},
    "producers": {"shop": {"topic": "orders", "arrivals": {"process": "poisson", "rate": 20}}},
    "consumers": {"billing": {"topic": "orders", "prefetch": 1, "service": {"dist": "exponential", "mean": "150ms"}}},
    "slos": [{"component": "consumers.billing", "metric": "latency_p99", "below": "1s"}],
})  # fmt: skip
exact = plan(desk, {"consumers.billing.instances": (3, 12)})
print(exact.answer)
charts.headroom(exact).figure

# %% [markdown]
# For partitions it does not hold: an idle instance cannot help a busy one, so the same work takes more of them. Hence the
# simulation.
#
# From the shell: `edasim plan orders --size consumers.payment.instances=4..12`.
