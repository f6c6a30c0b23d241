"""termmail: an e-mail client for the terminal that works offline and speaks IMAP, POP3 and SMTP."""

__version__ = "0.1.0"
