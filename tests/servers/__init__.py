"""Real mail servers on loopback for the tests: Dovecot, pymap, scripted ones, a proxy that makes trouble, mbsync as referee."""
