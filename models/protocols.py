"""The protocols by which a log's consumer group shares its partitions, by the name that `rebalance` takes."""

from __future__ import annotations

from models.classic import Eager
from models.cooperative import Cooperative
from models.membership import Coordinator
from models.server_side import ServerSide

PROTOCOLS: dict[str, type[Coordinator]] = {"eager": Eager, "cooperative": Cooperative, "server": ServerSide}
