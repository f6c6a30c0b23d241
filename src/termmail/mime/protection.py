"""Signatures and encryption by the look of them: named, never checked, so never called valid (RFC 1847, RFC 8551, RFC 3156)."""

from __future__ import annotations

from termmail.mime.structure import Node

_SMIME = ("application/pkcs7-mime", "application/x-pkcs7-mime")
_SIGNATURES = {
    "application/pgp-signature": "OpenPGP",
    "application/pkcs7-signature": "S/MIME",
    "application/x-pkcs7-signature": "S/MIME",
}
_OPAQUE = {"signed-data": "signed", "enveloped-data": "encrypted", "authenveloped-data": "encrypted"}
_INLINE_LOOKED_AT = 64 * 1024


def protection(root: Node) -> str:
    """What a message is said to be: "signed with OpenPGP, not checked", "a part is encrypted with S/MIME"; empty for most mail.

    Only what holds the whole message speaks for the message; what lies deeper is called a part's, since it says nothing about the
    rest (Johnny, You Are Fired).
    """
    found = _named(root)
    if found:
        return found
    for node in root.walk():
        if node is not root and (found := _named(node)):
            return f"a part is {found}"
    return ""


def _named(node: Node) -> str:
    kind = node.content_type
    if kind == "multipart/encrypted":
        return f"encrypted with {'OpenPGP' if 'pgp' in node.parameters.get('protocol', 'pgp').lower() else 'another program'}"
    if kind in _SMIME:
        what = _OPAQUE.get(node.parameters.get("smime-type", "").lower(), "encrypted or signed")
        return f"{what} with S/MIME" + ("" if what == "encrypted" else ", not checked")
    if kind == "multipart/signed":
        protocol = node.parameters.get("protocol", "").lower()
        last = node.children[-1].content_type if node.children else ""
        by = _SIGNATURES.get(protocol) or _SIGNATURES.get(last) or "an unknown method"
        return f"signed with {by}, not checked"
    if kind == "text/plain" and not node.children:
        text = node.decoded(limit=_INLINE_LOOKED_AT)
        if b"-----BEGIN PGP MESSAGE-----" in text:
            return "encrypted with OpenPGP"
        if b"-----BEGIN PGP SIGNED MESSAGE-----" in text:
            return "signed with OpenPGP, not checked"
    return ""
