"""How registries of Amazon ECR are named."""

import re

_HOST = re.compile(r"[0-9]{12}\.dkr[.-]ecr(?:-fips)?\.([a-z0-9-]+)\.(?:amazonaws\.com(?:\.cn)?|on\.aws)")


def region_of(host: str) -> str | None:
    """The region in the name of an ECR registry, None if `host` is not named like one."""
    found = _HOST.fullmatch(host)
    return found[1] if found else None
