"""Formats and ports: what the rooms say to each other and to VCP peers."""
