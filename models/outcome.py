"""How a try can end. A simulated failure is a value: everything above SUPPRESSED is one."""

OK, SUPPRESSED, TRANSIENT, POISON, ERROR, REFUSED, TIMEOUT, SHORT, RETURNED = range(9)
"""OK: done by this attempt. SUPPRESSED: done before, by another. Then the failures: of the handler itself, of poison, an error
or a refusal of a dependency, a timeout; SHORT: an open breaker refused, and no attempt was made; RETURNED: given back untried,
because the instance is stopping."""
PENDING = -1
