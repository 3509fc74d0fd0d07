"""The network: one loopback listener on which rooms mount."""
