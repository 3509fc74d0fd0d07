"""Ways in which energy spreads over a tag kernel; each a named value that can be ablated."""

from vcplab.memory.tags.spreading.base import Spread
from vcplab.memory.tags.spreading.bfs import BreadthFirst
from vcplab.memory.tags.spreading.none import NoSpread
from vcplab.memory.tags.spreading.ppr import PageRank
from vcplab.memory.tags.spreading.spikes import Spikes

__all__ = ["BreadthFirst", "NoSpread", "PageRank", "Spikes", "Spread"]
