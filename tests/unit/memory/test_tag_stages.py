"""TagLane, TagEnhance, TagField and TagMemo: what they find, and that explanations add up."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import vcplab as vl
from vcplab.core.errors import InvalidInputError
from vcplab.memory import Context, Query, State
from vcplab.memory.recipes.tag import TagMemo
from vcplab.memory.stages.tag_enhance import TagEnhance
from vcplab.memory.stages.tag_field import TagField
from vcplab.memory.stages.tags import TagLane
from vcplab.memory.tags.graph import TagOrder
from vcplab.memory.tags.kernel import Kernel
from vcplab.memory.tags.network import TagNetwork
from vcplab.memory.tags.potential import Chain, Settings, passage
from vcplab.memory.tags.seeds import Seeds
from vcplab.memory.tags.spreading import BreadthFirst, NoSpread, PageRank, Spikes
from vcplab.memory.tags.spreading.epa import EPA
from vcplab.memory.tags.spreading.pyramid import NearestTags, ResidualPyramid
from vcplab.memory.tags.synonyms import Synonyms

ROOT = Path(__file__).resolve().parents[3]
HASH = vl.HashEmbedder(64)
DOCUMENTS = [
    vl.Document("exam", "the exam was put off", ("exam", "wrist")),
    vl.Document("doctor", "rest for two weeks, he said", ("wrist", "clinic")),
    vl.Document("bill", "forty euros", ("clinic", "money")),
    vl.Document("tax", "the tax form", ("money", "office")),
    vl.Document("plain", "the exam of nothing"),
]
SPREADS = [NoSpread(), BreadthFirst(), Spikes(), PageRank(0.7)]


@pytest.fixture(scope="module")
def corpus():
    return vl.Corpus(DOCUMENTS)


def found(system, corpus, text="exam"):
    return [hit.docno for hit in system.on(corpus).search(text, 5)]


def test_energy_reaches_what_words_do_not(corpus):
    assert found(TagLane(TagNetwork(NoSpread())), corpus) == ["exam"]
    assert found(TagLane(TagNetwork(PageRank(0.7))), corpus) == ["exam", "doctor", "bill", "tax"]
    assert found(TagLane(TagNetwork(BreadthFirst(depth=1))), corpus) == ["exam", "doctor"]
    assert found(TagLane(), corpus, "nothing known") == []


def test_it_stands_beside_lanes_and_behind_a_list(corpus):
    beside = vl.BM25() + TagLane() >> vl.RRF()
    assert set(found(beside, corpus)) == {"exam", "plain", "doctor", "bill", "tax"}
    behind = vl.BM25() >> TagLane() >> vl.Convex(weights=(0.7, 0.3))
    assert found(behind, corpus)[0] == "exam"
    # "forty" names no tag, but the document found for it has some.
    assert "doctor" in found(behind, corpus, "forty euros")
    assert "doctor" not in found(beside, corpus, "forty euros")
    with pytest.raises(InvalidInputError, match="2 ranked lists"):
        (vl.BM25() >> TagLane()).on(corpus)
    with pytest.raises(InvalidInputError, match="takes one ranked list"):
        vl.BM25() + vl.BM25(b=0) >> TagLane()
    gated = behind >> vl.Top(3)
    states = []
    context = Context(corpus, 5, watch=lambda stage, before, after: states.append(after))
    gated._run(State.start((Query("exam"),)), context)
    assert [lane.name for lane in states[-1].evidence] == ["BM25", "TagLane(PageRank)"]


def test_the_best_document_has_the_certainty_of_the_query(corpus):
    behind = vl.BM25() >> TagLane() >> vl.Convex(weights=(0.5, 0.5))
    memory = behind.on(corpus)

    def best(text):
        accounts = [memory.why(text, doc.id).accounts for doc in DOCUMENTS]
        return max([a for a in own if a.kind == "lane"][-1].score for own in accounts)

    assert best("exam") == pytest.approx(1.0)
    assert best("forty euros") == pytest.approx(0.6 / 1.6)  # the words found nothing
    assert best("unheard of") == 0


def test_filters_before_it_hold(corpus):
    lane = vl.Filter(vl.field("tags").contains("clinic")) >> TagLane(TagNetwork(PageRank(0.7)))
    assert found(lane, corpus) == ["doctor", "bill"]


@pytest.mark.parametrize("spread", SPREADS, ids=repr)
def test_tags_add_up_to_the_lane_and_lanes_to_the_score(corpus, spread):
    memo = TagMemo(vl.LightMemo(embedder=HASH), spread=spread)
    memory = memo.on(corpus)
    for hit in memory.search("exam money", 5):
        why = memory.why("exam money", hit.docno)
        (lane,) = [a for a in why.accounts if a.stage.startswith("TagLane") and a.kind == "lane"]
        assert sum(share for _, share in lane.terms) == pytest.approx(lane.score, abs=1e-9)
        (lexical,) = [a for a in why.accounts if a.stage == "BM25" and a.kind == "lane"]
        assert sum(share for _, share in lexical.terms) == pytest.approx(lexical.score, abs=1e-9)
        last = [a for a in why.accounts if a.stage == why.accounts[-1].stage]
        parts = sum(a.contribution for a in last if a.lane and a.contribution is not None)
        assert parts == pytest.approx(hit.score, abs=1e-9)
        assert why.accounts[-1].score == pytest.approx(hit.score, abs=1e-9)


def test_the_path_leads_from_a_seed_to_the_strongest_tag(corpus):
    memory = TagLane(TagNetwork(PageRank(0.7))).on(corpus)
    (account,) = memory.why("exam", "bill").accounts
    assert [name for name, _ in account.path] == ["exam", "wrist", "clinic"]
    energies = [energy for _, energy in account.path]
    assert energies == sorted(energies, reverse=True)
    assert "exam → wrist → clinic (from the query's words)" in account.reason
    assert account.terms[0][0] == "clinic"
    (none,) = memory.why("exam", "plain").accounts
    assert none.reason == "no energy reaches its tags"
    assert none.path == none.terms == ()
    frame = memory.why("exam", "bill").to_frame()
    assert frame.terms[0][0][0] == "clinic"


@pytest.mark.parametrize("vectors", [False, True])
def test_the_field_adds_to_the_score(corpus, vectors):
    base = vl.BM25() >> TagLane() >> vl.Convex(weights=(0.7, 0.3))
    memory = (base >> TagField(vectors=vectors, network=TagNetwork(embedder=HASH))).on(corpus)
    before = {hit.docno: hit.score for hit in base.on(corpus).search("exam", 5)}
    raised = 0
    for hit in memory.search("exam", 5):
        accounts = memory.why("exam", hit.docno).accounts
        field = [a for a in accounts if a.stage.startswith("TagField")]
        assert [a.lane for a in field] == [field[0].lane, "field", ""]
        total = field[0].contribution + field[1].contribution
        assert total == pytest.approx(hit.score, abs=1e-9)
        assert field[0].contribution == pytest.approx(before[hit.docno], abs=1e-9)
        assert 0 <= field[1].contribution <= 0.18 * max(before.values()) + 1e-12
        assert field[2].before_score == pytest.approx(before[hit.docno])
        raised += field[1].contribution > 0
    assert raised >= 2
    short = (base >> TagField(k=1)).on(corpus)
    reasons = [a.reason for a in short.why("exam", "bill").accounts if a.lane == "field"]
    assert reasons == ["not among the candidates that are reranked"]


def test_replacing_stages_tell_old_and_new(corpus):
    memory = (TagLane(TagNetwork(PageRank(0.7))) >> vl.Decay("30d", undated="floor")).on(corpus)
    last = memory.why("exam", "doctor").accounts[-1]
    assert last.before_score == pytest.approx(2 * last.score)
    assert last.before_rank == 1
    assert last.reason.startswith("score ")
    assert "rank 1 → 1" in last.reason


unit = st.floats(0, 1)
chains = st.integers(1, 6).flatmap(
    lambda n: st.tuples(
        st.lists(unit, min_size=n, max_size=n),
        st.lists(unit, min_size=n, max_size=n),
        st.lists(st.floats(0.35, 1), min_size=n, max_size=n),
        st.lists(st.booleans(), min_size=n, max_size=n),
        st.lists(unit, min_size=n - 1, max_size=n - 1),
        st.lists(unit, min_size=n - 1, max_size=n - 1),
    )
)


@given(chains)
@settings(max_examples=80)
def test_every_part_of_a_passage_is_a_share(parts):
    made = passage(Chain(*map(np.array, parts)), Settings(0.5, 2, 4, 0.04, 0.14, 0.035, 0.2))
    if made is None:
        assert max(parts[0]) < 0.04
        return
    for name in ("mean", "peak", "continuity", "action", "closure", "coverage", "evidence"):
        assert -1e-12 <= getattr(made, name) <= 1 + 1e-12, name
    assert 0 <= made.isolated <= 1 + 1e-12
    assert -1e-12 <= made.geometry <= made.confidence <= 1 + 1e-12
    assert 0 <= TagField().bonus(made) <= 0.18


def test_enhancing_moves_the_vector_and_asks_for_names(corpus):
    stage = TagEnhance(TagNetwork(PageRank(0.7), embedder=HASH), vector=0.5, terms=0.4)
    after = stage._run(State.start((Query("exam"), Query("nothing"))), Context(corpus, 5))
    first, second = after.queries
    wrist = HASH.embed_documents(["wrist"])[0]
    plain = HASH.embed_queries(["exam"])[0]
    assert first.embedding @ wrist > plain @ wrist
    assert np.linalg.norm(first.embedding) == pytest.approx(1.0, abs=1e-6)
    assert set(first.terms) >= {"wrist", "clinic"}
    assert first.terms["wrist"] > first.terms["clinic"] > 0
    assert "exam" not in first.terms
    assert second.embedding is None
    assert not second.terms
    memory = (stage >> vl.LightMemo(embedder=HASH)).on(corpus)
    account = memory.why("exam", "doctor").accounts[0]
    assert "moves the vector" in account.reason
    assert account.terms[0][0] == "wrist"
    still = dataclasses.replace(stage, vector=0.0, terms=0.0)
    assert still._run(State.start((Query("exam"),)), Context(corpus, 5)).queries[0] == Query("exam")
    adapted = dataclasses.replace(stage, strength=EPA(clusters=2))
    moved = adapted._run(State.start((Query("exam"),)), Context(corpus, 5)).queries[0].embedding
    assert np.linalg.norm(moved) == pytest.approx(1.0, abs=1e-6)


def test_tagmemo_is_a_short_composition(corpus):
    memo = TagMemo(vl.BM25())
    lane = TagLane(TagNetwork(memo.spread, memo.seeds, memo.kernel))
    same = vl.BM25() >> lane >> vl.Convex(weights=(1 - memo.tag_weight, memo.tag_weight))
    for text in ("exam", "money", "forty euros"):
        first, second = memo.on(corpus).search(text, 5), same.on(corpus).search(text, 5)
        assert [(h.docno, h.score) for h in first] == [(h.docno, h.score) for h in second]
    full = TagMemo(vl.LightMemo(embedder=HASH), enhance=True, field=True, embedder=HASH)
    names = [type(part).__name__ for part in full.stages().parts]
    assert names == ["TagEnhance", "LightMemo", "TagLane", "Convex", "TagField"]
    assert full.set_params(spread__walk=0.3).spread == PageRank(0.3)
    assert full.fingerprint != memo.fingerprint
    assert TagMemo(vl.BM25(), spread=Spikes()).fingerprint != memo.fingerprint


def test_search_and_run_agree_and_a_new_memory_is_found_at_once():
    corpus = vl.Corpus(DOCUMENTS)
    memory = TagMemo(vl.BM25(), field=True).on(corpus)
    texts = ["exam", "money office", "forty", "nothing", "wrist clinic"]
    frame = memory.run(texts, 5).frame
    for number, text in enumerate(texts):
        rows = frame[frame.qid == str(number + 1)]
        hits = memory.search(text, 5)
        assert rows.docno.tolist() == [hit.docno for hit in hits]
        assert rows.score.tolist() == [hit.score for hit in hits]
    corpus.add(vl.Document("new", "it is sold", ("exam", "piano")))
    assert "new" in [hit.docno for hit in memory.search("exam", 5)]
    corpus.delete("new")
    assert memory.run(texts, 5).frame.equals(frame)
    untagged = vl.Corpus([vl.Document("a", "exam")])
    hits = TagMemo(vl.BM25()).on(untagged).search("exam")
    assert [hit.docno for hit in hits] == ["a"]
    assert any("No document has tags" in notice for notice in hits.notices)


def test_impossible_parameters_are_refused():
    for wrong in (
        lambda: TagMemo(tag_weight=1.0),
        lambda: TagMemo(base="LightMemo"),
        lambda: TagMemo(base=vl.BM25() + vl.BM25(b=0)),
        lambda: TagMemo(top_k=0),
        lambda: TagMemo(source="words"),
        lambda: TagLane(candidates=0),
        lambda: TagLane(length=-1),
        lambda: TagLane(network=Seeds()),
        lambda: TagEnhance(vector=2),
        lambda: TagField(floor=0.5),
    ):
        with pytest.raises(InvalidInputError):
            wrong()


def test_the_table_of_parameters_names_real_ones():
    text = (ROOT / "docs" / "tagmemo.md").read_text(encoding="utf-8")
    classes = (TagOrder, Kernel, Synonyms, Seeds, Spikes, PageRank, EPA, ResidualPyramid)
    classes += (NearestTags, TagEnhance, TagField)
    seen = set()
    for kind in classes:
        known = {field.name for field in dataclasses.fields(kind)}
        for names in re.findall(rf"`{kind.__name__}\(([a-z_, ]+)\)`", text):
            assert set(names.split(", ")) <= known, (kind, names)
            seen |= {(kind, name) for name in names.split(", ")}
    # Everything of upstream's spikes and geodesic rerank that is here is in the table.
    for kind, others in ((Spikes, set()), (TagField, {"network", "vectors", "fields", "label"})):
        missing = {field.name for field in dataclasses.fields(kind)} - others - {"label"}
        missing -= {name for owner, name in seen if owner is kind}
        assert not missing, (kind, missing)


def test_on_the_diaries_it_finds_what_is_one_tag_away():
    """Train queries only; without a model. The figures out of fold are the benchmark's."""
    data = vl.datasets.load("diaries", split="train").filter(class_=["tag_hop", "entity"])
    systems = {"base": vl.BM25(), "none": TagMemo(vl.BM25(), spread=NoSpread())}
    systems["ppr"] = TagMemo(vl.BM25(), spread=PageRank(0.7))
    options = {"cache": False, "progress": False, "resamples": 100, "baseline": None}
    means = vl.compare(systems, data, ["nDCG@10"], **options).to_frame().set_index("system")["mean"]
    assert means["base"] + 0.05 < means["ppr"]
    assert means["none"] < means["ppr"]
