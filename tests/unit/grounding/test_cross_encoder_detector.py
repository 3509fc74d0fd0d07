"""Cross-encoders as detectors: fakes, and a real BERT of a few thousand weights made here."""

import numpy as np
import pytest

from vcplab.core.errors import InvalidDataError, InvalidInputError, NotFoundError
from vcplab.grounding.detectors._pair_models import outcome_of
from vcplab.grounding.detectors.cross_encoder import NLIDetector
from vcplab.grounding.detectors.lettuce import LettuceDetector
from vcplab.protocol.grounding import Sample
from vcplab.protocol.ports import Detector

SOURCE = "The mill opened in 2017. Its wheel is oak. People come on Sundays. Bread is sold."
NLI = {0: "contradiction", 1: "neutral", 2: "entailment"}


def words(pairs):
    """Support: the share of the hypothesis's words that the premise has."""
    return [
        len(set(h.lower().split()) & set(p.lower().split())) / len(set(h.split())) for p, h in pairs
    ]


def tiny(folder, kind="ForSequenceClassification", labels=None, positions=24):
    import torch
    import transformers
    from tokenizers import Tokenizer, models, pre_tokenizers, processors

    known = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", *SOURCE.lower().replace(".", " .").split()]
    vocabulary = {word: at for at, word in enumerate(dict.fromkeys(known))}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]",
        pair="[CLS] $A [SEP] $B:1 [SEP]:1",
        special_tokens=[("[CLS]", 2), ("[SEP]", 3)],
    )
    fast = transformers.PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, pad_token="[PAD]", unk_token="[UNK]", cls_token="[CLS]",
        sep_token="[SEP]",
    )  # fmt: skip
    labels = NLI if labels is None else labels
    config = transformers.BertConfig(
        vocab_size=len(vocabulary), hidden_size=16, num_hidden_layers=1, num_attention_heads=2,
        intermediate_size=16, max_position_embeddings=positions, initializer_range=0.5,
        id2label=labels, label2id={name: at for at, name in labels.items()},
    )  # fmt: skip
    with torch.random.fork_rng():
        torch.manual_seed(3)
        model = getattr(transformers, f"Bert{kind}")(config)
    model.save_pretrained(folder)
    fast.save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tiny(tmp_path_factory.mktemp("nli"))


def test_a_function_of_pairs():
    detector = NLIDetector(words)
    assert isinstance(detector, Detector)
    (verdict,) = detector.detect([Sample("s", "The mill opened. Zebras run.", (SOURCE,))])
    (finding,) = verdict.findings
    assert (finding.start, finding.end, finding.rule) == (17, 28, "nli.unsupported")
    assert verdict.p == 1 - verdict.features["nli.min"] == 1.0
    proof = finding.evidence[0]
    assert SOURCE[proof.start : proof.end] == proof.text
    mean = NLIDetector(words, aggregate="mean")
    said = mean.detect([Sample("s", "The mill opened. Zebras run.", (SOURCE,))])[0]
    assert said.p == pytest.approx(1 - said.features["nli.mean"])
    assert said.p < verdict.p


@pytest.mark.parametrize("shape", ["rows", "logits", "mappings"])
def test_contradictions_are_told_apart(shape):
    def model(pairs):
        rows = [[0.1, 0.1, 0.8] if "oak" in h else [0.7, 0.2, 0.1] for _, h in pairs]
        if shape == "mappings":
            names = list(NLI.values())
            return [dict(zip(names, row, strict=True)) for row in rows]
        return np.log(rows) if shape == "logits" else np.array(rows)

    detector = NLIDetector(model, labels=list(NLI.values()))
    (verdict,) = detector.detect([Sample("s", "Its wheel is oak. It is iron.", (SOURCE,))])
    assert [finding.rule for finding in verdict.findings] == ["nli.contradicted"]
    assert verdict.findings[0].type == "contextual"
    assert verdict.features["nli.contradiction"] == pytest.approx(0.7)
    assert verdict.features["nli.min"] == pytest.approx(0.1)


def test_every_pair_is_asked_once_and_windows_keep_the_limit():
    asked = []

    def model(pairs):
        asked.extend(pairs)
        return words(pairs)

    sample = Sample("s", "Bread is sold.", (SOURCE,))
    NLIDetector(model, max_length=60).detect([sample, sample])
    assert len(asked) == len(set(asked)) > 1
    assert all(len(premise) <= 60 for premise, _ in asked)
    assert "".join(premise for premise, _ in asked).count("Bread is sold.") == 1
    asked.clear()
    NLIDetector(model, window=1).detect([sample])
    assert [premise for premise, _ in asked] == [
        "The mill opened in 2017.", "Its wheel is oak.", "People come on Sundays.",
        "Bread is sold.",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("labels", "kind", "expected"),
    [
        (("ENTAILMENT", "NEUTRAL", "CONTRADICTION"), "auto", (0, 2)),
        (("contradiction", "neutral", "entailment"), "nli", (2, 0)),
        (("not_entailment", "entailment"), "auto", (1, None)),
        (("inconsistent", "consistent"), "auto", (1, None)),
        (("supported", "hallucinated"), "auto", (0, None)),
        (("LABEL_0", "LABEL_1"), "minicheck", (1, None)),
        (("LABEL_0", "LABEL_1", "LABEL_2"), "alignscore", (0, 2)),
    ],
)
def test_labels_are_read(labels, kind, expected):
    assert tuple(outcome_of(dict(enumerate(labels)), kind, "m")) == expected


@pytest.mark.parametrize(
    ("labels", "kind"),
    [
        (("LABEL_0", "LABEL_1", "LABEL_2"), "auto"),
        (("LABEL_0", "LABEL_1"), "nli"),
        (("good", "bad"), "minicheck"),
    ],
)
def test_labels_are_not_guessed(labels, kind):
    with pytest.raises(InvalidDataError, match="do not tell"):
        outcome_of(dict(enumerate(labels)), kind, "m")


def test_a_real_classifier(folder):
    import torch
    import transformers

    detector = NLIDetector(folder, "nli", batch_size=2)
    samples = [Sample("s", "Its wheel is oak. Bread is sold.", (SOURCE,))]
    (verdict,) = detector.detect(samples)
    # The same by the library itself, window by window.
    model = transformers.AutoModelForSequenceClassification.from_pretrained(folder).eval()
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    plan = detector._plan(samples[0])
    assert len(plan.windows) > 1
    best = []
    for span in plan.spans:
        shares = []
        for window in plan.windows:
            with torch.inference_mode():
                logits = model(**tokenizer(window.text, span.text, return_tensors="pt")).logits
            assert logits.shape == (1, 3)
            shares.append(float(logits.softmax(-1)[0, 2]))
        best.append(max(shares))
    assert verdict.features["nli.min"] == pytest.approx(min(best), abs=1e-6)
    assert verdict.features["nli.mean"] == pytest.approx(np.mean(best), abs=1e-6)
    for one in verdict.findings:
        assert 0 <= one.p <= 1
    assert NLIDetector(folder, "nli").fingerprint == detector.fingerprint
    long = Sample("s", "oak " * 60, ("bread " * 90,))
    assert 0 <= detector.detect([long])[0].p <= 1


def test_models_that_are_not_to_be_had(folder, tmp_path):
    with pytest.raises(NotFoundError):
        NLIDetector("nobody/no-such-model").detect([Sample("s", "x", (SOURCE,))])
    with pytest.raises(InvalidDataError, match="no layer for this task"):
        LettuceDetector(folder).detect([Sample("s", "It is oak.", (SOURCE,))])
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(InvalidDataError, match="cannot be loaded"):
        NLIDetector(tmp_path).detect([Sample("s", "x", (SOURCE,))])


def test_what_is_not_as_agreed():
    sample = Sample("s", "It is oak. Really.", (SOURCE,))
    for model in (lambda pairs: [0.5], lambda pairs: [7.0] * len(pairs)):
        with pytest.raises(InvalidDataError):
            NLIDetector(model).detect([sample])
    for options in ({"kind": "magic"}, {"kind": "lettuce"}, {"aggregate": "max"}, {"window": 0}):
        with pytest.raises(InvalidInputError):
            NLIDetector(words, **options)
    with pytest.raises(InvalidInputError):
        NLIDetector(3)


def test_abstention_and_fitting(tmp_path):
    detector = NLIDetector(words, languages={"en"})
    said = detector.detect(
        [Sample("a", "x"), Sample("b", "…", (SOURCE,)), Sample("c", "磨坊开了。", (SOURCE,))]
    )
    assert [verdict.p for verdict in said] == [None] * 3
    assert said[2].abstained == "words does not read the language zh."
    samples = [
        Sample(str(at), "Zebras run." if at % 2 else "Bread is sold.", (SOURCE,),
               label=bool(at % 2), group=str(at // 2))
        for at in range(20)
    ]  # fmt: skip
    fitted = detector.fit(samples)
    assert fitted.calibrated
    low, high = fitted.detect(samples[:2])
    assert low.p < 0.5 < high.p


class Marks:
    fingerprint = "marks-1"

    def predict(self, context, question, answer, output_format):
        assert output_format == "spans"
        assert context == [SOURCE]
        at = answer.index("iron")
        return [
            {"start": at, "end": at + 4, "text": "iron", "confidence": 0.9},
            {"start": 0, "end": 2, "text": "It", "confidence": 0.2},
        ]


def test_lettuce_with_somebody_elses_model():
    detector = LettuceDetector(Marks())
    assert isinstance(detector, Detector)
    sample = Sample("s", "It is iron.", (SOURCE,))
    (verdict,) = detector.detect([sample])
    (finding,) = verdict.findings
    assert (finding.start, finding.end, finding.p) == (6, 10, 0.9)
    assert verdict.p == 0.9
    assert tuple(verdict.features) == detector.names
    assert LettuceDetector(lambda context, question, answer: []).detect([sample])[0].p == 0.0
    assert detector.detect([Sample("s", "It is iron.")])[0].p is None
    wrong = LettuceDetector(lambda context, question, answer: [{"start": 3, "end": 99}])
    with pytest.raises(InvalidDataError, match="not in the answer"):
        wrong.detect([sample])
    with pytest.raises(InvalidInputError):
        LettuceDetector(Marks(), min_confidence=2)
    with pytest.raises(InvalidInputError):
        LettuceDetector(3)


def test_lettuce_with_a_real_token_classifier(tmp_path):
    tiny(tmp_path, "ForTokenClassification", {0: "supported", 1: "hallucinated"}, positions=128)
    response = "Its wheel is oak , people come on sundays ."
    everything = LettuceDetector(tmp_path, min_confidence=0.0)
    for question in ("", "What is it?"):
        (verdict,) = everything.detect([Sample("s", response, (SOURCE,), question=question)])
        (finding,) = verdict.findings
        assert (finding.start, finding.end) == (0, len(response))
        assert 0 < verdict.p < 1
    share = verdict.p
    (some,) = LettuceDetector(tmp_path, min_confidence=share).detect(
        [Sample("s", response, (SOURCE,), question="What is it?")]
    )
    assert some.p == share
    assert 0 < some.features["lettuce.share"] <= 1
    (none,) = LettuceDetector(tmp_path, min_confidence=1.0).detect(
        [Sample("s", response, (SOURCE,))]
    )
    assert none.p == 0.0
