"""How tests are shared out where several processes run them (`pytest -n 2`): those that use one server stay together.

The tests of a file go to one process, one after another, and those at a gate of the whole session go to the process
that has started it. Files begin in the order in which one process alone would run them.
"""

import re
from typing import Any

import pytest
from xdist.scheduler import LoadScopeScheduling

_PARAMETERS = re.compile(r"[\[\]-]")


def shared_by(nodeid: str) -> str:
    """What a test has in common with others that must not run beside it: its file, or the kind of gate it talks to."""
    file, _, test = nodeid.partition("::")
    if file.startswith("tests/e2e/"):
        for upstream in ("embedded", "remote"):
            if upstream in _PARAMETERS.split(test):
                return f"the gate before the {upstream} registry"
    return file


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> LoadScopeScheduling:
    """Whatever `--dist` says: no other way is safe here."""
    config.option.loadscopereorder = False
    scheduler = LoadScopeScheduling(config, log)
    scheduler._split_scope = shared_by
    return scheduler
