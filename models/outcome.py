"""How a try can end. A simulated failure is a value: everything above SUPPRESSED is one."""

OK, SUPPRESSED, TRANSIENT, POISON, ERROR, REFUSED, TIMEOUT, SHORT, LIMITED, OVERDUE, BARRED, RETURNED = range(12)
"""OK: done by this attempt. SUPPRESSED: done before, by another. Then the failures: of the handler itself, of poison, an error
or a refusal of a dependency, a timeout; and from SHORT on those without an attempt. SHORT: an open breaker refused;
LIMITED: the rate limiter, the bulkhead or the throttle did; OVERDUE: it timed out in the bulkhead's line; BARRED: the store
of marks has not answered, or another delivery has claimed the event; RETURNED: given back untried, because the
instance is stopping."""
PENDING = -1
