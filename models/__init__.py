"""The parts of an event-driven system as SimPy processes, and `System`, which joins them."""

from models.system import System

__all__ = ["System"]
