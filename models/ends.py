"""The ends of links, by path: which component a member belongs to, and which links a path stands for."""

from __future__ import annotations

from collections.abc import Iterable

BROKER = "broker"
"""Path of the broker where it publishes itself: what it sends to its own nodes goes over no link."""

NETWORK = "network"
"""Path of every link."""


def belongs(member: str, paths: Iterable[str]) -> bool:
    """Whether a path of a member, such as `consumers.payment[2]`, is one of `paths` or in a component that is.

    `broker` and `broker.nodes` both stand for all nodes.
    """
    whole = member.partition("[")[0]
    return any(path in (member, whole) or (path == BROKER and whole == "broker.nodes") for path in paths)


def ends_of(link: str) -> tuple[str, str]:
    """Who sends and who receives on the link "A -> B"."""
    sender, _, receiver = link.partition("->")
    return sender.strip(), receiver.strip()


def meets(target: str, sender: str, receiver: str) -> bool:
    """Whether what goes from `sender` to `receiver` goes over a link that `target` stands for: "network" every link, "A -> B"
    that one, a component those from it and to it."""
    if BROKER in (sender, receiver):
        return False
    if "->" in target:
        one, other = ends_of(target)
        return belongs(sender, (one,)) and belongs(receiver, (other,))
    return target == NETWORK or belongs(sender, (target,)) or belongs(receiver, (target,))
