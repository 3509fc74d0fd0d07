"""Where a corpus keeps its documents and indexes: in memory, or in a folder on disk."""
