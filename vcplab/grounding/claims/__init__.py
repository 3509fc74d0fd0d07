"""What a response asserts, piece by piece, and where its sources speak of it."""

from vcplab.grounding.claims.clauses import Claim, claims_of, sentences_of
from vcplab.grounding.claims.evidence import EvidenceFinder
from vcplab.grounding.claims.windows import SourceIndex, index_of

__all__ = ["Claim", "EvidenceFinder", "SourceIndex", "claims_of", "index_of", "sentences_of"]
