"""The house stands: floors import only downwards, the pure floor stays pure, nothing goes round in circles."""

import ast
from collections.abc import Iterator
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
FLOORS = ("config", "scanning", "storage", "proxy")
IMPURE = {"asyncio", "aiohttp", "sqlalchemy", "boto3", "botocore", "socket", "ssl", "urllib3", "requests", "http"}
MODULES = {
    ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): path
    for floor in FLOORS
    for path in sorted((ROOT / floor).rglob("*.py"))
}


def imports(module: str) -> Iterator[str]:
    """The modules that `module` names in its import statements, wherever they stand."""
    for node in ast.walk(ast.parse(MODULES[module].read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{module} imports relatively"
            names = [f"{node.module}.{alias.name}" for alias in node.names]
            yield from (name if name in MODULES else str(node.module) for name in names)


@pytest.mark.parametrize("floor", FLOORS)
def test_a_floor_imports_only_floors_below(floor: str) -> None:
    above = FLOORS[FLOORS.index(floor) + 1 :]
    own = [module for module in MODULES if module.split(".")[0] == floor]
    assert own
    assert [
        (module, name) for module in own for name in imports(module) if name.split(".")[0] in (*above, "tests")
    ] == []


def test_scanning_and_config_know_no_loop_no_network_and_no_database() -> None:
    pure = [module for module in MODULES if module.split(".")[0] in ("config", "scanning")]
    assert [(module, name) for module in pure for name in imports(module) if name.split(".")[0] in IMPURE] == []


def test_no_module_imports_itself_by_way_of_others() -> None:
    TopologicalSorter({module: set(imports(module)) & set(MODULES) for module in MODULES}).prepare()


def test_no_module_is_a_drawer_for_odds_and_ends() -> None:
    assert [
        name for name in MODULES if name.rsplit(".", maxsplit=1)[-1] in ("utils", "util", "helpers", "common")
    ] == []
