"""The table of faults in the documentation names tests that exist, for every fault."""

import ast
import re
from pathlib import Path

import pytest

TESTS = Path(__file__).parent
TABLE = (TESTS.parent / "docs" / "faults.md").read_text(encoding="utf-8")
KIND = re.compile(r"^\| ([^|#\d][^|]*) \| ([^|]+) \| ((?:`[\w/]+\.py::\w+` ?)+) \|$", re.MULTILINE)
ROW = re.compile(r"^\| (\d+) \| ([^|]+) \| ([^|]+) \| ([^|]+) \|$", re.MULTILINE)
NAMED = re.compile(r"`([\w/]+\.py)::(\w+)`")
NUMBERS = re.compile(r"test_faults?_((?:\d+_)+)")
ROWS = {int(number): (fault, done, NAMED.findall(tests)) for number, fault, done, tests in ROW.findall(TABLE)}


def functions(path: Path) -> set[str]:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}


def test_every_fault_has_its_row_in_order() -> None:
    assert [int(number) for number, *_ in ROW.findall(TABLE)] == list(range(1, 28))


def test_the_tests_of_every_kind_exist() -> None:
    _, _, table = TABLE.partition("## Kinds of faults")
    kinds = KIND.findall(table)
    assert len(kinds) == sum(line.startswith("| ") for line in table.splitlines()) - 1, "a kind without a test"
    missing = [
        f"{kind}: {path} has no {name}"
        for kind, _, tests in kinds
        for path, name in NAMED.findall(tests)
        if name not in functions(TESTS / path)
    ]
    assert missing == []


@pytest.mark.parametrize("number", sorted(ROWS))
def test_the_tests_of_a_fault_exist_and_are_named_for_it(number: int) -> None:
    _, _, tests = ROWS[number]
    assert tests, "a fault that nobody tests"
    for path, name in tests:
        assert name in functions(TESTS / path), f"{path} has no {name}"
        match = NUMBERS.match(name)
        assert match is not None, f"{name} is not named for a fault"
        assert str(number) in match[1].split("_"), f"{name} is named for another fault"
