"""Real S3 servers: SeaweedFS, which honours conditions, versions and locks, and rclone, which ignores conditions."""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
import botocore.config
import botocore.exceptions

from tests.support.daemon import free_port, until

ACCESS_KEY_ID = "ARCHIVERTESTS"
SECRET_ACCESS_KEY = "only-for-tests-only-for-tests"


@dataclass(frozen=True)
class S3Server:
    """A running server."""

    endpoint_url: str
    access_key_id: str = ACCESS_KEY_ID
    secret_access_key: str = SECRET_ACCESS_KEY

    @property
    def environment(self) -> Mapping[str, str]:
        """What a program needs to find it."""
        return {
            "AWS_ENDPOINT_URL_S3": self.endpoint_url,
            "AWS_ACCESS_KEY_ID": self.access_key_id,
            "AWS_SECRET_ACCESS_KEY": self.secret_access_key,
            "AWS_REGION": "us-east-1",
        }

    @contextmanager
    def client(self) -> Iterator[Any]:
        """A plain client of the owner."""
        client = boto3.client(
            "s3",
            endpoint_url=self.endpoint_url,
            aws_access_key_id=self.access_key_id,
            aws_secret_access_key=self.secret_access_key,
            region_name="us-east-1",
            config=botocore.config.Config(
                s3={"addressing_style": "path"},
                retries={"total_max_attempts": 1},
                request_checksum_calculation="when_required",
                connect_timeout=2,
            ),
        )
        try:
            yield client
        finally:
            client.close()

    def new_bucket(self, name: str) -> str:
        """Make a bucket unless it is there; returns its name."""
        with self.client() as client:
            try:
                client.create_bucket(Bucket=name)
            except client.exceptions.BucketAlreadyOwnedByYou:
                pass
            except client.exceptions.BucketAlreadyExists:
                pass
        return name

    def answers(self) -> bool:
        """Whether it lists its buckets."""
        try:
            with self.client() as client:
                client.list_buckets()
        except (botocore.exceptions.BotoCoreError, botocore.exceptions.ClientError):
            return False
        return True


def _program(name: str) -> str:
    """A program that a test requirement installed beside this Python."""
    beside = Path(sys.executable).parent / name
    return str(beside) if beside.exists() else shutil.which(name) or name


@contextmanager
def _served(argv: list[str], directory: Path, server: S3Server, environment: Mapping[str, str]) -> Iterator[S3Server]:
    with (directory / "log").open("wb") as log:
        process = subprocess.Popen(
            argv, stdout=log, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, cwd=directory,
            env={**os.environ, **environment}, start_new_session=True,
        )  # fmt: skip
    try:

        def is_up() -> bool:
            if process.poll() is not None:
                raise AssertionError((directory / "log").read_text(errors="replace")[-2000:])
            return server.answers()

        until(is_up, argv[0])
        yield server
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


@contextmanager
def seaweedfs_server() -> Iterator[S3Server]:
    """SeaweedFS, all in one process. SIGTERM would take four seconds and save nothing."""
    program = _program("weed")
    directory = Path(tempfile.mkdtemp(prefix="archiver-weed-"))
    kinds = ("master", "volume", "filer", "s3", "admin")
    ports = {f"{kind}.port{suffix}": free_port() for kind in kinds for suffix in ("", ".grpc")}
    try:
        with _served(
                [
                    program, f"-logdir={directory}", "mini", f"-dir={directory}", "-ip=127.0.0.1", "-ip.bind=127.0.0.1",
                    *(f"-{name}={port}" for name, port in ports.items()),
                    "-s3.port.iceberg=0", "-s3.port.lance=0", "-webdav=false", "-admin.ui=false",
                    "-master.telemetry=false", "-s3.autoCreateBucket=false",
                ],
                directory,
                S3Server(f"http://127.0.0.1:{ports['s3.port']}"),
                {
                    "AWS_ACCESS_KEY_ID": ACCESS_KEY_ID,
                    "AWS_SECRET_ACCESS_KEY": SECRET_ACCESS_KEY,
                    "WEED_S3_SSE_KEK": "5e" * 32,
                },
        ) as server:  # fmt: skip
            yield server
    finally:
        shutil.rmtree(directory, ignore_errors=True)
        for port in ports.values():
            for socket in Path("/tmp").glob(f"seaweedfs-*-{port}.sock"):
                socket.unlink(missing_ok=True)


@contextmanager
def rclone_server() -> Iterator[S3Server]:
    """Rclone over a directory: ``If-None-Match`` is ignored, there are no versions and no locks."""
    program = _program("rclone")
    directory = Path(tempfile.mkdtemp(prefix="archiver-rclone-"))
    port = free_port()
    (directory / "buckets").mkdir()
    try:
        with _served(
                [
                    program, "serve", "s3", "--addr", f"127.0.0.1:{port}", "--auth-key",
                    f"{ACCESS_KEY_ID},{SECRET_ACCESS_KEY}", str(directory / "buckets"),
                ],
                directory,
                S3Server(f"http://127.0.0.1:{port}"),
                {"RCLONE_CONFIG": str(directory / "no.conf")},
        ) as server:  # fmt: skip
            yield server
    finally:
        shutil.rmtree(directory, ignore_errors=True)
