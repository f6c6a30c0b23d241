"""The only importer of sqlite3 and the only writer of Maildir files."""
