"""Real servers of the monitoring stack, as an operator might start them: with other flags, a password, old data."""

from __future__ import annotations

import json
import subprocess
import urllib.request
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Address
from typing import TYPE_CHECKING

import yaml
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tests.support import daemon, debian

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

USER, PASSWORD = "archiver", "only-for-tests"
PASSWORD_BCRYPT = "$2b$04$abcdefghijklmnopqrstuuSOASZ5gFdIXxQU/MI4albXfVKBHc6R2"


@dataclass(frozen=True)
class RunningPrometheus:
    """A server with its directory."""

    url: str
    data: Path


def old_samples(data: Path, *ages: timedelta) -> None:
    """Blocks with one sample of each age, as if the server had taken them in then."""
    now = datetime.now(UTC)
    lines = [f"up {number} {(now - age).timestamp():.0f}" for number, age in enumerate(sorted(ages, reverse=True))]
    text = data.with_name("samples.txt")
    text.write_text("# TYPE up gauge\n" + "\n".join(lines) + "\n# EOF\n")
    argv = [debian.binary("promtool"), "tsdb", "create-blocks-from", "openmetrics", str(text), str(data)]
    subprocess.run(argv, check=True, capture_output=True)


@contextmanager
def prometheus(
    directory: Path, *flags: str, configuration: str = "", ages: tuple[timedelta, ...] = (), web: Path | None = None
) -> Iterator[RunningPrometheus]:
    """A Prometheus that scrapes nothing, with samples of these ages; ``web``: behind TLS and a password."""
    data = directory / "data"
    data.mkdir(parents=True)
    if ages:
        old_samples(data, *ages)
    (directory / "prometheus.yml").write_text(configuration)
    port = daemon.free_port()
    argv = [
        debian.binary("prometheus"), f"--config.file={directory}/prometheus.yml",
        f"--web.listen-address=127.0.0.1:{port}", *flags,
    ]  # fmt: skip
    if "--enable-feature=agent" in flags:
        argv.append(f"--storage.agent.path={data}")
    else:
        argv.append(f"--storage.tsdb.path={data}")
    if web is None:
        url = f"http://127.0.0.1:{port}"
        with daemon.running(argv, f"{url}/-/ready", directory):
            yield RunningPrometheus(url, data)
    else:
        with daemon.listening([*argv, f"--web.config.file={web}"], port, directory):
            yield RunningPrometheus(f"https://127.0.0.1:{port}", data)


def web_configuration(directory: Path) -> tuple[Path, Path]:
    """A web configuration with TLS and a password, and the certificate to trust."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(IPv4Address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem = directory / "cert.pem"
    pem.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    (directory / "key.pem").write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    file = directory / "web.yml"
    file.write_text(
        yaml.safe_dump(
            {
                "tls_server_config": {"cert_file": str(pem), "key_file": str(directory / "key.pem")},
                "basic_auth_users": {USER: PASSWORD_BCRYPT},
            }
        )
    )
    return file, pem


@contextmanager
def alertmanager(directory: Path, *flags: str) -> Iterator[str]:
    """An Alertmanager that tells nobody; its address."""
    directory.mkdir(parents=True, exist_ok=True)
    (directory / "alertmanager.yml").write_text("route: {receiver: nobody}\nreceivers: [{name: nobody}]\n")
    port = daemon.free_port()
    url = f"http://127.0.0.1:{port}"
    argv = [
        debian.binary("prometheus-alertmanager"), f"--config.file={directory}/alertmanager.yml",
        f"--storage.path={directory}", f"--web.listen-address=127.0.0.1:{port}", "--cluster.listen-address=", *flags,
    ]  # fmt: skip
    with daemon.running(argv, f"{url}/-/ready", directory):
        yield url


def silence(url: str, comment: str) -> None:
    """A silence that is over at once; its comment may name a person."""
    now = datetime.now(UTC)
    document = {
        "matchers": [{"name": "alertname", "value": "Any", "isRegex": False}],
        "startsAt": now.isoformat(),
        "endsAt": (now + timedelta(hours=1)).isoformat(),
        "createdBy": "Erika Muster",
        "comment": comment,
    }
    request = urllib.request.Request(
        f"{url}/api/v2/silences", data=json.dumps(document).encode(), headers={"Content-Type": "application/json"}
    )
    with urllib.request.urlopen(request, timeout=10) as answer:
        made = json.loads(answer.read())["silenceID"]
    expire = urllib.request.Request(f"{url}/api/v2/silence/{made}", method="DELETE")
    with urllib.request.urlopen(expire, timeout=10) as answer:
        assert answer.status == 200
