"""Opening an archive of very many commits on a real S3 server, cold and warm, whole processes.

    python -m tests.bench.bench_ledger --commits 10000

Every commit is a night: two datasets, a window and a segment each. Cold: nothing of it is on this machine. Warm: the
entries are in the local cache, which the chain must still lead through to the head that the anchor names.
"""

import argparse
import sys
import tempfile
from pathlib import Path

from tests.bench.archives import DATASETS, cache_of, forget_cache, grow, new_s3_program, night
from tests.bench.measure import Measured, best, in_turns, print_table, run
from tests.support.program import PROGRAM, new_program
from tests.support.s3 import seaweedfs_server


def main(arguments: list[str]) -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--commits", type=int, default=2000)
    parser.add_argument("--repeats", type=int, default=3)
    options = parser.parse_args(arguments)
    with seaweedfs_server() as server, tempfile.TemporaryDirectory() as temporary:
        program, store = new_s3_program(new_program(Path(temporary) / "archive"), server, "bench-ledger")
        nights = range(options.commits - 1)
        grow(program, store, ([night(number, dataset, b"%d" % number) for dataset in DATASETS] for number in nights))

        def status() -> Measured:
            return run([PROGRAM, "status", "--json"], environment=program._whole_environment(), directory=program.work)

        def cold() -> Measured:
            forget_cache(program)
            return status()

        start = run([PROGRAM, "--version"], environment=program._whole_environment(), directory=program.work)
        found = {name: best(runs) for name, runs in in_turns({"cold": cold, "warm": status}, options.repeats).items()}
        cache_mb = cache_of(program).stat().st_size / 1e6
    print_table(
        ["`archiver status`", "Commits", "Cache, MB", "Clock, s", "Processor, s", "Commits/s", "Peak, MiB"],
        [
            [
                name, f"{options.commits:,}", f"{cache_mb:.1f}", f"{one.wall_s:.2f}", f"{one.cpu_s:.2f}",
                f"{options.commits / one.wall_s:,.0f}", f"{one.peak_mib:.0f}",
            ]
            for name, one in {**found, "start of the program alone": start}.items()
        ],
    )  # fmt: skip


if __name__ == "__main__":
    main(sys.argv[1:])
