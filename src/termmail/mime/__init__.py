"""Bytes to model and back; never raises on bad mail; the only importer of html2text."""
