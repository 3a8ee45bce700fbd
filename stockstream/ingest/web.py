"""One page from the web: asked for like a browser, again after a pause when that may help, and never without an end."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

from stockstream.errors import ParameterError, SourceError

if TYPE_CHECKING:
    from collections.abc import Callable

    import requests

#: Some servers turn away what does not look like a browser.
USER_AGENT: Final = (
    "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36"
)

#: Answers that another try may change.
TRANSIENT: Final = frozenset({408, 425, 429, 500, 502, 503, 504})

#: A list of companies has some hundred kilobytes; what is larger than this, bytes, is something else.
LARGEST: Final = 32_000_000

_LONGEST_PAUSE: Final = 30.0


class _WorthAnotherTryError(SourceError):
    """What may go well in a moment."""


class Web:
    """Reads pages.

    Parameters
    ----------
    timeout
        Seconds to wait for a connection, and for each part of an answer.
    attempts
        Tries for one page, the first one included; in between come random waits that grow from one second to thirty.
    ca_bundle, proxy
        File of the certificates to trust and proxy to go through; by default those of the system.
    sleep
        For tests: a wait of some seconds.

    Raises
    ------
    ParameterError
        A number is out of range.
    """

    def __init__(
        self,
        *,
        timeout: float = 30.0,
        attempts: int = 4,
        ca_bundle: str | None = None,
        proxy: str | None = None,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        if not (timeout > 0 and attempts >= 1):
            message = f"expected timeout > 0 and attempts >= 1; found {timeout} and {attempts}"
            raise ParameterError(message)
        self._timeout, self._attempts, self._sleep = timeout, attempts, sleep
        self._ca_bundle, self._proxy = ca_bundle, proxy

    def read[T](self, url: str, parse: Callable[[bytes], T]) -> T:
        """Return what `parse` makes of a page.

        Parameters
        ----------
        url
            Address, http or https.
        parse
            Raises `SourceError` for a page that is not what it should be: servers under load answer with such pages as
            if all were well, so that counts as a failed try.

        Raises
        ------
        SourceError
            No try succeeded; the message tells of the last.
        """
        import requests
        import tenacity

        tries = tenacity.Retrying(
            stop=tenacity.stop_after_attempt(self._attempts),
            wait=tenacity.wait_random_exponential(multiplier=1.0, max=_LONGEST_PAUSE),
            retry=tenacity.retry_if_exception_type(_WorthAnotherTryError),
            sleep=self._sleep,
            reraise=True,
        )
        with requests.Session() as session:
            session.headers["User-Agent"] = USER_AGENT
            session.headers["Accept"] = "text/csv,text/html,*/*;q=0.8"
            if self._ca_bundle is not None:
                session.verify = self._ca_bundle
            if self._proxy is not None:
                session.proxies = {"http": self._proxy, "https": self._proxy}
            try:
                answer: T = tries(self._once, session, url, parse)
            except _WorthAnotherTryError as error:
                message = f"{error} ({self._attempts} {'try' if self._attempts == 1 else 'tries'})"
                raise SourceError(message) from error
            return answer

    def _once[T](self, session: requests.Session, url: str, parse: Callable[[bytes], T]) -> T:
        body = self._body(session, url)
        try:
            return parse(body)
        except SourceError as error:
            message = f"{url}: {error}"
            raise _WorthAnotherTryError(message) from error

    def _body(self, session: requests.Session, url: str) -> bytes:
        import requests

        try:
            # Said again here: what a session says gives way to REQUESTS_CA_BUNDLE and HTTPS_PROXY of the environment.
            with session.get(
                url, timeout=self._timeout, stream=True, verify=session.verify, proxies=session.proxies
            ) as answer:
                if answer.status_code in TRANSIENT:
                    message = f"{url} answered {answer.status_code} {answer.reason}"
                    raise _WorthAnotherTryError(message)
                if answer.status_code != requests.codes.ok:
                    message = f"{url} answered {answer.status_code} {answer.reason}"
                    raise SourceError(message)
                body = b""
                for part in answer.iter_content(1 << 16):
                    body += part
                    if len(body) > LARGEST:
                        message = f"expected a list of companies at {url}; found more than {LARGEST:,} bytes"
                        raise SourceError(message)
                return body
        except (requests.exceptions.InvalidURL, requests.exceptions.MissingSchema) as error:
            message = f"expected an address such as https://example.com/list; found {url!r}"
            raise SourceError(message) from error
        except (requests.exceptions.RequestException, OSError) as error:
            message = f"{url} did not answer: {type(error).__name__}: {' '.join(str(error).split())[:200]}"
            raise _WorthAnotherTryError(message) from error
