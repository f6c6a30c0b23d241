"""The config file and the credentials (keyring, command, session)."""
