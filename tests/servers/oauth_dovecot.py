"""What Dovecot needs to take tokens of an OAuthServer: its oauth2 passdb, which asks the server about each (RFC 7662)."""

from __future__ import annotations

from pathlib import Path

from servers.oauth_server import OAuthServer

TOKEN_MECHANISMS = "xoauth2 oauthbearer"


def token_passdb(folder: Path, server: OAuthServer) -> str:
    """Configuration for `Dovecot(extra=…)`; TOKEN_MECHANISMS belong into its `mechanisms`."""
    folder.mkdir(parents=True, exist_ok=True)
    settings = folder / "oauth2.conf"
    settings.write_text(
        "introspection_mode = post\n"
        f"introspection_url = {server.introspection_url}\n"
        "username_attribute = username\n"
        "active_attribute = active\n"
        "active_value = true\n"
        "scope = mail\n"
        f"openid_configuration_url = {server.url}/.well-known/openid-configuration\n"
    )
    settings.chmod(0o644)
    return f"""\
passdb {{
  driver = oauth2
  mechanisms = {TOKEN_MECHANISMS}
  args = {settings}
}}
"""
