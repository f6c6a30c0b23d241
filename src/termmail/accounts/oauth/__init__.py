"""Signing in by OAuth 2: the providers, their servers, and the tokens they give."""
