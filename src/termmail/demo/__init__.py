"""The embedded provider of `termmail demo`, a process of its own, with sample mail."""
