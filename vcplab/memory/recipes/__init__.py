"""The named memory engines, each a short composition of stages."""
