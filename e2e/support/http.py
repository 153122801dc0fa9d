"""JSON over HTTP, without redirects or proxies."""

import json
import urllib.error
import urllib.request
from dataclasses import dataclass

from .processes import Unexpected

OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))


@dataclass
class Answer:
    status: int  # 0: nobody answered
    body: bytes

    @property
    def json(self):
        return json.loads(self.body)

    def expect(self, status: int) -> "Answer":
        if self.status != status:
            raise Unexpected(f"answered {self.status} instead of {status}: {self.body[:500]!r}")
        return self


def call(method: str, url: str, token: str | None = None, body=None) -> Answer:
    request = urllib.request.Request(url, method=method, headers={"Accept": "application/json"})
    if token:
        request.add_header("Authorization", f"Bearer {token}")
    if body is not None:
        request.data = json.dumps(body).encode()
        request.add_header("Content-Type", "application/json")
    try:
        with OPENER.open(request, timeout=30) as response:
            return Answer(response.status, response.read())
    except urllib.error.HTTPError as refusal:
        return Answer(refusal.code, refusal.read())
    except OSError as cause:
        return Answer(0, str(cause).encode())
