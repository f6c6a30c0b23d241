"""A throw-away authority and the certificates a test needs, good ones and bad ones (T2, T3)."""

from __future__ import annotations

import datetime
import ipaddress
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID


@dataclass(frozen=True)
class Certificate:
    """PEM files of a certificate and its key."""

    certificate: Path
    key: Path

    def server_context(self) -> ssl.SSLContext:
        """A context for a server that shows this certificate."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.certificate, self.key)
        return context


@dataclass(frozen=True)
class Authority:
    """`ca` is the PEM file a client should trust; the rest is signed by it, but for `self_signed`.

    `good` is for localhost and 127.0.0.1; `localhost_only` lacks the address and `ip_only` the name; `expired` ended a
    day ago; `wrong_host` is for mail.example.org; `cn_only` names localhost in its subject alone; `self_signed` is for
    localhost and 127.0.0.1, `self_signed_expired` too, and `self_signed_wrong_host` for mail.example.org. `issue` makes another good
    one: a label for its file, and its names.
    """

    ca: Path
    good: Certificate
    localhost_only: Certificate
    ip_only: Certificate
    expired: Certificate
    wrong_host: Certificate
    cn_only: Certificate
    self_signed: Certificate
    self_signed_expired: Certificate
    self_signed_wrong_host: Certificate
    issue: Callable[..., Certificate]


_DAY = datetime.timedelta(days=1)
_LOCALHOST = x509.DNSName("localhost")
_LOOPBACK = x509.IPAddress(ipaddress.ip_address("127.0.0.1"))


def make_authority(folder: Path) -> Authority:
    """Write an authority and its certificates below `folder`, which is made."""
    folder.mkdir(parents=True, exist_ok=True)
    ca_key = ec.generate_private_key(ec.SECP256R1())
    ca_name = _name("termmail test authority")
    ca = (
        _builder(ca_name, ca_name, ca_key.public_key(), days=1)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(sign=True), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(ca_key.public_key()), critical=False)
        .sign(ca_key, hashes.SHA256())
    )
    ca_file = folder / "ca.pem"
    ca_file.write_bytes(ca.public_bytes(serialization.Encoding.PEM))

    def issue(
        label: str, names: list[x509.GeneralName], *, common_name: str = "test", days: int = 1, own: bool = False
    ) -> Certificate:
        key = ec.generate_private_key(ec.SECP256R1())
        subject = _name(common_name)
        issuer, signer = (subject, key) if own else (ca_name, ca_key)
        builder = (
            _builder(subject, issuer, key.public_key(), days=days)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(_usage(sign=False), critical=True)
            .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key()), critical=False)
        )
        if names:
            builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
        certificate = builder.sign(signer, hashes.SHA256())
        files = Certificate(folder / f"{label}.pem", folder / f"{label}.key")
        files.certificate.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
        files.key.write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
        )
        files.key.chmod(0o600)
        return files

    return Authority(
        ca=ca_file,
        good=issue("good", [_LOCALHOST, _LOOPBACK]),
        localhost_only=issue("localhost", [_LOCALHOST]),
        ip_only=issue("ip", [_LOOPBACK]),
        expired=issue("expired", [_LOCALHOST, _LOOPBACK], days=-1),
        wrong_host=issue("wrong-host", [x509.DNSName("mail.example.org")], common_name="mail.example.org"),
        cn_only=issue("cn-only", [], common_name="localhost"),
        self_signed=issue("self-signed", [_LOCALHOST, _LOOPBACK], common_name="localhost", own=True),
        self_signed_expired=issue("old", [_LOCALHOST, _LOOPBACK], common_name="localhost", own=True, days=-1),
        self_signed_wrong_host=issue("other", [x509.DNSName("mail.example.org")], own=True),
        issue=lambda label, *names: issue(label, [_general_name(name) for name in names]),
    )


def _general_name(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def _name(common_name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


def _builder(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey, *, days: int
) -> x509.CertificateBuilder:
    now = datetime.datetime.now(datetime.UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - 30 * _DAY)
        .not_valid_after(now + days * _DAY)
    )


def _usage(*, sign: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not sign,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=sign,
        crl_sign=sign,
        encipher_only=False,
        decipher_only=False,
    )
