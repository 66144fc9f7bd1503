"""What the collector would export of the app's spans, as counters that grow: its binary is not to be had for tests.

The names and labels are those of tests/data/metrics/known.yaml and of the collector's configuration.
"""

from __future__ import annotations

import http.server
import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

CALLS = "traces_span_metrics_calls_total"
BUCKET = "traces_span_metrics_duration_seconds_bucket"
CALLED = {
    "whatsapp": ("", 5.0, 0.02),
    "openai": ("gpt", 2.0, 0.01),
    "anthropic": ("claude", 1.0, 0.0),
    "stripe": ("", 0.5, 0.05),
    "paypal": ("", 0.3, 0.0),
    "supabase": ("", 20.0, 0.0),
}
"""Model, calls a second, share of failures, by provider."""


def exposition(at: float) -> str:
    """The counters at a time in seconds."""
    lines = []
    for provider, (model, rate, failing) in CALLED.items():
        labels = f'service_name="web",span_name="call {provider}",span_kind="SPAN_KIND_CLIENT",provider="{provider}"'
        labels += f',model="{model}"' if model else ""
        good, bad = at * rate * (1 - failing), at * rate * failing
        lines.append(f'{CALLS}{{{labels},status_code="STATUS_CODE_UNSET",http_response_status_code="200"}} {good}')
        lines.append(f'{CALLS}{{{labels},status_code="STATUS_CODE_ERROR",http_response_status_code="429"}} {bad}')
        for bound, share in (("0.5", 0.9), ("2.5", 0.99), ("+Inf", 1.0)):
            lines.append(f'{BUCKET}{{{labels},le="{bound}"}} {at * rate * share}')
    return "\n".join(lines) + "\n"


@contextmanager
def collector(*more: str) -> Iterator[str]:
    """Serve them at an address ``host:port``, and texts of other targets along with them."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = (exposition(time.time() % 1e6) + "".join(more)).encode()
            self.send_response(200)
            self.send_header("Content-Type", "text/plain; version=0.0.4")
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002  the name is http.server's
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"127.0.0.1:{server.server_address[1]}"
        server.shutdown()
