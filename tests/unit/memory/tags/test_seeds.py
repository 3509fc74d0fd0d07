"""Seeds: words, ghost tags, documents, vectors; pyramid, axes and synonyms."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

import vcplab as vl
from vcplab.core.errors import InvalidInputError
from vcplab.memory.index.ports import Ranking
from vcplab.memory.stages.state import Query
from vcplab.memory.tags.network import TagNetwork
from vcplab.memory.tags.seeds import Seeds, TagTerms, ghost_tags
from vcplab.memory.tags.spreading import NoSpread
from vcplab.memory.tags.spreading.epa import EPA, EPASignals
from vcplab.memory.tags.spreading.pyramid import NearestTags, Pyramid, ResidualPyramid
from vcplab.memory.tags.synonyms import Synonyms
from vcplab.memory.tags.vectors import TagVectors
from vcplab.text.analysis import default_analyzer

DOCUMENTS = [
    vl.Document("d0", "考级推后", ("考级", "手腕", "骨科门诊")),
    vl.Document("d1", "复查", ("手腕", "家")),
    vl.Document("d2", "drill", ("restore drill", "backup", "家")),
    vl.Document("d3", "x", ("backup", "Backup", "家")),
    vl.Document("d4", "no tags"),
]


@pytest.fixture(scope="module")
def corpus():
    return vl.Corpus(DOCUMENTS)


def energies(corpus, text, found=None, **options):
    network = TagNetwork(NoSpread(), **options)
    return network.energies(corpus, [Query(text)], found)


def named(field, row=0):
    return {field.graph.names[at]: field.seeds[row, at] for at in np.flatnonzero(field.seeds[row])}


def test_words_find_tags_by_their_share_and_rarity(corpus):
    graph = energies(corpus, "").graph
    terms = TagTerms(graph, default_analyzer())
    covered = terms.covered("the restoring of 手腕 in 骨科门诊部")
    at = graph.places
    assert covered[at["手腕"]] == pytest.approx(1.0)
    assert covered[at["骨科门诊"]] == pytest.approx(1.0)
    assert 0 < covered[at["restore drill"]] < 1
    found = named(energies(corpus, "考级之后手腕怎么样"))
    assert set(found) == {"考级", "手腕"}
    # The port prefers the frequent tag; here the rarer one has more energy.
    assert found["考级"] > found["手腕"]
    assert sum(found.values()) == pytest.approx(1.0)
    flat = named(energies(corpus, "考级之后手腕怎么样", seeds=Seeds(specificity=0)))
    assert flat["考级"] == pytest.approx(flat["手腕"])
    assert not named(energies(corpus, "nothing of it"))


def test_ghost_tags(corpus):
    assert [(g.name, g.core) for g in ghost_tags("x [@backup] [@!手腕] [@ ] [@a[b]")] == [
        ("backup", False),
        ("手腕", True),
    ]
    seeds = Seeds(words=0, documents=0, core=3)
    found = named(energies(corpus, "[@backup] [@!手腕] [@unknown]", seeds=seeds))
    assert not named(energies(corpus, "[@unknown]", seeds=seeds))
    assert found == pytest.approx({"backup": 0.25, "手腕": 0.75})


def test_documents_found_first_give_their_tags(corpus):
    ranking = Ranking(np.array([1, 4, 2]), np.array([2.0, 1.5, 1.0]))
    seeds = Seeds(documents=1, feedback=2, specificity=0)
    field = energies(corpus, "nothing", [ranking], seeds=seeds)
    # The words found nothing: half of what was asked.
    assert named(field) == pytest.approx({"手腕": 0.9 / 2.8, "家": 0.5 / 2.8})
    assert field.certainty == pytest.approx([0.5])
    bold = dataclasses.replace(seeds, cautious=False)
    found = named(energies(corpus, "nothing", [ranking], seeds=bold))
    assert found == pytest.approx({"手腕": 0.9 / 1.4, "家": 0.5 / 1.4})
    mixed = named(energies(corpus, "考级", [ranking], seeds=seeds))
    assert mixed["考级"] == pytest.approx(0.5)


def test_vectors_need_a_known_language(corpus):
    seeds = Seeds(words=0, documents=0, vector=1, nearest=NearestTags(3, 0.1))
    embedder = vl.HashEmbedder(64)
    found = named(energies(corpus, "backup", seeds=seeds, embedder=embedder))
    assert found["backup"] == found["Backup"] == max(found.values())

    class English(vl.HashEmbedder):
        version = "1"

        @property
        def languages(self):
            return frozenset({"en"})

    english = English(64)
    assert not named(energies(corpus, "手腕", seeds=seeds, embedder=english))
    only = named(energies(corpus, "backup 手腕 and a lot of it", seeds=seeds, embedder=english))
    assert "手腕" not in only
    with pytest.raises(InvalidInputError, match="fitted"):
        energies(corpus, "backup", seeds=seeds, embedder=vl.LSA(4))
    short = Query("backup", np.ones(3, np.float32))
    with pytest.raises(InvalidInputError, match="3 values"):
        TagNetwork(seeds=seeds, embedder=embedder).energies(corpus, [short])


def test_the_pyramid_explains_layer_by_layer():
    tags = TagVectors(np.eye(4), np.array([True, True, True, False]))
    vector = np.array([0.8, 0.6, 0.0, 0.0])
    pyramid = ResidualPyramid(levels=2, nearest=1)
    found = pyramid.taken_apart(vector, tags)
    assert found.contributions == pytest.approx({0: 0.8, 1: 0.7 * 0.6})
    assert found.coverage == pytest.approx(1.0)
    far = pyramid.taken_apart(np.array([0, 0, 0, 1.0]), tags)
    assert far.coverage == pytest.approx(0.0)
    assert far.novelty > found.novelty
    assert pyramid.taken_apart(np.zeros(4), tags) == Pyramid({}, 0.0, 0.0, 0.0)
    assert NearestTags(2, 0.1).seeds(vector, tags) == pytest.approx({0: 0.8, 1: 0.6})


def test_the_axes_know_focus():
    random = np.random.default_rng(0)
    matrix = random.normal(size=(300, 16)) * np.linspace(3, 0.2, 16)
    matrix /= np.linalg.norm(matrix, axis=1, keepdims=True)
    tags = TagVectors(matrix, np.ones(300, bool))
    epa = EPA(clusters=32)
    basis = epa.basis(tags)
    again = epa.basis(tags)
    assert np.array_equal(basis.axes, again.axes)
    assert np.allclose(basis.axes @ basis.axes.T, np.eye(len(basis.axes)), atol=1e-9)
    one = basis.signals(basis.centre + basis.axes[0])
    many = basis.signals(basis.centre + basis.axes.sum(axis=0))
    assert one.focus == pytest.approx(1.0)
    assert many.entropy == pytest.approx(1.0)
    two = basis.signals(basis.centre + basis.axes[0] + basis.axes[1])
    assert two.resonance == pytest.approx(0.5)
    pyramid = Pyramid({}, 1.0, 1.0, 1.0)
    assert epa.strength(0.3, one, pyramid) == pytest.approx(0.45)
    assert epa.strength(0.3, EPASignals(1.0, 0.0), pyramid) == pytest.approx(0.09)
    assert epa.strength(0.9, EPASignals(0.0, 5.0), pyramid) == 1.0
    empty = epa.basis(TagVectors(np.zeros((3, 4)), np.zeros(3, bool)))
    assert empty.signals(np.ones(4) / 2) == EPASignals(1.0, 0.0)


def test_synonyms_join_spellings_and_near_vectors(corpus):
    graph = energies(corpus, "").graph
    at = graph.places
    spelled = Synonyms(cosine=None).edges(graph, None)
    assert spelled.nnz == 2
    assert spelled[at["Backup"], at["backup"]] == 0.5
    matrix = np.zeros((len(graph), 2))
    matrix[at["手腕"]] = 1, 0
    matrix[at["骨科门诊"]] = 0.96, 0.28
    matrix[at["家"]] = 0, 1
    vectors = TagVectors(matrix, np.linalg.norm(matrix, axis=1) > 0)
    near = Synonyms(cosine=0.9, weight=1).edges(graph, vectors)
    assert near[at["手腕"], at["骨科门诊"]] == near[at["骨科门诊"], at["手腕"]]
    assert near[at["手腕"], at["骨科门诊"]] == pytest.approx(0.96)
    assert near[at["手腕"], at["家"]] == 0
    network = TagNetwork(synonyms=Synonyms(cosine=None))
    kernel = network.built(network.documents(corpus))
    plain = TagNetwork().built(network.documents(corpus))
    assert kernel.flow[at["Backup"], at["backup"]] > plain.flow[at["Backup"], at["backup"]]


def test_impossible_seeds_are_refused():
    for wrong in ({"words": -1}, {"cover": 0}, {"feedback": 0}, {"core": 0}):
        with pytest.raises(InvalidInputError):
            Seeds(**wrong)
    with pytest.raises(InvalidInputError):
        Seeds(words=0, documents=0, ghost=0)
    for wrong in (lambda: NearestTags(0), lambda: ResidualPyramid(fade=0), lambda: EPA(clusters=1)):
        with pytest.raises(InvalidInputError):
            wrong()
    with pytest.raises(InvalidInputError):
        Synonyms(cosine=2)
    with pytest.raises(InvalidInputError, match="Spread"):
        TagNetwork(spread=object())
