"""A web session that remembers the last chart it was served: yfinance drops what it cannot put into a frame.

yfinance holds one session for the whole process, whoever made it: a request of one source may go through the session of
another. So sources that are reached in the same way share one session, and what was served is remembered by thread.
"""

from __future__ import annotations

import functools
import json
import threading
from typing import Any, override

from curl_cffi import requests
from curl_cffi.requests import Response

_mine = threading.local()


class RecordingSession(requests.Session[Response]):
    """A session of curl_cffi, which threads may share."""

    @override
    def request(self, method: Any, url: str, *args: Any, **options: Any) -> Response:
        """Pass a request on, and keep the answer when it is one of the chart service."""
        chart = "/finance/chart/" in url
        if chart:
            _mine.body = None
        response: Response = super().request(method, url, *args, **options)
        if chart:
            _mine.body = response.content
        return response


@functools.cache
def session_through(ca_bundle: str | None, proxy: str | None) -> RecordingSession:
    """Return the process's session for a file of certificates and a proxy; None takes those of the system."""
    trusted: Any = ca_bundle or True  # a path too, which the types do not say
    proxies: Any = {"https": proxy, "http": proxy} if proxy else None
    return RecordingSession(impersonate="chrome", verify=trusted, proxies=proxies)


def last_chart() -> dict[str, Any]:
    """Return the last chart that this thread was served, parsed.

    Raises
    ------
    LookupError
        There is none.
    """
    if getattr(_mine, "body", None) is None:
        message = "no chart was served"
        raise LookupError(message)
    body: dict[str, Any] = json.loads(_mine.body)
    return body
