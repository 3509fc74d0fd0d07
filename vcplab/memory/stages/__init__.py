"""The stages of a retrieval pipeline: query, lane, fusion, ranking."""
