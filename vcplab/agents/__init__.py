"""Agents: who they are, where they are kept, and how they talk with each other."""
