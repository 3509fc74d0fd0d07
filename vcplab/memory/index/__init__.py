"""Index structures behind the LexicalIndex and DenseIndex ports."""
