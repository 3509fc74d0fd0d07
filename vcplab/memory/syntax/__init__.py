"""The query language of DeepMemo: text → tree → query of an index (docs/query-language.md)."""

from vcplab.memory.syntax.compile import compile_query, compile_with_notices
from vcplab.memory.syntax.errors import QuerySyntaxError
from vcplab.memory.syntax.parser import parse
from vcplab.memory.syntax.tree import AnyOf, Boosted, Excluded, Phrase, QueryTree, Word

__all__ = [
    "AnyOf",
    "Boosted",
    "Excluded",
    "Phrase",
    "QuerySyntaxError",
    "QueryTree",
    "Word",
    "compile_query",
    "compile_with_notices",
    "parse",
]
