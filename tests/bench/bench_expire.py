"""Expiry of very many objects on a real S3 server: every version deleted, then looked for again.

    python -m tests.bench.bench_expire --objects 10000

Against the floor that asks as little as can be: ``DeleteObjects`` for a thousand keys at a time, without looking for
versions and without looking whether anything is left. And against asking about each object by its name, sixteen at a
time, which is what is done where a store knows no better.
"""

import argparse
import os
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

from archiver.contracts import Removal
from archiver.model import SourceState
from archiver.neighbours.deleting import delete_each
from archiver.neighbours.s3.store import S3Store
from archiver.operations.steps.removing import DELETIONS_AT_ONCE
from tests.bench.archives import grow, new_s3_program, night, upload
from tests.bench.measure import print_table, run
from tests.support.program import PROGRAM, new_program
from tests.support.s3 import S3Server, seaweedfs_server

DATASET = "app_audit_log"
OBJECTS_A_COMMIT = 250


def delete_in_thousands(server: S3Server, bucket: str, keys: list[str]) -> float:
    """Seconds to delete keys in the cheapest way that there is."""
    with server.client() as client:
        start = time.perf_counter()
        for first in range(0, len(keys), 1000):
            some = [{"Key": key} for key in keys[first : first + 1000]]
            client.delete_objects(Bucket=bucket, Delete={"Objects": some, "Quiet": True})
        return time.perf_counter() - start


def delete_one_by_one(store: S3Store, keys: list[str]) -> tuple[float, float]:
    """Seconds by the clock and of the processor to delete keys by their names."""
    start, start_cpu = time.perf_counter(), time.process_time()
    removals = delete_each(store, keys, at_once=DELETIONS_AT_ONCE)
    assert set(removals.values()) == {Removal(versions_deleted=1)}
    return time.perf_counter() - start, time.process_time() - start_cpu


def main(arguments: list[str]) -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--objects", type=int, default=1000)
    options = parser.parse_args(arguments)
    with seaweedfs_server() as server, tempfile.TemporaryDirectory() as temporary:
        program = new_program(
            Path(temporary) / "archive",
            ARCHIVER_DATASETS__APP_AUDIT_LOG__ARCHIVE_RETENTION="365d",
            ARCHIVER_GUARD__SHARE_MAX="1",
        )
        program, store = new_s3_program(program, server, "bench-expire")
        contents = {number: b"segment %d" % number for number in range(options.objects)}
        # Of a source that has let go of them: no row waits for a purge.
        nights = [replace(night(number, DATASET, it), state=SourceState(rows=0)) for number, it in contents.items()]
        grow(program, store, ([*nights[at : at + OBJECTS_A_COMMIT]] for at in range(0, len(nights), OBJECTS_A_COMMIT)))
        keys = {one.segments[0].key: contents[number] for number, one in enumerate(nights)}
        upload(store, keys)
        floor_s = delete_in_thousands(server, "bench-expire", [f"archive/{key}" for key in keys])
        upload(store, keys)
        each_s, each_cpu_s = delete_one_by_one(store, list(keys))
        upload(store, keys)
        ours = run(
            [PROGRAM, "expire", DATASET, "--execute"],
            environment=program._whole_environment(), directory=program.work,
        )  # fmt: skip
        left = [ref.key for ref in store.list("data/")]
        assert not left, f"{len(left)} objects are left"
    print_table(
        ["", "Objects", "÷ floor", "Clock, s", "Processor, s", "Objects/s", "Peak, MiB"],
        [
            [
                "DeleteObjects, a thousand keys each", f"{options.objects:,}", "1.0", f"{floor_s:.2f}", "",
                f"{options.objects / floor_s:,.0f}", "",
            ],
            [
                "one by one, sixteen at a time", f"{options.objects:,}", f"{each_s / floor_s:.1f}", f"{each_s:.2f}",
                f"{each_cpu_s:.2f}", f"{options.objects / each_s:,.0f}", "",
            ],
            [
                f"archiver expire, {os.cpu_count()} cores", f"{options.objects:,}", f"{ours.wall_s / floor_s:.1f}",
                f"{ours.wall_s:.2f}", f"{ours.cpu_s:.2f}", f"{options.objects / ours.wall_s:,.0f}",
                f"{ours.peak_mib:.0f}",
            ],
        ],
    )  # fmt: skip


if __name__ == "__main__":
    main(sys.argv[1:])
