"""The tag network: a graph of tags that occur together, and energy that spreads over it."""
