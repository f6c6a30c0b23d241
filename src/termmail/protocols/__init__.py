"""The only importers of imapclient, poplib and smtplib; know neither store nor UI."""
