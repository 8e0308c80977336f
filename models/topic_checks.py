"""What is wrong with a topic whose values are right one by one."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from models.errors import Problem, joined, shown
from models.outline import Outline
from models.pace import shortest_step
from models.topic import Topic

_LOG, _QUEUE, _LEASE = ("log",), ("queue",), ("lease",)
ONLY_WITH: dict[str, Sequence[str]] = {
    "retention_size": _LOG,
    "message_ttl": _QUEUE,
    "max_length": _QUEUE,
    "overflow": _QUEUE,
    "dead_letter": _QUEUE,
    "fifo": _LEASE,
    "deduplication": _LEASE,
    "quorum": _QUEUE,
}
"""The models of delivery in which a field means something."""


def topic_problems(name: str, given: Topic, whole: Outline) -> Iterator[Problem]:
    """Problems of the topic `name`: `given` is what the user wrote, `whole` is resolved."""
    path = ("topics", name)
    delivery = str(whole.topics[name].delivery)
    misplaced = [field for field, models in ONLY_WITH.items() if _is_given(given, field) and delivery not in models]
    for field in misplaced:
        found = f'found {shown(getattr(given, field))}, but the topic has delivery = "{delivery}"'
        yield Problem(joined((*path, field)), found, f"only with {' or '.join(ONLY_WITH[field])}")
    if misplaced:
        return
    if given.overflow not in (None, "drop_oldest") and given.max_length is None:
        yield Problem(joined((*path, "overflow")), f"found {shown(given.overflow)}", "only with max_length")
    if given.overflow == "reject_dead_letter" and given.dead_letter is None:
        found = f"required by overflow = {shown(given.overflow)}, but missing"
        yield Problem(joined((*path, "dead_letter")), found)
    buriers = [group for group, each in whole.consumers.items() if each.dead_letter and each.dead_letter.topic == name]
    for field in ("max_length", "retention_size") if buriers else ():
        if getattr(given, field) is not None:
            found = f"not supported yet for a topic of dead letters (of consumers.{buriers[0]})"
            yield Problem(joined((*path, field)), found)
    if given.dead_letter is not None:
        yield from _of_dead_letters(path, given, whole)


def _is_given(topic: Topic, field: str) -> bool:
    value = getattr(topic, field)
    if field == "quorum":
        return not value
    return value is not None and value is not False and not (field == "deduplication" and not value)


def _of_dead_letters(path: tuple[str, str], given: Topic, whole: Outline) -> Iterator[Problem]:
    """A circle of nothing but dead-letter topics would move messages round and round; RabbitMQ drops them."""
    here, found = joined((*path, "dead_letter")), f'found "{given.dead_letter}"'
    if given.message_ttl is None and given.max_length is None and given.retention is None:
        yield Problem(here, found, "only with message_ttl, max_length or retention")
    seen, following = [path[1]], given.dead_letter
    while following is not None and following not in seen:
        seen.append(following)
        following = whole.topics[following].dead_letter
    if following == path[1]:
        around = "the topic itself" if len(seen) == 1 else f"which leads back here ({' -> '.join([*seen, path[1]])})"
        yield Problem(here, f"{found}, {around}", "must be another topic, and no circle")


def is_bounded(topic: Topic, whole: Outline) -> bool:
    """Whether what is published there can be gone again at the same instant: too many, or too old at once."""
    return topic.max_length is not None or topic.retention_size is not None or topic.longest_stay < shortest_step(whole)
