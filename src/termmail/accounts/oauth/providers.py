"""The large providers' OAuth 2 servers, as their own pages say. Each wants a client id, which the user makes there."""

from __future__ import annotations

from termmail.model.oauth import OAuthProvider

_GOOGLE = OAuthProvider(
    name="google",
    label="Google",
    issuer="https://accounts.google.com",
    authorization_url="https://accounts.google.com/o/oauth2/v2/auth",
    token_url="https://oauth2.googleapis.com/token",
    # Google's device code gives no access to mail: its list of scopes for devices has none of Gmail's.
    scopes=("https://mail.google.com/",),
    # Without them Google gives a refresh token only the first time.
    extra=(("access_type", "offline"), ("prompt", "consent")),
    client_page="https://console.cloud.google.com/auth/clients",
    client_advice='Create a client of the type "Desktop app", and add your own address to the test users under "Audience".'
    " Google shows its id and its secret.",
)

_MICROSOFT = OAuthProvider(
    name="microsoft",
    label="Microsoft",
    authorization_url="https://login.microsoftonline.com/common/oauth2/v2.0/authorize",
    token_url="https://login.microsoftonline.com/common/oauth2/v2.0/token",
    device_url="https://login.microsoftonline.com/common/oauth2/v2.0/devicecode",
    scopes=(
        "https://outlook.office.com/IMAP.AccessAsUser.All",
        "https://outlook.office.com/POP.AccessAsUser.All",
        "https://outlook.office.com/SMTP.Send",
        "offline_access",
    ),
    # Of this name alone Microsoft ignores the port, which is another each time.
    redirect_host="localhost",
    client_page="https://entra.microsoft.com/#view/Microsoft_AAD_RegisteredApps/ApplicationsListBlade",
    client_advice='Register an application for accounts in any directory and personal ones, with the platform "Mobile and desktop'
    ' applications", the redirect URI http://localhost, and "Allow public client flows" on. It needs no secret.',
)

_YAHOO = OAuthProvider(
    name="yahoo",
    label="Yahoo",
    issuer="https://api.login.yahoo.com",
    authorization_url="https://api.login.yahoo.com/oauth2/request_auth",
    token_url="https://api.login.yahoo.com/oauth2/get_token",
    scopes=("mail-w",),
    redirect_host="localhost",
    client_page="https://senders.yahooinc.com/developer/developer-access/",
    client_advice="Yahoo gives ids for mail only to those who apply for them there. An app password is the simpler way.",
)

BUILT_IN = {provider.name: provider for provider in (_GOOGLE, _MICROSOFT, _YAHOO)}
"""By their names in config.toml."""
