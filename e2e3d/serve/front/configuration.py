"""The configuration of the front: what a stranger may send, and what is answered while the service is away.

The directives are those of HAProxy 2.8 (https://docs.haproxy.org/2.8/configuration.html).
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path

from e2e3d.service.http.bounded_uploads import SMALL_BODY_BYTES
from e2e3d.service.http.request_ids import SAFE_ID

FRONT_HEADER = "X-E2E3D-Front"
"""Says the application who connected: the token of the front, and an address."""
HEAD_BYTES, LINE_BYTES = 16384, 8192
"""Of a request's headers together, and of its address."""
HEADERS = 100
HEAD_S, IDLE_S, QUIET_S, SMALL_BODY_S = 10, 30, 60, 10
"""Seconds for a whole head; between requests; between bytes; for a whole JSON body that fits into a buffer."""
FILE_PATHS = "^/v1/(uploads/[^/]+|image-sets/[^/]+/(photos|uploads))$"
"""Whose bodies may be as large as an upload; all others are refused from :data:`SMALL_BODY_BYTES` on."""
_BUFFER_BYTES = 32768  # a head that does not fit in is not read to its end
_SMALL_BODY_BYTES = 16384
CONNECTIONS = 4000
SOCKET_BYTES = 4096
"""A second that a client may send into a WebSocket: it has nothing to say but that it goes."""
_AWAY_TRIES = 8  # a second apart, while nothing listens
_ANSWER_S = 3600
_ID = "%[var(txn.id)]"


@dataclass(frozen=True)
class Front:
    """Where the front listens, and for what.

    Attributes:
        host, port: where strangers connect.
        internal_port: of Ray Serve on the loopback.
        token: proves to the application that a request came through the front.
        per_address: connections of one address (IPv6: one /64) at once; above it requests are refused, and above
            twice as many, connections.
        trusted_proxies: networks of proxies, whose connections are those of many users and are not counted.
        connections: of all addresses at once; more wait in the queue of the system.
        body_bytes: largest body that a request may announce; None = the application decides.
    """

    host: str
    port: int
    internal_port: int
    token: str
    per_address: int
    trusted_proxies: Sequence[str] = ()
    connections: int = CONNECTIONS
    body_bytes: int | None = None


def haproxy_configuration(front: Front, control: Path) -> str:
    """The text of the configuration; `control` will be the Unix socket that answers with the counters."""
    return "\n".join((_process(front, control), _defaults(), _frontend(front), _backend(front)))


def _process(front: Front, control: Path) -> str:
    return f"""\
global
    maxconn {front.connections}
    nbthread 1
    tune.bufsize {_BUFFER_BYTES}
    tune.maxrewrite 1024
    tune.http.maxhdr {2 * HEADERS}
    stats socket {control} mode 600 level user
"""


def _defaults() -> str:
    return f"""\
defaults
    mode http
    timeout http-request {HEAD_S}s
    timeout http-keep-alive {IDLE_S}s
    timeout client {QUIET_S}s
    timeout connect 2s
    timeout server {_ANSWER_S}s
    timeout tunnel {_ANSWER_S}s
    option abortonclose
    option http-no-delay
    option dontlognull
    retries {_AWAY_TRIES}
    retry-on conn-failure empty-response
{_own_errors()}
"""


def _frontend(front: Front) -> str:
    """Who may connect, how requests are named, what is refused, and what is sent on."""
    return f"""\
frontend public
{_connections(front)}
{_headers(front)}
{_limits(front)}
{_refusals()}
    acl json req.hdr(content-type) -m beg -i application/json
    acl small_body req.body_size lt {_SMALL_BODY_BYTES}
    acl asks_first req.hdr(expect) -m found
    http-request wait-for-body time {SMALL_BODY_S}s if json small_body !asks_first
    filter bwlim-in sockets default-limit {SOCKET_BYTES} default-period 1s
    http-request set-bandwidth-limit sockets if {{ req.hdr(upgrade) -i websocket }}
    http-request disable-l7-retry unless {{ method GET HEAD }}
    http-after-response set-status 503 if {{ status 502 504 }}
    default_backend service
"""


def _connections(front: Front) -> str:
    """Connections of an address are counted, but those of proxies."""
    address = f"[{front.host}]" if ":" in front.host else front.host
    proxies = " ".join(front.trusted_proxies) or "0.0.0.0/32"
    return f"""\
    bind {address}:{front.port} proto h1
    acl from_proxy src {proxies}
    stick-table type ipv6 size 200k expire 5m store conn_cur
    tcp-request connection track-sc0 src,ipmask(32,64) unless from_proxy
    tcp-request connection reject if {{ sc0_conn_cur gt {2 * front.per_address} }}
"""


def _headers(front: Front) -> str:
    """A request gets its id, and says who sent it; headers that steer Ray Serve go."""
    return f"""\
    unique-id-format %[uuid]
    acl one_id req.fhdr_cnt(x-request-id) 1
    acl safe_id req.fhdr(x-request-id) -m reg ^{SAFE_ID}$
    http-request set-var(txn.id) unique-id
    http-request set-var(txn.id) req.fhdr(x-request-id) if one_id safe_id
    http-request set-header X-Request-ID {_ID}
    http-request set-header {FRONT_HEADER} "{front.token} %[src]"
    http-request del-header x-request-timeout-seconds
    http-request del-header x-request-disconnect-disabled
    http-request del-header serve -m beg
"""


def _limits(front: Front) -> str:
    """Names for what is refused."""
    return f"""\
    acl many_connections sc0_conn_cur gt {front.per_address}
    acl long_line url_len gt {LINE_BYTES}
    acl large_head req.hdrs,length gt {HEAD_BYTES}
    acl large_head req.fhdr_cnt() gt {HEADERS}
    acl page_of_serve path,url_dec -m reg ^/+-(/|$)
    acl large_body {_large_body(front.body_bytes)}
    acl long_body req.body_size gt {SMALL_BODY_BYTES}
    acl takes_files path,url_dec -m reg {FILE_PATHS}"""


def _backend(front: Front) -> str:
    return f"""\
backend service
    server serve 127.0.0.1:{front.internal_port}
    http-response del-header server
    acl failed status ge 400
    acl of_serve res.hdr(content-type) -m beg text/plain
    http-response return status 503 {_problem(503, *_AWAY)} if failed of_serve
"""


_AWAY = ("service-restarting", "A part of the service is being restarted.", "Try again in a moment.")
_REFUSALS = {
    "many_connections": (
        429,
        "too-many-connections",
        "Too many connections are open from your address.",
        "Close some, and reuse those you have.",
    ),
    "long_line": (
        414,
        "request-line-too-long",
        f"The address of the request is longer than {LINE_BYTES} bytes.",
        "Shorten it.",
    ),
    "large_head": (
        431,
        "headers-too-large",
        f"The headers are longer than {HEAD_BYTES} bytes or more than {HEADERS}.",
        "Send fewer.",
    ),
    "large_body": (
        413,
        "body-too-large",
        "The body of the request is larger than this service takes at once.",
        "Send less at once; upload photographs one by one or in parts.",
    ),
    "long_body !takes_files": (
        413,
        "body-too-large",
        f"The body of the request is larger than {SMALL_BODY_BYTES} bytes.",
        "Send less at once.",
    ),
    "page_of_serve": (404, "not-found", "Not Found.", "Check the address."),
}
_OWN_ERRORS = {
    400: ("bad-request", "The request is not valid HTTP.", "Correct it."),
    408: ("request-too-slow", "The request did not arrive in time.", "Check your connection."),
    500: ("internal-error", "The service failed unexpectedly.", "Try again."),
    503: _AWAY,
}
_SHOWN_AS = {502: 503, 504: 503}


def _large_body(limit_bytes: int | None) -> str:
    return "always_false" if limit_bytes is None else f"req.body_size gt {limit_bytes}"


def _own_errors() -> str:
    """What HAProxy itself answers; 502 and 504, which tell apart what is the same to users, become 503.

    What cannot be read as a request at all gets HAProxy's own short page, which cannot be changed.
    """
    statuses = {status: status for status in _OWN_ERRORS} | _SHOWN_AS
    return "\n".join(
        f"    http-error status {status} {_problem(shown, *_OWN_ERRORS[shown])}" for status, shown in statuses.items()
    )


def _refusals() -> str:
    return "".join(
        f"    http-request return status {words[0]} {_problem(*words)} if {rule}\n" for rule, words in _REFUSALS.items()
    )


def _problem(status: int, code: str, detail: str, action: str) -> str:
    """A problem document as the application writes them, in HAProxy's quotes."""
    document = {
        "type": f"urn:e2e3d:problem:{code}",
        "title": HTTPStatus(status).phrase,
        "status": status,
        "detail": detail,
        "code": code,
        "action": action,
        "request_id": _ID,
    }
    headers = {"X-Request-ID": _ID, "Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}
    if status in (429, 503):
        headers["Retry-After"] = "2"
    given = " ".join(f'hdr {name} "{value}"' for name, value in headers.items())
    return f"content-type application/problem+json lf-string '{json.dumps(document)}' {given}"
