"""Rerankers (a query and documents to scores): local cross-encoders and HTTP services."""

from vcplab.models.reranking.cross_encoder import CrossEncoder
from vcplab.models.reranking.dialects import DIALECTS, Dialect, Slot
from vcplab.models.reranking.http import HTTPReranker
from vcplab.models.reranking.lists import score_lists

__all__ = ["DIALECTS", "CrossEncoder", "Dialect", "HTTPReranker", "Slot", "score_lists"]
