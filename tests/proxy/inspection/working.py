"""Whether a pool inspects."""

import gzip

from proxy.inspection.errors import InspectionFailedError
from proxy.inspection.pool import InspectionPool
from tests.scanning.layers.archives import END, member

LAYER = gzip.compress(
    member(b"etc/os-release", b"ID=debian\nVERSION_ID=12\n") + member(b"usr/bin/ssh", b"\x7fELF") + END
)


async def works(pool: InspectionPool) -> bool:
    """Whether it inspects a layer. Raises as the pool does."""
    running = await pool.begin()
    try:
        await running.feed(LAYER)
        return (await running.finish()).size == len(LAYER)
    finally:
        await running.abandon()


async def works_again(pool: InspectionPool) -> bool:
    """Whether it works once it has a healthy worker, however many a busy machine makes a hasty pool give up before."""
    while True:
        try:
            return await works(pool)
        except InspectionFailedError:
            continue
