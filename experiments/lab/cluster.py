"""Where replications run: in processes of this machine, or on a Dask cluster through joblib's backend."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def processes_of(address: str | None) -> Iterator[None]:
    """Replications inside the block, with `jobs=-1`, run on the workers of the Dask scheduler at `address`; None: here.

    Each worker needs the same version of edasim. A task whose worker dies runs again on another, and chance depends on the
    replication's number alone, so the results are those of a local run to the last bit.

    Raises ConnectionError where there is no scheduler, and ModuleNotFoundError without the extra `dask`.
    """
    if address is None:
        yield
        return
    from joblib import parallel_config

    try:
        from distributed import Client
    except ModuleNotFoundError as missing:
        raise ModuleNotFoundError(f"a cluster needs Dask: pip install 'edasim[dask]' ({missing})") from missing
    try:
        client = Client(address, timeout="10s")  # type: ignore[no-untyped-call]
    except (OSError, ValueError, TimeoutError) as failed:
        raise ConnectionError(f"no Dask scheduler at {address} ({failed})") from failed
    with client, parallel_config(backend="dask", wait_for_workers_timeout=30):
        yield
