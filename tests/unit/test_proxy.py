"""The proxy does what its faults say: a fault that does not happen proves nothing."""

from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

import boto3
import botocore.config
import botocore.exceptions
import httpx
import pytest

from tests.support import proxy
from tests.support.postgrest import PUBLISHABLE_KEY, SECRET_KEY, DataApi, token
from tests.support.s3 import S3Server

BODY = b"one\ntwo\nthree\n"


class Upstream(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    served = 0

    def do_GET(self) -> None:
        type(self).served += 1
        self.send_response(200)
        self.send_header("Content-Length", str(len(BODY)))
        # Every connection is kept by its word and closed in fact, as a server that idles out does.
        self.end_headers()
        self.wfile.write(BODY)
        self.close_connection = type(self).served % 2 == 0

    def log_message(self, *_: Any) -> None:
        """Quiet."""


@pytest.fixture
def made() -> Iterator[proxy.Proxy]:
    Upstream.served = 0
    server = ThreadingHTTPServer(("127.0.0.1", 0), Upstream)
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    with proxy.proxy(f"http://127.0.0.1:{server.server_port}") as one:
        yield one
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def client(made: proxy.Proxy) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=made.url) as one:
        yield one


def test_without_a_fault_everything_passes(made: proxy.Proxy, client: httpx.Client) -> None:
    """Also when the upstream closes connections that it said it would keep."""
    assert [client.get(f"/{number}").content for number in range(6)] == [BODY] * 6
    assert [request.path for request in made.requests] == [f"/{number}" for number in range(6)]


def test_a_cut_reply_breaks_off(made: proxy.Proxy, client: httpx.Client) -> None:
    made.arm(proxy.cut(), skip=1)
    assert client.get("/").content == BODY
    with pytest.raises((httpx.RemoteProtocolError, httpx.ReadError)):
        client.get("/")
    assert client.get("/").content == BODY


def test_a_truncated_reply_looks_whole(made: proxy.Proxy, client: httpx.Client) -> None:
    made.arm(proxy.truncate(0.6))
    made.arm(proxy.truncate(0.6, at_line=True))
    assert client.get("/").content == b"one\ntwo\n"
    assert client.get("/").content == b"one\ntwo"


def test_a_dropped_reply_took_effect_and_a_refused_request_did_not(made: proxy.Proxy, client: httpx.Client) -> None:
    for fault, effect in ((proxy.drop_reply, 1), (proxy.refuse, 0)):
        before = Upstream.served
        made.arm(fault)
        with pytest.raises(httpx.TransportError):
            client.get("/")
        assert Upstream.served - before == effect


def test_storms_begin_and_end_where_they_are_told(made: proxy.Proxy, client: httpx.Client) -> None:
    made.arm(proxy.answer(503, "<html>"), match="/a", skip=1, times=2)
    made.arm(proxy.answer(401), match="/b", times=None)
    assert [client.get("/a").status_code for _ in range(4)] == [200, 503, 503, 200]
    assert [client.get("/b").status_code for _ in range(3)] == [401] * 3
    made.disarm()
    assert client.get("/b").status_code == 200


def test_a_held_reply_outlasts_the_clients_patience(made: proxy.Proxy, client: httpx.Client) -> None:
    made.hold()
    with pytest.raises(httpx.ReadTimeout):
        client.get("/", timeout=0.2)


def test_it_stands_in_front_of_s3(seaweedfs: S3Server) -> None:
    """Signatures hold, and an upload whose reply was lost took effect."""
    with proxy.proxy(seaweedfs.endpoint_url) as made:
        client = boto3.client(
            "s3",
            endpoint_url=made.url,
            aws_access_key_id=seaweedfs.access_key_id,
            aws_secret_access_key=seaweedfs.secret_access_key,
            region_name="us-east-1",
            config=botocore.config.Config(s3={"addressing_style": "path"}, retries={"total_max_attempts": 1}),
        )
        client.create_bucket(Bucket="proxied")
        made.arm(proxy.drop_reply, method="PUT")
        with pytest.raises(botocore.exceptions.BotoCoreError):
            client.put_object(Bucket="proxied", Key="a", Body=b"x" * 100_000)
        assert client.get_object(Bucket="proxied", Key="a")["Body"].read() == b"x" * 100_000
        made.arm(proxy.answer(503, "<Error><Code>SlowDown</Code></Error>", "application/xml"))
        with pytest.raises(botocore.exceptions.ClientError, match="SlowDown"):
            client.get_object(Bucket="proxied", Key="a")
        client.close()


def test_the_data_api_knows_keys_as_supabase_does(data_api: DataApi) -> None:
    """Both kinds of keys, none, a wrong one, an expired one; the prefix; rights by role; 1000 rows a page."""
    data_api.database.execute(
        "CREATE TABLE t AS SELECT i FROM generate_series(1, 1500) i", "GRANT SELECT ON t TO service_role"
    )

    def ask(key: str, path: str = "/rest/v1/t") -> httpx.Response:
        return httpx.get(data_api.url + path, headers={"apikey": key, "Authorization": f"Bearer {key}"})

    assert len(ask(SECRET_KEY).json()) == 1000
    assert len(ask(token("service_role")).json()) == 1000
    assert ask(PUBLISHABLE_KEY).json()["code"] == "42501"
    assert ask(token("service_role", expires_at=5)).json()["code"] == "PGRST301"
    assert ask("wrong").status_code == 401
    assert ask(SECRET_KEY, "/t").status_code == 404
