"""A proxy that keeps what a real worker and a real Airflow said to each other.

The recording has no secret: in place of a token stands what it claims, with times as seconds after
the request. Of what repeats itself there is one.
"""

import base64
import gzip
import http.client
import json
import re
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

# Ids of task instances; Dags, tasks and runs; numbers of tries and mapped tasks.
VARYING = re.compile(r"[0-9a-f]{8}-[0-9a-f-]{27}|(?<=/)\w+_default(/\w+)?/manual[^/]+(/\w+)?|(?<=[/=])-?\d+")
TOKEN = re.compile(r"eyJ[\w-]+\.[\w-]+\.[\w-]+")
NOT_FOR_REPLAY = {"date", "server", "connection", "keep-alive", "host"}


class Recorder:
    def __init__(self, upstream: str):
        self.upstream = urlsplit(upstream).netloc
        self.exchanges: list[dict] = []
        self.kinds: set = set()
        recorder = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def forward(self):
                recorder.forward(self)

            do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = forward

            def log_message(self, *_):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def forward(self, request: BaseHTTPRequestHandler):
        body = request.rfile.read(int(request.headers.get("Content-Length", 0)))
        connection = http.client.HTTPConnection(self.upstream, timeout=60)
        connection.putrequest(request.command, request.path, skip_host=True, skip_accept_encoding=True)
        for name, value in request.headers.items():
            connection.putheader(name, value)
        connection.endheaders(body)
        answer = connection.getresponse()
        answered = answer.read()
        connection.close()
        self.keep(request, body, answer, answered)
        request.send_response_only(answer.status)
        for name, value in answer.getheaders():
            if name.lower() not in ("connection", "keep-alive", "transfer-encoding", "content-length"):
                request.send_header(name, value)
        request.send_header("Content-Length", str(len(answered)))
        request.end_headers()
        request.wfile.write(answered)

    def has(self, method: str, ending: str) -> bool:
        requests = [exchange["request"] for exchange in list(self.exchanges)]
        return any(request["method"] == method and request["path"].endswith(ending) for request in requests)

    def keep(self, request: BaseHTTPRequestHandler, body: bytes, answer, answered: bytes):
        said, heard = content(body), content(answered)
        state = said.get("state") if isinstance(said, dict) else None
        kind = (request.command, VARYING.sub("*", request.path), state, answer.status, heard is None)
        if kind in self.kinds:
            return
        self.kinds.add(kind)
        asked = {"method": request.command, "path": request.path}
        asked |= {"headers": headers(request.headers.items()), "body": said}
        got = {"status": answer.status, "headers": headers(answer.getheaders()), "body": heard}
        self.exchanges.append({"request": asked, "answer": got})


def headers(pairs) -> dict:
    return {name.lower(): without_tokens(value) for name, value in pairs if name.lower() not in NOT_FOR_REPLAY}


def content(body: bytes):
    """JSON as it is, but for long texts."""
    if not body:
        return None
    if body.startswith(b"\x1f\x8b"):
        body = gzip.decompress(body)
    try:
        return shortened(json.loads(without_tokens(body.decode())))
    except ValueError:
        return without_tokens(body.decode(errors="replace"))


def shortened(value):
    match value:
        case str() if len(value) > 1000:
            return f"{value[:100]}... ({len(value)} characters)"
        case dict():
            return {key: shortened(inner) for key, inner in value.items()}
        case list():
            return [shortened(inner) for inner in value]
    return value


def without_tokens(text: str) -> str:
    return TOKEN.sub(lambda found: claims(found[0]).replace('"', "'"), text)


def claims(token: str) -> str:
    header, payload = (json.loads(base64.urlsafe_b64decode(part + "==")) for part in token.split(".")[:2])
    for name in {"iat", "nbf", "exp"} & payload.keys():
        payload[name] = f"now{round(payload[name] - time.time()):+d}"
    return f"<JWT {json.dumps(header)} {json.dumps(payload)}>"
