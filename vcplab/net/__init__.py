"""The net: what listens on the loopback, and what dials out to servers."""
