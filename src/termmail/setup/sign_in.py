"""A person signs in by OAuth 2: in the browser on this computer, or with a code on another device."""

from __future__ import annotations

import queue
import secrets
import threading
import time
from collections.abc import Callable
from typing import TypeVar

from termmail.accounts.oauth import server
from termmail.accounts.oauth.requests import Route, host_of
from termmail.accounts.oauth.server import GrantRefused, client_refused
from termmail.mime.safe_text import safe_text
from termmail.model.errors import Cancelled, ConfigError, ConnectionLost, SignInRefused, TermmailError
from termmail.model.oauth import DeviceCode, OAuthProvider, Tokens
from termmail.setup.redirect import RedirectListener, ends_sign_in, split_redirect

BROWSER_SECONDS = 600.0
"""How long a person may take in the browser."""

_SLOWER_SECONDS = 5.0
_LOOK_SECONDS = 0.1

Result = TypeVar("Result")


def find_endpoints(provider: OAuthProvider, *, ca_file: str = "", proxy: str = "") -> OAuthProvider:
    """The provider with the URLs of its endpoints: `device_url` is empty where it has no sign-in by code. May ask its server.

    Raises ConfigError, also where it has no client id yet: the sentence says where one is made. ConnectionLost, InsecureConnection.
    """
    return server.with_endpoints(provider, Route(ca_file, proxy))


class BrowserSignIn:
    """Authorization code with PKCE on a loopback redirect (RFC 8252, 7636). `begin`, show or open the URL, `wait`.

    Where the browser runs on another computer its last page can't be had: the person gives the address it ended at to `take_address`.
    `cancel` may come from any thread, at any time.
    """

    def __init__(self, provider: OAuthProvider, address: str, *, ca_file: str = "", proxy: str = "") -> None:
        self._provider = provider
        self._address = address
        self._route = Route(ca_file, proxy)
        self._cancelled = threading.Event()
        self._state = secrets.token_urlsafe(32)
        self._verifier = secrets.token_urlsafe(64)
        self._listener: RedirectListener | None = None

    def begin(self) -> str:
        """The URL for the browser. Raises ConfigError, ConnectionLost, InsecureConnection, Cancelled."""
        self._provider = provider = _cancellable(
            lambda: server.with_endpoints(self._provider, self._route), self._cancelled
        )
        if not provider.authorization_url:
            raise ConfigError(f"{provider.label} has no sign-in by the browser. Sign in with a code.")
        self._listener = RedirectListener(provider.redirect_host, self._state)
        return server.authorization_url(
            provider,
            redirect_uri=self._listener.redirect_uri,
            address=self._address,
            state=self._state,
            verifier=self._verifier,
        )

    def take_address(self, pasted: str) -> None:
        """The address at which a browser elsewhere ended, in place of its visit. Raises SignInRefused where it is not that one."""
        _, parameters = split_redirect(pasted.strip())
        if not ends_sign_in(parameters, self._state):
            raise SignInRefused(
                "That is not the address at which this sign-in ends. Copy all of it: it begins with http:// and holds code= and state=."
            )
        assert self._listener is not None
        self._listener.take(parameters)

    def wait(self) -> Tokens:
        """Until the person has agreed in the browser. Raises SignInRefused where they, or the server, did not, or not in time;
        ConnectionLost, ConfigError, InsecureConnection, Cancelled."""
        assert self._listener is not None
        listener, provider = self._listener, self._provider
        try:
            parameters = listener.wait(BROWSER_SECONDS, self._cancelled)
        finally:
            listener.close()
        code = _code(provider, parameters)
        try:
            return _cancellable(
                lambda: server.exchange_code(
                    provider,
                    code=code,
                    redirect_uri=listener.redirect_uri,
                    verifier=self._verifier,
                    route=self._route,
                ),
                self._cancelled,
            )
        except GrantRefused as refused:
            raise _refused(provider, refused) from refused

    def cancel(self) -> None:
        """End whatever waits, which raises Cancelled."""
        self._cancelled.set()
        if self._listener is not None:
            self._listener.close()


class DeviceSignIn:
    """A code that is typed in a browser anywhere (RFC 8628): for SSH. `begin`, show the code and its URL, `wait`.

    `cancel` may come from any thread, at any time.
    """

    def __init__(self, provider: OAuthProvider, *, ca_file: str = "", proxy: str = "") -> None:
        self._provider = provider
        self._route = Route(ca_file, proxy)
        self._cancelled = threading.Event()
        self._code: DeviceCode | None = None
        self._began = 0.0

    def begin(self) -> DeviceCode:
        """The code and where it is typed. Raises ConfigError, SignInRefused, ConnectionLost, InsecureConnection, Cancelled."""
        self._provider = provider = _cancellable(
            lambda: server.with_endpoints(self._provider, self._route), self._cancelled
        )
        if not provider.device_url:
            raise ConfigError(f"{provider.label} has no sign-in for mail by a code. Sign in by the browser.")
        self._began = time.monotonic()
        try:
            self._code = _cancellable(lambda: server.begin_device(provider, route=self._route), self._cancelled)
        except GrantRefused as refused:
            raise _refused(provider, refused) from refused
        return self._code

    def wait(self) -> Tokens:
        """Until the person has typed the code and agreed. Raises as `BrowserSignIn.wait`."""
        code, provider = self._code, self._provider
        assert code is not None
        interval = code.interval
        while time.monotonic() - self._began < code.expires_in:
            if self._cancelled.wait(interval):
                raise Cancelled("Stopped.")
            try:
                return _cancellable(lambda: server.poll_device(provider, code, route=self._route), self._cancelled)
            except ConnectionLost:
                # RFC 8628 §3.5: a server that does not answer is asked less often.
                interval *= 2
            except GrantRefused as refused:
                if refused.code == "slow_down":
                    interval += _SLOWER_SECONDS
                elif refused.code != "authorization_pending":
                    raise _refused(provider, refused) from refused
        raise SignInRefused("The code was not used in time. Begin again for a new one.")

    def cancel(self) -> None:
        """End whatever waits, which raises Cancelled."""
        self._cancelled.set()


def _code(provider: OAuthProvider, parameters: dict[str, str]) -> str:
    """The code in a redirect, whose state was checked. Raises SignInRefused."""
    issuer = parameters.get("iss")
    if (issuer is None and provider.names_issuer) or (issuer and provider.issuer and issuer != provider.issuer):
        # RFC 9207: another server's answer, which would get our code.
        raise SignInRefused(
            f"The answer in the browser does not come from {host_of(provider.issuer)}, so nothing was done. Begin again, and sign in"
            " on no other page than the one that opens."
        )
    if "error" in parameters:
        words = safe_text(parameters.get("error_description", "")[:1000], one_line=True).strip()[:300].rstrip(".")
        error = safe_text(parameters["error"][:80], one_line=True)
        raise _refused(provider, GrantRefused(error, f"; server says: “{words}”" if words else ""))
    return parameters["code"]


def _refused(provider: OAuthProvider, refused: GrantRefused) -> TermmailError:
    if (error := client_refused(provider, refused)) is not None:
        return error
    if refused.code == "access_denied":
        return SignInRefused(
            f"{provider.label} was told not to let termmail in{refused.words}. Begin again to allow it."
        )
    if refused.code == "expired_token":
        return SignInRefused("The code was not used in time. Begin again for a new one.")
    return SignInRefused(
        f"{provider.label} did not complete the sign-in ({refused.code}){refused.words}. Begin again.",
        detail=refused.code,
    )


def _cancellable(call: Callable[[], Result], cancelled: threading.Event) -> Result:
    """The result of a call that waits for a server. Raises what it does, or Cancelled at once; the call is then left behind."""
    answers: queue.SimpleQueue[tuple[Result, None] | tuple[None, BaseException]] = queue.SimpleQueue()

    def work() -> None:
        try:
            answers.put((call(), None))
        except BaseException as error:  # noqa: BLE001 - raised again by who waits
            answers.put((None, error))

    threading.Thread(target=work, name="sign-in", daemon=True).start()
    while not cancelled.is_set():
        try:
            result, error = answers.get(timeout=_LOOK_SECONDS)
        except queue.Empty:
            continue
        if error is not None:
            raise error
        return result  # type: ignore[return-value]
    raise Cancelled("Stopped.")
