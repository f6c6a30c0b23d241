"""A sign-in server on loopback: Authlib's authorization server, with PKCE, refresh tokens that rotate, device codes, introspection
(for Dovecot's oauth2 passdb), and metadata. What a test wants to go wrong is an attribute."""

from __future__ import annotations

import logging
import os
import secrets
import threading
import time
import urllib.parse
from types import TracebackType
from typing import Any

import flask
import httpx
from authlib.integrations.flask_oauth2 import AuthorizationServer
from authlib.oauth2.rfc6749 import (
    AuthorizationCodeMixin,
    ClientMixin,
    InvalidGrantError,
    TokenMixin,
)
from authlib.oauth2.rfc6749.grants import AuthorizationCodeGrant, RefreshTokenGrant
from authlib.oauth2.rfc7009 import RevocationEndpoint
from authlib.oauth2.rfc7636 import CodeChallenge
from authlib.oauth2.rfc7662 import IntrospectionEndpoint
from authlib.oauth2.rfc8628 import (
    DEVICE_CODE_GRANT_TYPE,
    DeviceAuthorizationEndpoint,
    DeviceCodeGrant,
    DeviceCredentialDict,
)
from authlib.oauth2.rfc9207 import IssuerParameter
from werkzeug.serving import make_server

from termmail.model.oauth import OAuthProvider
from termmail.model.secret import Secret

CLIENT_ID = "termmail-test"
CLIENT_SECRET = "client-secret-1"
RESOURCE_ID = "dovecot"
RESOURCE_SECRET = "introspect-1"
SCOPE = "mail offline_access"

_AUTH_METHODS = ["none", "client_secret_basic", "client_secret_post"]


class _Client(ClientMixin):
    """The mail reader, with a secret or without, or the mail server that asks about tokens."""

    def __init__(self, client_id: str, secret: str) -> None:
        self.client_id = client_id
        self.secret = secret

    def get_client_id(self) -> str:
        return self.client_id

    def get_default_redirect_uri(self) -> str:
        return ""

    def get_allowed_scope(self, scope: Any) -> str:
        return " ".join(word for word in str(scope).split() if word in SCOPE.split())

    def check_redirect_uri(self, redirect_uri: str) -> bool:
        parts = urllib.parse.urlsplit(redirect_uri)
        return parts.scheme == "http" and parts.hostname in ("127.0.0.1", "localhost")

    def check_client_secret(self, client_secret: str) -> bool:
        return secrets.compare_digest(self.secret, client_secret)

    def check_endpoint_auth_method(self, method: str, endpoint: str) -> bool:
        return method in (["none"] if not self.secret else _AUTH_METHODS[1:])

    def check_response_type(self, response_type: str) -> bool:
        return response_type == "code"

    def check_grant_type(self, grant_type: str) -> bool:
        return grant_type in ("authorization_code", "refresh_token", DEVICE_CODE_GRANT_TYPE)


class _Code(AuthorizationCodeMixin):
    def __init__(self, request: Any, code: str) -> None:
        payload = request.payload
        self.code = code
        self.user = request.user
        self.client_id = payload.client_id
        self.redirect_uri = payload.redirect_uri
        self.scope = payload.scope
        self.code_challenge = payload.data.get("code_challenge")
        self.code_challenge_method = payload.data.get("code_challenge_method")

    def get_redirect_uri(self) -> str:
        return str(self.redirect_uri)

    def get_scope(self) -> str:
        return str(self.scope)


class _Token(TokenMixin):
    def __init__(self, client_id: str, user: str, fields: dict[str, Any], family: str) -> None:
        self.client_id = client_id
        self.user = user
        self.access = fields["access_token"]
        self.refresh = fields.get("refresh_token", "")
        self.scope = fields.get("scope") or ""
        self.expires_at = time.time() + float(fields["expires_in"])
        self.family = family
        self.refresh_used = False
        self.revoked = False

    def check_client(self, client: _Client) -> bool:
        return client.client_id == self.client_id

    def get_scope(self) -> str:
        return str(self.scope)

    def is_expired(self) -> bool:
        return time.time() >= self.expires_at

    def is_revoked(self) -> bool:
        return self.revoked


class OAuthServer:
    """A context manager. `user` is who signs in. `lifetime` is that of access tokens, in seconds; `tell_lifetime` whether it is told.

    `rotates` gives a new refresh token at each use, and one that is used twice ends the whole sign-in. `denies` says no to whoever
    signs in. `down` answers each request with that HTTP status. `issuer_sent` is what redirects say, empty for nothing. With
    `needs_secret` the client has to show CLIENT_SECRET. `requests` are the grants that were asked for, in order; `refresh_delay` is how
    long each refresh takes; while `refreshing` is cleared none ends.
    """

    def __init__(self, *, needs_secret: bool = False) -> None:
        os.environ["AUTHLIB_INSECURE_TRANSPORT"] = "1"
        self.user = "lisa"
        self.lifetime = 3600
        self.tell_lifetime = True
        self.rotates = True
        self.gives_refresh = True
        self.denies = False
        self.down = 0
        self.requests: list[str] = []
        self.refresh_delay = 0.0
        self.refreshing = threading.Event()
        self.refreshing.set()
        self.slow_downs = 0
        self.interval = 1
        self.device_seconds = 600
        self.approvals: dict[str, tuple[str, bool]] = {}
        self.tokens: list[_Token] = []
        self._codes: dict[str, _Code] = {}
        self._devices: dict[str, tuple[dict[str, Any], float]] = {}
        self._lock = threading.RLock()
        self._clients = {
            CLIENT_ID: _Client(CLIENT_ID, CLIENT_SECRET if needs_secret else ""),
            RESOURCE_ID: _Client(RESOURCE_ID, RESOURCE_SECRET),
        }
        logging.getLogger("werkzeug").setLevel(logging.ERROR)
        self._server = make_server("127.0.0.1", 0, self._application(), threaded=True)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self.issuer = self.url
        self.issuer_sent = self.url
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)

    def __enter__(self) -> OAuthServer:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._thread.join(10)
        self._server.server_close()

    @property
    def introspection_url(self) -> str:
        return f"http://{RESOURCE_ID}:{RESOURCE_SECRET}@{self.url.removeprefix('http://')}/introspect"

    def provider(self, *, known: bool = True) -> OAuthProvider:
        """This server for termmail: with its endpoints, or to be looked up at the issuer."""
        return OAuthProvider(
            name="loopback",
            label="127.0.0.1",
            client_id=CLIENT_ID,
            client_secret=Secret(self._clients[CLIENT_ID].secret),
            issuer=self.issuer,
            scopes=tuple(SCOPE.split()),
            authorization_url=f"{self.url}/authorize" if known else "",
            token_url=f"{self.url}/token" if known else "",
            device_url=f"{self.url}/device" if known else "",
        )

    def config_table(self) -> str:
        """The [oauth] table of this server for config.toml."""
        return f'[oauth.loopback]\nissuer = "{self.issuer}"\nclient_id = "{CLIENT_ID}"\nscopes = ["mail", "offline_access"]\n'

    def visit(self, url: str) -> httpx.Response:
        """What a browser does in which the person is signed in already and agrees, or with `denies` does not: it follows to the end."""
        return httpx.get(url, follow_redirects=True, timeout=20)

    def redirect_of(self, url: str) -> str:
        """Where the browser is sent at the end, without going there."""
        return httpx.get(url, timeout=20).headers["location"]

    def approve(self, user_code: str, *, allow: bool = True) -> None:
        """The person types the code of a device and agrees, or does not."""
        self.approvals[user_code] = (self.user, allow)

    def sign_in(self) -> tuple[str, str]:
        """An access token and a refresh token, as a sign-in elsewhere would have given."""
        fields: dict[str, Any] = {
            "access_token": secrets.token_urlsafe(30),
            "refresh_token": secrets.token_urlsafe(30),
            "expires_in": self.lifetime,
            "scope": SCOPE,
        }
        with self._lock:
            self.tokens.append(_Token(CLIENT_ID, self.user, fields, secrets.token_hex(4)))
        return fields["access_token"], fields["refresh_token"]

    def revoke_all(self) -> None:
        """The person takes the permission back."""
        with self._lock:
            for token in self.tokens:
                token.revoked = True

    def revoke_access_tokens(self) -> None:
        """The access tokens end early; refresh tokens stay good."""
        with self._lock:
            for token in self.tokens:
                token.expires_at = 0.0

    def _application(self) -> flask.Flask:
        application = flask.Flask("oauth")
        application.config["OAUTH2_REFRESH_TOKEN_GENERATOR"] = True
        server: Any = AuthorizationServer(application, self._clients.get, self._save_token)
        outer = self

        class CodeGrant(AuthorizationCodeGrant):
            TOKEN_ENDPOINT_AUTH_METHODS = _AUTH_METHODS

            def save_authorization_code(self, code: str, request: Any) -> None:
                outer._codes[code] = _Code(request, code)

            def query_authorization_code(self, code: str, client: Any) -> _Code | None:
                found = outer._codes.get(code)
                return found if found is not None and found.client_id == client.client_id else None

            def delete_authorization_code(self, authorization_code: _Code) -> None:
                outer._codes.pop(authorization_code.code, None)

            def authenticate_user(self, authorization_code: _Code) -> str:
                return str(authorization_code.user)

        class RefreshGrant(RefreshTokenGrant):
            TOKEN_ENDPOINT_AUTH_METHODS = _AUTH_METHODS

            def authenticate_refresh_token(self, refresh_token: str) -> _Token:
                self.INCLUDE_NEW_REFRESH_TOKEN = outer.rotates
                return outer._take_refresh_token(refresh_token)

            def authenticate_user(self, refresh_token: _Token) -> str:
                return str(refresh_token.user)

            def revoke_old_credential(self, refresh_token: Any) -> None:
                refresh_token.refresh_used = outer.rotates

        class DeviceGrant(DeviceCodeGrant):
            def query_device_credential(self, device_code: str) -> DeviceCredentialDict | None:
                found = outer._devices.get(device_code)
                if found is None:
                    return None
                data, until = found
                return DeviceCredentialDict({**data, "expires_at": until})

            def query_user_grant(self, user_code: str) -> tuple[str, bool] | None:
                return outer.approvals.get(user_code)

            def should_slow_down(self, credential: object) -> bool:
                with outer._lock:
                    outer.slow_downs -= 1
                    return outer.slow_downs >= 0

        class Devices(DeviceAuthorizationEndpoint):
            def get_verification_uri(self) -> str:
                return f"{outer.url}/activate"

            def save_device_credential(self, client_id: str, scope: str, data: dict[str, Any]) -> None:
                data["interval"] = outer.interval
                data["expires_in"] = outer.device_seconds
                stored = {**data, "client_id": client_id, "scope": scope}
                outer._devices[data["device_code"]] = stored, time.time() + outer.device_seconds

        class Introspection(IntrospectionEndpoint):
            CLIENT_AUTH_METHODS = _AUTH_METHODS[1:]

            def query_token(self, token_string: str, token_type_hint: str) -> _Token | None:
                return next((token for token in outer.tokens if token.access == token_string), None)

            def introspect_token(self, token: _Token) -> dict[str, Any]:
                return {"active": True, "username": token.user, "scope": token.scope, "exp": int(token.expires_at)}

            def check_permission(self, token: _Token, client: _Client, request: Any) -> bool:
                return client.client_id == RESOURCE_ID

        class Revocation(RevocationEndpoint):
            CLIENT_AUTH_METHODS = _AUTH_METHODS

            def query_token(self, token_string: str, token_type_hint: str) -> _Token | None:
                return next((token for token in outer.tokens if token_string in (token.access, token.refresh)), None)

            def revoke_token(self, token: _Token, request: Any) -> None:
                token.revoked = True

        class Issuer(IssuerParameter):
            def get_issuer(self) -> str | None:
                return outer.issuer_sent or None

        server.register_grant(CodeGrant, [CodeChallenge(required=True)])
        server.register_grant(RefreshGrant)
        server.register_grant(DeviceGrant)
        server.register_endpoint(Devices)
        server.register_endpoint(Introspection)
        server.register_endpoint(Revocation)
        server.register_extension(Issuer())
        self._add_routes(application, server)
        return application

    def _add_routes(self, application: flask.Flask, server: Any) -> None:
        @application.before_request
        def fail() -> flask.Response | None:
            return flask.Response("<h1>Sorry</h1>", status=self.down) if self.down else None

        @application.get("/.well-known/oauth-authorization-server")
        def metadata() -> dict[str, Any]:
            return {
                "issuer": self.issuer,
                "authorization_endpoint": f"{self.url}/authorize",
                "token_endpoint": f"{self.url}/token",
                "device_authorization_endpoint": f"{self.url}/device",
                "scopes_supported": SCOPE.split(),
                "code_challenge_methods_supported": ["S256"],
                "token_endpoint_auth_methods_supported": ["client_secret_basic", "none"],
                "authorization_response_iss_parameter_supported": bool(self.issuer_sent),
            }

        @application.get("/authorize")
        def authorize() -> flask.Response:
            if flask.request.args.get("code_challenge_method") != "S256":
                return flask.Response("PKCE with S256 is required", status=400)
            grant = server.get_consent_grant(end_user=self.user)
            response: flask.Response = server.create_authorization_response(
                grant_user=None if self.denies else self.user, grant=grant
            )
            return response

        @application.post("/token")
        def token() -> flask.Response:
            grant = flask.request.form.get("grant_type", "")
            self.requests.append(grant)
            if grant == "refresh_token":
                time.sleep(self.refresh_delay)
                self.refreshing.wait(30)
            response: flask.Response = server.create_token_response()
            return response

        @application.post("/device")
        def device() -> flask.Response:
            response: flask.Response = server.create_endpoint_response(DeviceAuthorizationEndpoint.ENDPOINT_NAME)
            return response

        @application.post("/introspect")
        def introspect() -> flask.Response:
            response: flask.Response = server.create_endpoint_response("introspection")
            return response

        @application.post("/revoke")
        def revoke() -> flask.Response:
            response: flask.Response = server.create_endpoint_response("revocation")
            return response

    def _take_refresh_token(self, refresh_token: str) -> _Token:
        with self._lock:
            found = next((token for token in self.tokens if token.refresh == refresh_token), None)
            if found is None or found.revoked:
                raise InvalidGrantError("Token has been expired or revoked.")
            if found.refresh_used:
                # RFC 9700 §4.14: somebody has a copy, so all that came from this sign-in ends.
                for token in self.tokens:
                    token.revoked = token.revoked or token.family == found.family
                raise InvalidGrantError("Token was used before.")
            return found

    def _save_token(self, fields: dict[str, Any], request: Any) -> None:
        before = getattr(request, "refresh_token", None)
        family = before.family if isinstance(before, _Token) else secrets.token_hex(4)
        fields["expires_in"] = self.lifetime
        if not self.gives_refresh:
            fields.pop("refresh_token", None)
        with self._lock:
            token = _Token(request.client.client_id, request.user, fields, family)
            if isinstance(before, _Token) and not token.refresh:
                token.refresh = before.refresh
            self.tokens.append(token)
        if not self.tell_lifetime:
            del fields["expires_in"]
