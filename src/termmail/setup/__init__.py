"""Checks of an account's servers: what `account test` and later the wizard ask."""
