"""The engine: time, chance, recording, statistics and replication. It knows nothing of events or brokers."""

from simulator.replication import replicate

__all__ = ["replicate"]
