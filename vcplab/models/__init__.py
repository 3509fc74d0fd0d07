"""Models from outside: embedders now, chat models and rerankers with their issues."""
