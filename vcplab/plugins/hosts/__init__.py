"""Hosts: what runs a plugin. The manager never asks which dialect it came from."""
