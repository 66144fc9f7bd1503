"""A bounded run of the fuzzer: the same rounds every time."""

from tests.fuzz.fuzz_loki_chunk import run


def test_some_rounds_of_the_fuzzer() -> None:
    """Every answer is a chunk or a reason, and both loops give the same; both answers do occur."""
    found = run(1, go_on=lambda rounds: rounds < 4000)
    assert min(found["sound"], found["unsound"]) > 200
