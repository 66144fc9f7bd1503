"""Every benchmark still runs, at a size at which its figures say nothing."""

import importlib

import pytest

TINY = {
    "bench_export": ["--rows", "500", "--days", "3", "--idle-days", "3", "--repeats", "1"],
    "bench_purge": ["--rows", "800", "--repeats", "1"],
    "bench_ledger": ["--commits", "20", "--repeats", "1"],
    "bench_expire": ["--objects", "20"],
    "bench_loki_decode": ["--mebibytes", "1", "--repeats", "1", "--only", "snappy"],
    "bench_loki_export": ["--mebibytes", "2", "--repeats", "1", "--only", "snappy", "--jobs", "1"],
}


@pytest.mark.parametrize("name", TINY)
def test_a_benchmark_prints_its_table(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    """It ends well and prints a line for what it measured."""
    importlib.import_module(f"tests.bench.{name}").main(TINY[name])
    printed = capsys.readouterr().out.splitlines()
    assert len(printed) > 1
    assert any(character.isdigit() for character in printed[-1])
