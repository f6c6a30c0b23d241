"""What is asked of a sign-in server: its metadata, codes, tokens (RFC 6749, 7636, 8414, 8628)."""

from __future__ import annotations

from typing import Any

import msgspec

from termmail.accounts.oauth.requests import Answer, Route, get, host_of, post
from termmail.accounts.oauth.settings import safe_url
from termmail.mime.safe_text import safe_text
from termmail.model.errors import ConfigError, ConnectionLost, SignInRefused, TermmailError
from termmail.model.oauth import ClientAuthentication, DeviceCode, OAuthProvider, Tokens
from termmail.model.secret import AccessToken, Secret

ASSUMED_LIFETIME = 300.0
"""Seconds for which an access token counts as good where the server does not say (RFC 6749 §5.1 only recommends it)."""

_DIRECT = Route()
_LONGEST_LIFETIME = 24 * 3600.0
_USUAL_SCOPES = ("openid", "email", "offline_access")
_CLIENT_TROUBLE = {"invalid_client", "unauthorized_client", "unsupported_grant_type", "invalid_scope"}


class GrantRefused(Exception):
    """The server answered with an OAuth 2 error: its code, such as `invalid_grant`, and its own words, safe to show."""

    def __init__(self, code: str, words: str) -> None:
        super().__init__(code)
        self.code = code
        self.words = words


def with_endpoints(provider: OAuthProvider, route: Route = _DIRECT) -> OAuthProvider:
    """The provider with the URLs of its endpoints, looked up at its issuer where they are not known (RFC 8414, OpenID Discovery).

    Raises ConfigError where its client id or its metadata is missing, ConnectionLost, InsecureConnection.
    """
    if not provider.client_id:
        raise ConfigError(_no_client_id(provider))
    if provider.token_url:
        return provider
    issuer = provider.issuer.rstrip("/")
    from authlib.oauth2.rfc8414 import get_well_known_url

    for url in (
        get_well_known_url(issuer, external=True),
        f"{issuer}/.well-known/openid-configuration",
    ):
        answer = get(url, route)
        if answer.status == 200 and answer.fields:
            return _from_metadata(provider, answer)
    raise ConfigError(
        f"{host_of(issuer)} does not say how to sign in there (no RFC 8414 or OpenID metadata). Check issuer in"
        f" [oauth.{provider.name}], or write authorization_url and token_url there."
    )


def authorization_url(provider: OAuthProvider, *, redirect_uri: str, address: str, state: str, verifier: str) -> str:
    """Where the browser goes (RFC 6749 §4.1.1), with PKCE's S256 (RFC 7636)."""
    from authlib.oauth2.rfc6749.parameters import prepare_grant_uri
    from authlib.oauth2.rfc7636 import create_s256_code_challenge

    parameters: dict[str, Any] = {
        "code_challenge": create_s256_code_challenge(verifier),
        "code_challenge_method": "S256",
        "login_hint": address,
        **dict(provider.extra),
    }
    url: str = prepare_grant_uri(
        provider.authorization_url,
        client_id=provider.client_id,
        response_type="code",
        redirect_uri=redirect_uri,
        scope=" ".join(provider.scopes),
        state=state,
        **parameters,
    )
    return url


def exchange_code(
    provider: OAuthProvider, *, code: str, redirect_uri: str, verifier: str, route: Route = _DIRECT
) -> Tokens:
    """The tokens for an authorization code (RFC 6749 §4.1.3). Raises GrantRefused, ConfigError, ConnectionLost, InsecureConnection."""
    return _tokens(provider, route, "authorization_code", code=code, redirect_uri=redirect_uri, code_verifier=verifier)


def refresh_tokens(provider: OAuthProvider, refresh: Secret, route: Route = _DIRECT) -> Tokens:
    """New tokens (RFC 6749 §6); where there is no new refresh token the old one stays good. Raises as `exchange_code`."""
    return _tokens(provider, route, "refresh_token", refresh_token=refresh.reveal())


def begin_device(provider: OAuthProvider, route: Route = _DIRECT) -> DeviceCode:
    """A code to type on another device (RFC 8628 §3.1). Raises as `exchange_code`."""
    body = {"client_id": provider.client_id, "scope": " ".join(provider.scopes)}
    answer = _form(provider, provider.device_url, body, route)
    url = answer.text("verification_uri") or answer.text("verification_url")
    complete = answer.text("verification_uri_complete")
    user_code, device_code = answer.text("user_code"), answer.text("device_code")
    if not (safe_url(url) and user_code and device_code):
        raise SignInRefused(f"{host_of(provider.device_url)} gave no code for another device. Sign in by the browser.")
    return DeviceCode(
        url=url,
        complete_url=complete if safe_url(complete) else "",
        user_code=safe_text(user_code[:100], one_line=True),
        device_code=Secret(device_code),
        expires_in=min(max(answer.number("expires_in") or 600.0, 1.0), 3600.0),
        interval=min(max(answer.number("interval") or 5.0, 1.0), 60.0),
    )


def poll_device(provider: OAuthProvider, code: DeviceCode, route: Route = _DIRECT) -> Tokens:
    """The tokens once the person has agreed (RFC 8628 §3.4). Raises as `exchange_code`: GrantRefused's code is
    `authorization_pending` or `slow_down` until then."""
    grant = "urn:ietf:params:oauth:grant-type:device_code"
    return _tokens(provider, route, grant, device_code=code.device_code.reveal())


def client_refused(provider: OAuthProvider, refused: GrantRefused) -> TermmailError | None:
    """The error where it is the client, not the person, that the server does not want; None where it is not."""
    if refused.code not in _CLIENT_TROUBLE:
        return None
    return ConfigError(
        f"{provider.label} does not accept termmail's client id{refused.words}. Check client_id, client_secret and scopes in"
        f" [oauth.{provider.name}].",
        detail=refused.code,
    )


def _no_client_id(provider: OAuthProvider) -> str:
    where = f" It is made at {provider.client_page}. {provider.client_advice}" if provider.client_page else ""
    return (
        f"To sign in with {provider.label} termmail needs a client id of yours.{where} Give it in the account's settings, or"
        f" write it as client_id in [oauth.{provider.name}] of config.toml."
    )


def _from_metadata(provider: OAuthProvider, answer: Answer) -> OAuthProvider:
    # An answer for somebody else would let one server hand out another's codes (RFC 8414 §3.3).
    if answer.text("issuer").rstrip("/") != provider.issuer.rstrip("/"):
        raise ConfigError(
            f"{host_of(provider.issuer)} calls itself {safe_text(answer.text('issuer')[:200], one_line=True) or 'nothing'}"
            f" in its metadata. Write issuer in [oauth.{provider.name}] exactly as the server does."
        )
    urls = {
        "authorization_url": provider.authorization_url or answer.text("authorization_endpoint"),
        "token_url": answer.text("token_endpoint"),
        "device_url": provider.device_url or answer.text("device_authorization_endpoint"),
    }
    if not urls["token_url"] or not all(safe_url(url) for url in urls.values() if url):
        raise ConfigError(
            f"{host_of(provider.issuer)} names no endpoint with https to sign in at. Tell whoever runs it."
        )
    known = answer.words("scopes_supported")
    methods = answer.words("token_endpoint_auth_methods_supported")
    basic = not methods or "client_secret_post" not in methods
    return msgspec.structs.replace(
        provider,
        **urls,
        issuer=answer.text("issuer"),
        names_issuer=answer.fields.get("authorization_response_iss_parameter_supported") is True,
        scopes=provider.scopes or tuple(scope for scope in _USUAL_SCOPES if not known or scope in known),
        client_authentication=ClientAuthentication.BASIC
        if basic and provider.client_secret.reveal()
        else provider.client_authentication,
    )


def _tokens(provider: OAuthProvider, route: Route, grant: str, **parameters: str) -> Tokens:
    answer = _form(provider, provider.token_url, {"grant_type": grant, **parameters}, route)
    access, refresh = answer.text("access_token"), answer.text("refresh_token")
    kind = answer.text("token_type").lower()
    if not access or not _is_token(access) or (refresh and not _is_token(refresh)) or kind not in ("", "bearer"):
        raise ConnectionLost(
            f"{host_of(provider.token_url)} gave no token that termmail can use. It is tried again.",
            detail=f"HTTP {answer.status}, token_type {safe_text(kind[:40], one_line=True)}",
        )
    lifetime = answer.number("expires_in")
    return Tokens(
        access=AccessToken(access),
        refresh=Secret(refresh) if refresh else None,
        lifetime=ASSUMED_LIFETIME if lifetime is None else min(max(lifetime, 0.0), _LONGEST_LIFETIME),
    )


def _is_token(text: str) -> bool:
    """RFC 6749's VSCHAR: what can be put into a SASL message without a second meaning."""
    return text.isascii() and all("\x20" < character < "\x7f" for character in text)


def _form(provider: OAuthProvider, url: str, fields: dict[str, str], route: Route) -> Answer:
    from authlib.common.urls import url_encode
    from authlib.oauth2.auth import ClientAuth

    secret = provider.client_secret.reveal()
    method = provider.client_authentication if secret else ClientAuthentication.NONE
    headers = {"Accept": "application/json", "Content-Type": "application/x-www-form-urlencoded"}
    fields = {name: value for name, value in fields.items() if name != "client_id" and value}
    _, headers, body = ClientAuth(provider.client_id, secret, method.value).prepare(
        "POST", url, headers, url_encode(fields.items())
    )
    answer = post(url, headers, body, route)
    if answer.status == 200 and not answer.text("error"):
        return answer
    code = answer.text("error")
    if not code:
        # What is in between, or a server that is being repaired: no verdict on the sign-in.
        raise ConnectionLost(
            f"{host_of(url)} does not answer as a sign-in server does (HTTP {answer.status}). It is tried again.",
            detail=f"HTTP {answer.status}",
        )
    words = safe_text(answer.text("error_description")[:1000], one_line=True).strip()[:300]
    raise GrantRefused(safe_text(code[:80], one_line=True), f"; server says: “{words.rstrip('.')}”" if words else "")
