"""A web session that remembers the last chart it was served: yfinance drops what it cannot put into a frame."""

from __future__ import annotations

import json
import threading
from typing import Any, override

from curl_cffi import requests
from curl_cffi.requests import Response


class RecordingSession(requests.Session[Response]):
    """A session of curl_cffi, which threads may share: each is told of its own last chart."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self._mine = threading.local()

    @override
    def request(self, method: Any, url: str, *args: Any, **options: Any) -> Response:
        """Pass a request on, and keep the answer when it is one of the chart service."""
        response: Response = super().request(method, url, *args, **options)
        if "/finance/chart/" in url:
            self._mine.body = response.content
        return response

    def last_chart(self) -> dict[str, Any]:
        """Return the last chart that this thread was served, parsed."""
        body: dict[str, Any] = json.loads(self._mine.body)
        return body
