"""Plugins of every VCP dialect: read, trusted, called, watched and written."""
