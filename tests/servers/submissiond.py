"""Dovecot with its submission service, which hands everything on to a relay."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from servers.dovecot import Dovecot
from servers.ports import free_ports, wait_for_greeting
from servers.tls import Authority

SIZE_LIMIT = 2_000_000


class Submissiond(Dovecot):
    """As `Dovecot`; STARTTLS at `submission_port`, implicit TLS at `submissions_port`, and its authentication at `auth_port` for
    other servers (Postfix's `smtpd_sasl_path`)."""

    def __init__(
        self,
        folder: Path,
        *,
        relay_port: int,
        authority: Authority | None = None,
        users: Mapping[str, str] | None = None,
        mechanisms: str = "plain login cram-md5 scram-sha-256",
        extra: str = "",
    ) -> None:
        self.submission_port, self.submissions_port, self.auth_port = free_ports(3)
        anybody = "" if os.geteuid() == 0 else "chroot =\n  "
        extra += f"""\
protocols = imap submission
hostname = mx.demo.example
submission_max_mail_size = {SIZE_LIMIT}
submission_relay_host = 127.0.0.1
submission_relay_port = {relay_port}
service submission-login {{
  {anybody}inet_listener submission {{
    port = {self.submission_port}
  }}
  inet_listener submissions {{
    port = {self.submissions_port}
    ssl = yes
  }}
}}
service auth {{
  inet_listener {{
    port = {self.auth_port}
  }}
}}
"""
        super().__init__(folder, authority=authority, users=users, mechanisms=mechanisms, extra=extra)

    def __enter__(self) -> Submissiond:
        self.start()
        return self

    def start(self) -> None:
        super().start()
        if not wait_for_greeting(self.submission_port, 20):
            text = self.log_text()
            self.stop()
            raise RuntimeError(f"Dovecot's submission did not greet on port {self.submission_port}:\n{text}")
