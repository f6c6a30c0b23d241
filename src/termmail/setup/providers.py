"""The large providers and hosts of mail, with what their own help pages say of servers, passwords and what is switched off."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from termmail.model.account import Security, Server
from termmail.model.setup import ProviderNotes, SignInWay

_PASSWORD = (SignInWay.PASSWORD,)
_APP_PASSWORD = (SignInWay.APP_PASSWORD,)
_APP_OR_OAUTH = (SignInWay.APP_PASSWORD, SignInWay.OAUTH2)
_OAUTH = (SignInWay.OAUTH2,)
_PASSWORD_OR_APP = (SignInWay.PASSWORD, SignInWay.APP_PASSWORD)


class Provider(msgspec.Struct, frozen=True):
    """One provider. `domains` are those of its addresses, `mx` how the names of its mail exchangers end, by which a domain that it
    hosts is recognised. `local_user` says that one signs in with the part before the @. A server is None where it has none."""

    notes: ProviderNotes
    domains: tuple[str, ...] = ()
    mx: tuple[str, ...] = ()
    imap: Server | None = None
    pop3: Server | None = None
    smtp: Server | None = None
    local_user: bool = False


def provider_of_domain(domain: str) -> Provider | None:
    """The provider whose addresses end in this domain (ASCII)."""
    return _BY_DOMAIN.get(domain.lower().rstrip("."))


def provider_of_exchangers(exchangers: Iterable[str]) -> Provider | None:
    """The provider that hosts a domain with these mail exchangers (RFC 5321 §5)."""
    for exchanger in exchangers:
        name = "." + exchanger.lower().rstrip(".")
        for ending, provider in _BY_EXCHANGER:
            if name.endswith("." + ending):
                return provider
    return None


def provider_of_server(host: str) -> Provider | None:
    """The provider that has a server of this name."""
    return _BY_SERVER.get(host.lower().rstrip("."))


def known_domains() -> Iterable[str]:
    """The domains of addresses at providers in the table."""
    return _BY_DOMAIN


def _tls(host: str, port: int) -> Server:
    return Server(host, port, Security.TLS)


def _starttls(host: str, port: int = 587) -> Server:
    return Server(host, port, Security.STARTTLS)


def _usual(
    notes: ProviderNotes,
    hosts: str,
    *,
    domains: str = "",
    mx: str = "",
    submission: Server | None = None,
    local_user: bool = False,
) -> Provider:
    """A provider with the usual ports: `hosts` are those of IMAP, POP3 and SMTP, or one for all, and "-" for none."""
    names = hosts.split()
    imap, pop3, smtp = names if len(names) == 3 else names * 3
    return Provider(
        notes,
        tuple(domains.split()),
        tuple(mx.split()),
        None if imap == "-" else _tls(imap, 993),
        None if pop3 == "-" else _tls(pop3, 995),
        submission or _tls(smtp, 465),
        local_user,
    )


_SWITCHED_OFF = "IMAP and POP3 are off until you allow them in its settings."


def _zoho(top: str) -> ProviderNotes:
    return ProviderNotes(
        "Zoho Mail",
        _PASSWORD_OR_APP,
        app_password_url=f"https://accounts.zoho.{top}/home#security/app_password",
        pop3_off=True,
        sentence=f"{_SWITCHED_OFF} With two-factor sign-in it wants an app password.",
    )


PROVIDERS: tuple[Provider, ...] = (
    _usual(
        ProviderNotes(
            "Gmail",
            _APP_OR_OAUTH,
            app_password_url="https://myaccount.google.com/apppasswords",
            mail_settings_url="https://mail.google.com/mail/u/0/#settings/fwdandpop",
            oauth_provider="google",
            pop3_off=True,
            sentence="Google refuses the account's own password. An app password needs 2-Step Verification.",
        ),
        "imap.gmail.com pop.gmail.com smtp.gmail.com",
        domains="gmail.com googlemail.com",
    ),
    _usual(
        ProviderNotes(
            "Google Workspace",
            _APP_OR_OAUTH,
            app_password_url="https://myaccount.google.com/apppasswords",
            mail_settings_url="https://mail.google.com/mail/u/0/#settings/fwdandpop",
            oauth_provider="google",
            pop3_off=True,
            sentence="Google refuses the account's own password, and your administrator decides which other ways there are.",
        ),
        "imap.gmail.com pop.gmail.com smtp.gmail.com",
        mx="aspmx.l.google.com smtp.google.com googlemail.com",
    ),
    _usual(
        ProviderNotes(
            "Outlook.com",
            _OAUTH,
            mail_settings_url="https://outlook.live.com/mail/0/options/mail/accounts",
            oauth_provider="microsoft",
            pop3_off=True,
            sentence="Microsoft takes no passwords from mail programs any more: sign in through the browser.",
        ),
        "outlook.office365.com outlook.office365.com -",
        domains="outlook.com hotmail.com live.com msn.com windowslive.com passport.com outlook.de hotmail.de live.de outlook.fr"
        " hotmail.fr live.fr hotmail.co.uk live.co.uk outlook.es hotmail.es outlook.it hotmail.it live.it live.nl hotmail.nl"
        " outlook.jp live.jp hotmail.co.jp outlook.com.br hotmail.com.br live.com.mx hotmail.com.ar live.ca hotmail.ca",
        submission=_starttls("smtp-mail.outlook.com"),
    ),
    _usual(
        ProviderNotes(
            "Microsoft 365",
            _OAUTH,
            oauth_provider="microsoft",
            sentence="Microsoft takes no passwords from mail programs any more: sign in through the browser. Your administrator"
            " decides whether IMAP, POP3 and sending by SMTP are on.",
        ),
        "outlook.office365.com outlook.office365.com -",
        mx="mail.protection.outlook.com mx.microsoft",
        submission=_starttls("smtp.office365.com"),
    ),
    _usual(
        ProviderNotes(
            "Yahoo",
            _APP_OR_OAUTH,
            app_password_url="https://login.yahoo.com/myaccount/security/app-password",
            oauth_provider="yahoo",
            sentence="Yahoo refuses the account's own password in mail programs.",
        ),
        "imap.mail.yahoo.com pop.mail.yahoo.com smtp.mail.yahoo.com",
        domains="yahoo.com ymail.com rocketmail.com myyahoo.com yahoo.co.uk yahoo.fr yahoo.de yahoo.it yahoo.es yahoo.ca yahoo.in"
        " yahoo.co.in yahoo.com.br yahoo.com.ar yahoo.com.mx yahoo.com.au yahoo.com.sg yahoo.com.hk yahoo.com.tw yahoo.com.ph"
        " yahoo.com.vn yahoo.co.id yahoo.ie yahoo.gr yahoo.pl yahoo.ro yahoo.se yahoo.no yahoo.dk",
        mx="yahoodns.net",
    ),
    _usual(
        ProviderNotes("Yahoo! JAPAN", _PASSWORD, sentence=_SWITCHED_OFF, pop3_off=True),
        "imap.mail.yahoo.co.jp pop.mail.yahoo.co.jp smtp.mail.yahoo.co.jp",
        domains="yahoo.co.jp ymail.ne.jp",
        local_user=True,
    ),
    _usual(
        ProviderNotes(
            "AOL",
            _APP_PASSWORD,
            app_password_url="https://login.aol.com/myaccount/security/app-password",
            sentence="AOL refuses the account's own password in mail programs.",
        ),
        "imap.aol.com pop.aol.com smtp.aol.com",
        domains="aol.com aim.com aol.de aol.fr aol.co.uk love.com games.com wow.com verizon.net",
    ),
    _usual(
        ProviderNotes(
            "iCloud",
            _APP_PASSWORD,
            app_password_url="https://account.apple.com/account/manage",
            sentence="Apple wants an app-specific password, and has no POP3.",
        ),
        "imap.mail.me.com - -",
        domains="icloud.com me.com mac.com",
        mx="mail.icloud.com",
        submission=_starttls("smtp.mail.me.com"),
    ),
    _usual(
        ProviderNotes(
            "GMX",
            _PASSWORD_OR_APP,
            mail_settings_url="https://www.gmx.net/",
            pop3_off=True,
            sentence=f"{_SWITCHED_OFF} With two-factor sign-in it wants an app password.",
        ),
        "imap.gmx.net pop.gmx.net mail.gmx.net",
        domains="gmx.de gmx.net gmx.at gmx.ch gmx.eu gmx.org",
        mx="gmx.net",
    ),
    _usual(
        ProviderNotes(
            "GMX", _PASSWORD_OR_APP, mail_settings_url="https://www.gmx.com/", pop3_off=True, sentence=_SWITCHED_OFF
        ),
        "imap.gmx.com pop.gmx.com mail.gmx.com",
        domains="gmx.com gmx.us gmx.co.uk gmx.fr gmx.es",
        submission=_starttls("mail.gmx.com"),
    ),
    _usual(
        ProviderNotes(
            "mail.com",
            _PASSWORD_OR_APP,
            mail_settings_url="https://www.mail.com/",
            pop3_off=True,
            sentence=_SWITCHED_OFF,
        ),
        "imap.mail.com pop.mail.com smtp.mail.com",
        domains="mail.com email.com usa.com europe.com post.com consultant.com engineer.com",
        submission=_starttls("smtp.mail.com"),
    ),
    _usual(
        ProviderNotes(
            "WEB.DE",
            _PASSWORD_OR_APP,
            mail_settings_url="https://web.de/",
            pop3_off=True,
            sentence=f"{_SWITCHED_OFF} With two-factor sign-in it wants an app password.",
        ),
        "imap.web.de pop3.web.de smtp.web.de",
        domains="web.de email.de",
        submission=_starttls("smtp.web.de"),
    ),
    _usual(
        ProviderNotes(
            "T-Online",
            _APP_PASSWORD,
            app_password_url="https://account.idm.telekom.com/",
            sentence="Telekom wants the password for mail programs, which you set beside the one of your Telekom login.",
        ),
        "secureimap.t-online.de securepop.t-online.de securesmtp.t-online.de",
        domains="t-online.de magenta.de",
    ),
    _usual(
        ProviderNotes("freenet", _PASSWORD, sentence=_SWITCHED_OFF, pop3_off=True),
        "mx.freenet.de",
        domains="freenet.de",
        submission=_starttls("mx.freenet.de"),
    ),
    _usual(
        ProviderNotes("Posteo", _PASSWORD_OR_APP),
        "posteo.de",
        domains="posteo.de posteo.net posteo.org posteo.eu posteo.at posteo.ch posteo.me",
    ),
    _usual(
        ProviderNotes("mailbox.org", _PASSWORD_OR_APP),
        "imap.mailbox.org pop3.mailbox.org smtp.mailbox.org",
        domains="mailbox.org",
        mx="mailbox.org",
    ),
    _usual(
        ProviderNotes(
            "Fastmail",
            _APP_PASSWORD,
            app_password_url="https://app.fastmail.com/settings/security",
            sentence="Fastmail wants an app password for mail programs.",
        ),
        "imap.fastmail.com pop.fastmail.com smtp.fastmail.com",
        domains="fastmail.com fastmail.fm fastmail.net fastmail.org fastmail.de fastmail.co.uk sent.com messagingengine.com"
        " fastmail.us fastmail.jp fastmail.in eml.cc imap.cc 123mail.org",
        mx="messagingengine.com",
    ),
    *(
        provider
        for top in ("com", "eu")
        for provider in (
            _usual(_zoho(top), f"imap.zoho.{top} pop.zoho.{top} smtp.zoho.{top}", domains=f"zoho.{top} zohomail.{top}"),
            _usual(
                _zoho(top),
                f"imappro.zoho.{top} poppro.zoho.{top} smtppro.zoho.{top}",
                mx=f"mx.zoho.{top} mx2.zoho.{top} mx3.zoho.{top}",
            ),
        )
    ),
    Provider(
        ProviderNotes(
            "Proton Mail",
            _APP_PASSWORD,
            app_password_url="https://proton.me/mail/bridge",
            sentence="Proton Mail is reached through its Bridge, a program of Proton's for this computer. Start it first; the user"
            " name and the password are those that it shows.",
        ),
        ("proton.me", "protonmail.com", "protonmail.ch", "pm.me"),
        ("protonmail.ch",),
        imap=_starttls("127.0.0.1", 1143),
        smtp=_starttls("127.0.0.1", 1025),
    ),
    Provider(
        ProviderNotes(
            "Tuta", (), sentence="Tuta has neither IMAP nor POP3: its mail can be read with its own programs only."
        ),
        ("tuta.com", "tuta.io", "tutanota.com", "tutanota.de", "tutamail.com", "keemail.me"),
        ("tutanota.de",),
    ),
    _usual(
        ProviderNotes(
            "Yandex",
            _APP_OR_OAUTH[:1],
            app_password_url="https://id.yandex.com/security/app-passwords",
            mail_settings_url="https://mail.yandex.com/#setup/client",
            pop3_off=True,
            sentence=f"{_SWITCHED_OFF} It wants an app password for mail.",
        ),
        "imap.yandex.com pop.yandex.com smtp.yandex.com",
        domains="yandex.com yandex.ru ya.ru yandex.by yandex.kz yandex.ua",
        mx="mx.yandex.net mx.yandex.ru",
    ),
    _usual(
        ProviderNotes(
            "Mail.ru",
            _APP_PASSWORD,
            app_password_url="https://account.mail.ru/user/2-step-auth/passwords/",
            sentence="Mail.ru wants a password for external applications.",
        ),
        "imap.mail.ru pop.mail.ru smtp.mail.ru",
        domains="mail.ru inbox.ru list.ru bk.ru internet.ru",
        mx="mxs.mail.ru emx.mail.ru",
    ),
    _usual(
        ProviderNotes("Rambler", _PASSWORD, sentence=_SWITCHED_OFF, pop3_off=True),
        "imap.rambler.ru pop.rambler.ru smtp.rambler.ru",
        domains="rambler.ru lenta.ru autorambler.ru myrambler.ru ro.ru",
    ),
    _usual(
        ProviderNotes(
            "UKR.NET", _APP_PASSWORD, sentence="UKR.NET wants a password made for mail programs.", pop3_off=True
        ),
        "imap.ukr.net pop3.ukr.net smtp.ukr.net",
        domains="ukr.net",
    ),
    _usual(
        ProviderNotes(
            "QQ Mail",
            _APP_PASSWORD,
            app_password_url="https://wx.mail.qq.com/account",
            pop3_off=True,
            sentence=f"{_SWITCHED_OFF} It wants the authorization code that it shows then, in place of the password.",
        ),
        "imap.qq.com pop.qq.com smtp.qq.com",
        domains="qq.com vip.qq.com foxmail.com",
    ),
    *(
        _usual(
            ProviderNotes(
                f"NetEase {domain}",
                _APP_PASSWORD,
                app_password_url=f"https://mail.{domain}/",
                pop3_off=True,
                sentence=f"{_SWITCHED_OFF} It wants the authorization code that it shows then, in place of the password.",
            ),
            f"imap.{domain} pop.{domain} smtp.{domain}",
            domains=domain,
        )
        for domain in ("163.com", "126.com", "yeah.net")
    ),
    _usual(
        ProviderNotes("Sina", _APP_PASSWORD, sentence=_SWITCHED_OFF, pop3_off=True),
        "imap.sina.com pop.sina.com smtp.sina.com",
        domains="sina.com",
    ),
    _usual(
        ProviderNotes(
            "Naver",
            _PASSWORD_OR_APP,
            mail_settings_url="https://mail.naver.com/",
            pop3_off=True,
            sentence=f"{_SWITCHED_OFF} With two-step sign-in it wants an application password.",
        ),
        "imap.naver.com pop.naver.com smtp.naver.com",
        domains="naver.com",
    ),
    _usual(
        ProviderNotes("Daum", _APP_PASSWORD, pop3_off=True, sentence=f"{_SWITCHED_OFF} It wants an app password."),
        "imap.daum.net pop.daum.net smtp.daum.net",
        domains="daum.net hanmail.net",
    ),
    _usual(
        ProviderNotes("Orange", _PASSWORD),
        "imap.orange.fr pop.orange.fr smtp.orange.fr",
        domains="orange.fr wanadoo.fr",
    ),
    _usual(
        ProviderNotes("Free", _PASSWORD), "imap.free.fr pop.free.fr smtp.free.fr", domains="free.fr", local_user=True
    ),
    _usual(
        ProviderNotes("La Poste", _PASSWORD),
        "imap.laposte.net pop.laposte.net smtp.laposte.net",
        domains="laposte.net",
        local_user=True,
    ),
    _usual(
        ProviderNotes("SFR", _PASSWORD),
        "imap.sfr.fr pop.sfr.fr smtp.sfr.fr",
        domains="sfr.fr neuf.fr cegetel.net club-internet.fr",
    ),
    _usual(
        ProviderNotes("Libero", _PASSWORD_OR_APP),
        "imapmail.libero.it popmail.libero.it smtp.libero.it",
        domains="libero.it inwind.it iol.it blu.it giallo.it",
    ),
    _usual(
        ProviderNotes("Aruba", _PASSWORD),
        "imaps.aruba.it pop3s.aruba.it smtps.aruba.it",
        domains="aruba.it technet.it",
        mx="mx.aruba.it aruba.it",
    ),
    _usual(
        ProviderNotes("WP", _PASSWORD_OR_APP, pop3_off=True, sentence=_SWITCHED_OFF),
        "imap.wp.pl pop3.wp.pl smtp.wp.pl",
        domains="wp.pl",
        local_user=True,
    ),
    _usual(
        ProviderNotes("Onet", _PASSWORD_OR_APP, pop3_off=True, sentence=_SWITCHED_OFF),
        "imap.poczta.onet.pl pop3.poczta.onet.pl smtp.poczta.onet.pl",
        domains="onet.pl op.pl onet.eu poczta.onet.pl poczta.onet.eu vp.pl onet.com.pl",
    ),
    _usual(
        ProviderNotes("Interia", _PASSWORD, pop3_off=True, sentence=_SWITCHED_OFF),
        "poczta.interia.pl",
        domains="interia.pl interia.eu poczta.fm intmail.pl",
    ),
    _usual(
        ProviderNotes("Seznam", _PASSWORD_OR_APP),
        "imap.seznam.cz pop3.seznam.cz smtp.seznam.cz",
        domains="seznam.cz email.cz post.cz spoluzaci.cz",
    ),
    _usual(
        ProviderNotes("Bluewin", _PASSWORD),
        "imaps.bluewin.ch pop3s.bluewin.ch smtpauths.bluewin.ch",
        domains="bluewin.ch",
    ),
    _usual(
        ProviderNotes(
            "Xfinity",
            _PASSWORD,
            sentence="Comcast takes mail programs only after “Third Party Access Security” is allowed.",
        ),
        "imap.comcast.net mail.comcast.net smtp.comcast.net",
        domains="comcast.net",
        submission=_starttls("smtp.comcast.net"),
    ),
    _usual(
        ProviderNotes(
            "AT&T",
            _APP_PASSWORD,
            app_password_url="https://www.att.com/my/#/passthrough/overview",
            sentence="AT&T wants a secure mail key in place of the password.",
        ),
        "imap.mail.att.net inbound.att.net smtp.mail.att.net",
        domains="att.net sbcglobal.net bellsouth.net pacbell.net ameritech.net swbell.net",
    ),
    _usual(
        ProviderNotes("BT", _PASSWORD),
        "mail.btinternet.com",
        domains="btinternet.com btopenworld.com talk21.com",
    ),
    _usual(
        ProviderNotes("Virgin Media", _PASSWORD_OR_APP),
        "imap.virginmedia.com pop3.virginmedia.com smtp.virginmedia.com",
        domains="virginmedia.com",
    ),
    _usual(ProviderNotes("Runbox", _PASSWORD_OR_APP), "mail.runbox.com", domains="runbox.com", mx="runbox.com"),
    _usual(ProviderNotes("Migadu", _PASSWORD), "imap.migadu.com pop.migadu.com smtp.migadu.com", mx="migadu.com"),
    _usual(
        ProviderNotes("IONOS", _PASSWORD),
        "imap.ionos.de pop.ionos.de smtp.ionos.de",
        mx="kundenserver.de ionos.de",
    ),
    _usual(
        ProviderNotes("IONOS", _PASSWORD),
        "imap.ionos.com pop.ionos.com smtp.ionos.com",
        mx="perfora.net ionos.com",
    ),
    _usual(ProviderNotes("OVHcloud", _PASSWORD), "ssl0.ovh.net", mx="mail.ovh.net"),
    _usual(ProviderNotes("Gandi", _PASSWORD), "mail.gandi.net", mx="mail.gandi.net"),
    _usual(ProviderNotes("Rackspace", _PASSWORD), "secure.emailsrvr.com", mx="emailsrvr.com"),
    _usual(ProviderNotes("STRATO", _PASSWORD), "imap.strato.de pop3.strato.de smtp.strato.de", mx="rzone.de"),
    _usual(
        ProviderNotes("Infomaniak", _PASSWORD_OR_APP),
        "mail.infomaniak.com",
        domains="ik.me ikmail.com etik.com",
        mx="infomaniak.ch",
    ),
    _usual(ProviderNotes("Private Email", _PASSWORD), "mail.privateemail.com", mx="privateemail.com"),
    _usual(
        ProviderNotes("Hostinger", _PASSWORD),
        "imap.hostinger.com pop.hostinger.com smtp.hostinger.com",
        mx="hostinger.com",
    ),
)

_BY_DOMAIN = {domain: provider for provider in PROVIDERS for domain in provider.domains}
_BY_SERVER = {
    server.host: provider
    for provider in reversed(PROVIDERS)
    for server in (provider.imap, provider.pop3, provider.smtp)
    if server is not None and server.host != "127.0.0.1"
}
_BY_EXCHANGER = tuple((ending, provider) for provider in PROVIDERS for ending in provider.mx)
