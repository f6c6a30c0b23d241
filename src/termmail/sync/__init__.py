"""Brings store and servers together: plan (pure), IMAP, replay of the journal, bodies."""
