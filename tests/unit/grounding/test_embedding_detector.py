import pytest

from vcplab.core.errors import InvalidInputError
from vcplab.grounding.detectors.embedding import EmbeddingDetector
from vcplab.models.embedding.hashing import HashEmbedder
from vcplab.protocol.grounding import Sample
from vcplab.protocol.ports import Detector

SOURCE = "The mill opened in 2017. Its wheel is made of oak. Visitors come on Sundays."


class Counting:
    def __init__(self, languages=None):
        self.inner = HashEmbedder()
        self.name = "counting"
        self.fingerprint = "counting-1"
        self.dimension = self.inner.dimension
        self.languages = languages
        self.documents = []

    def embed_documents(self, texts):
        self.documents.append(list(texts))
        return self.inner.embed_documents(texts)

    def embed_queries(self, texts):
        return self.inner.embed_queries(texts)


def test_near_and_far():
    detector = EmbeddingDetector(HashEmbedder())
    assert isinstance(detector, Detector)
    near, far = detector.detect(
        [
            Sample("a", "The wheel is made of oak.", (SOURCE,)),
            Sample("b", "The mill opened in 2017. Purple zebras juggle quietly.", (SOURCE,)),
        ]
    )
    assert near.p < 0.3 < 0.7 < far.p
    (finding,) = far.findings
    assert (finding.start, finding.end) == (25, 54)
    proof = finding.evidence[0]
    assert SOURCE[proof.start : proof.end] == proof.text
    assert tuple(far.features) == detector.names
    assert not detector.calibrated


def test_windows_join_sentences():
    sample = Sample("s", "The mill opened in 2017 and its wheel is made of oak.", (SOURCE,))
    one, two = (
        EmbeddingDetector(HashEmbedder(), width=width).detect([sample])[0] for width in (1, 2)
    )
    assert two.features["embedding.min"] > one.features["embedding.min"]
    assert two.features["embedding.single"] == one.features["embedding.min"]


def test_sources_are_encoded_once_and_forgotten_in_turn():
    embedder = Counting()
    detector = EmbeddingDetector(embedder, cached=1)
    samples = [Sample(str(n), f"Sentence {n}.", (SOURCE,)) for n in range(3)]
    detector.detect(samples)
    detector.detect(samples)
    assert len(embedder.documents) == 1
    detector.detect([Sample("x", "Other.", ("Another source.",))])
    detector.detect(samples)
    assert len(embedder.documents) == 3


def test_abstention():
    detector = EmbeddingDetector(Counting(frozenset({"en"})))
    said = detector.detect(
        [
            Sample("a", "It rained."),
            Sample("b", "…", (SOURCE,)),
            Sample("c", "磨坊开业了。", (SOURCE,)),
            Sample("d", "It opened.", ("磨坊开业了。",)),
        ]
    )
    assert [verdict.p for verdict in said] == [None] * 4
    assert said[0].abstained == "There is no context."
    assert said[2].abstained == "counting does not read the response's language zh."
    assert "context" in said[3].abstained


def test_fitting(tmp_path):
    samples = [
        Sample(
            str(at),
            "Purple zebras juggle quietly." if at % 2 else "The wheel is made of oak.",
            (SOURCE,),
            label=bool(at % 2),
            group=str(at // 2),
        )
        for at in range(20)
    ]
    plain = EmbeddingDetector(HashEmbedder())
    fitted = plain.fit(samples)
    low, high = fitted.detect(samples[:2])
    assert low.p < 0.5 < high.p
    fitted.save(tmp_path / "model.json")
    assert plain.load(tmp_path / "model.json").detect(samples[:1])[0].p == low.p
    with pytest.raises(InvalidInputError):
        plain.fit([Sample("s", "x")])
    with pytest.raises(InvalidInputError):
        EmbeddingDetector(HashEmbedder(), width=0)
