"""HTTP rerankers against a real server on loopback: all dialects, limits, and faults."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import json
import logging
import pickle
import re
import socket
import threading
import time
import traceback
from concurrent.futures import CancelledError
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vcplab.core.clock import FrozenClock, use_clock
from vcplab.core.errors import (
    InvalidDataError,
    InvalidInputError,
    LoopError,
    MissingDependencyError,
    NotFoundError,
    OperationTimeoutError,
    VCPError,
    VCPErrorCode,
)
from vcplab.core.loop import run, submit
from vcplab.models.reranking import DIALECTS, HTTPReranker, score_lists
from vcplab.models.reranking.failures import pause_asked_for
from vcplab.protocol.ports import Reranker

pytest.importorskip("httpx2", reason="needs httpx2")

KEY = "sk-Very/Hush\\Key-0123456789"


def score_of(text):
    """What the server thinks of a document: the number it ends in, in tenths."""
    found = re.search(r"(\d+)$", text)
    return int(found[1]) / 10 if found else 0


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        service = self.server.service
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        with service.lock:
            number = len(service.requests)
            service.requests.append((self.path, body, dict(self.headers)))
            service.under_way += 1
            service.most_under_way = max(service.most_under_way, service.under_way)
        try:
            fault = service.faults.get(number, service.faults.get("all"))
            time.sleep(service.delay)
            if fault is None or not fault(self, body):
                self.answer(200, reply(service.dialect, body))
        except (BrokenPipeError, ConnectionResetError):
            pass  # it did not wait for the answer
        finally:
            with service.lock:
                service.under_way -= 1

    def answer(self, status, content, **headers):
        data = content if isinstance(content, bytes) else json.dumps(content).encode()
        with self.server.service.lock:  # before the answer can set off the next request
            self.server.service.under_way -= 1
        try:
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name.replace("_", "-"), value)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)
        finally:
            with self.server.service.lock:
                self.server.service.under_way += 1

    def log_message(self, *_):
        pass


def reply(dialect, body):
    """What a service of this dialect answers, worst document first."""
    inner = body.get("input", body)
    documents = inner.get("documents", inner.get("texts"))
    name = "score" if dialect in ("tei", "bge-bare") else "relevance_score"
    results = [{"index": i, name: score_of(text)} for i, text in enumerate(documents)]
    results.sort(key=lambda result: result[name])
    if dialect in ("tei", "bge-bare"):
        return results
    if dialect == "bailian":
        return {"output": {"results": results}, "request_id": "1"}
    return {"data" if dialect == "voyage" else "results": results, "model": body.get("model")}


class Service:
    """A rerank service; ``faults`` maps a request's number (or "all") to what goes wrong."""

    def __init__(self, dialect="cohere"):
        self.dialect = dialect
        self.faults = {}
        self.requests = []
        self.delay = 0.0
        self.under_way = self.most_under_way = 0
        self.lock = threading.Lock()
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
        self.server.daemon_threads = True
        self.server.service = self
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.01,), daemon=True)
        self.thread.start()

    def close(self):
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()


@pytest.fixture
def service():
    made = Service()
    yield made
    made.close()


def reranker(service, **options):
    return HTTPReranker(service.url, **{"api_key": KEY, "backoff": 0.01, **options})


def fault(status, content=b"", **headers):
    def answer(handler, body):
        handler.answer(status, content, **headers)
        return True

    return answer


def says(content):
    return fault(200, content)


DOCUMENTS = [f"document {number}" for number in (3, 0, 7, 1)]
SCORES = [0.3, 0.0, 0.7, 0.1]

EXPECTED = {
    "cohere": ("/v2/rerank", {"model", "query", "documents", "top_n"}),
    "tei": ("/rerank", {"query", "texts", "truncate", "return_text"}),
    "jina": ("/v1/rerank", {"model", "query", "documents", "top_n", "return_documents"}),
    "voyage": (
        "/v1/rerank",
        {"model", "query", "documents", "top_k", "return_documents", "truncation"},
    ),
    "bge": ("/v1/rerank", {"model", "query", "texts", "documents", "top_n"}),
    "bailian": (
        "/api/v1/services/rerank/text-rerank/text-rerank",
        {"model", "input", "parameters"},
    ),
}


@pytest.mark.parametrize("dialect", DIALECTS)
def test_every_dialect(service, dialect):
    service.dialect = dialect
    model = reranker(service, dialect=dialect, model="judge")
    scores = model.score("what?", DOCUMENTS)
    assert scores.dtype == np.float64
    assert scores.tolist() == SCORES, "0 is a score, and indices map to what was sent"
    ((path, body, headers),) = service.requests
    assert (path, set(body)) == EXPECTED[dialect]
    inner = body.get("input", body)
    assert inner["query"] == "what?"
    assert inner.get("documents", inner.get("texts")) == DOCUMENTS
    assert inner.get("texts", DOCUMENTS) == DOCUMENTS
    count = {**body, **body.get("parameters", {})}
    assert count.get("top_n", count.get("top_k", 4)) == 4
    assert body.get("model", "judge") == "judge"
    assert headers["Authorization"] == f"Bearer {KEY}"


def test_bge_may_answer_with_a_bare_list(service):
    service.dialect = "bge-bare"
    model = reranker(service, dialect="bge")
    assert model.score("q", DOCUMENTS).tolist() == SCORES
    assert service.requests[0][1]["model"] == "bge-reranker-v2-m3"


def test_a_dialect_of_ones_own(service):
    raw = dataclasses.replace(
        DIALECTS["cohere"], name="raw", request={**DIALECTS["cohere"].request, "raw_scores": True}
    )
    model = reranker(service, dialect=raw)
    assert model.score("q", DOCUMENTS).tolist() == SCORES
    assert service.requests[0][1]["raw_scores"] is True
    assert model.fingerprint != reranker(service).fingerprint
    assert hash(model)


def test_without_a_key_no_header_is_sent(service):
    HTTPReranker(service.url, dialect="jina").score("q", ["a 1"])
    _, body, headers = service.requests[0]
    assert "Authorization" not in headers
    assert "model" not in body, "the service's only model is not named"


def test_without_documents_nothing_is_asked(service):
    assert reranker(service).score("q", []).shape == (0,)
    assert service.requests == []


def test_any_text_can_be_sent(service):
    model = reranker(service)
    assert model.score("周五 \ud800", ["预算 4", "", "\ud800 5", '"\\\n 6']).tolist() == [
        0.4,
        0,
        0.5,
        0.6,
    ]
    assert service.requests[0][1]["query"] == "周五 ?"
    with pytest.raises(InvalidInputError, match="must be strings, not NoneType"):
        model.score("q", ["a", None])
    assert len(service.requests) == 1


@given(
    numbers=st.lists(st.integers(0, 50), max_size=40),
    most=st.integers(1, 7),
    tokens=st.integers(1, 60),
)
def test_batches_keep_to_both_limits(numbers, most, tokens):
    documents = [f"{'word ' * (number % 9)}document {number}" for number in numbers]
    model = HTTPReranker("http://x", batch_documents=most, batch_tokens=tokens)
    batches = model._batches("some query", documents)
    assert [d for batch in batches for d in documents[batch]] == documents
    from vcplab.text.tokens import ApproximateTokenizer

    count = ApproximateTokenizer().count
    for batch in batches:
        own = documents[batch]
        assert 1 <= len(own) <= most
        assert len(own) == 1 or sum(count("some query") + count(d) for d in own) <= tokens


def test_scores_of_all_batches_are_put_in_order(service):
    documents = [f"document {number}" for number in np.random.default_rng(0).permutation(60)]
    scores = reranker(service).score("q", documents)
    assert scores.tolist() == [score_of(document) for document in documents]
    assert sorted(len(body["documents"]) for _, body, _ in service.requests) == [10, 25, 25]


def test_never_more_requests_than_allowed(service):
    service.delay = 0.02
    model = reranker(service, batch_documents=1, concurrency=3)
    documents = [f"document {number}" for number in range(8)]
    # Two threads share the limit, as they share the service.
    threads = [threading.Thread(target=model.score, args=("q", documents)) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(service.requests) == 16
    assert service.most_under_way == 3
    lists = model.score_many(["a", "b", "c"], [documents[:3]] * 3)
    assert [scores.tolist() for scores in lists] == [[0.0, 0.1, 0.2]] * 3
    assert service.most_under_way == 3


@pytest.mark.parametrize("status", [500, 502, 503, 429])
def test_a_passing_fault_is_tried_again(service, status):
    service.faults[0] = fault(status, b"busy")
    assert reranker(service).score("q", DOCUMENTS).tolist() == SCORES
    assert len(service.requests) == 2


def test_a_pause_that_is_asked_for_is_kept(service):
    service.faults[0] = fault(429, b"slow down", Retry_After="0.3")
    began = time.monotonic()
    assert reranker(service).score("q", DOCUMENTS).tolist() == SCORES
    assert 0.3 <= time.monotonic() - began < 3


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("7", 7.0),
        (" 0.5 ", 0.5),
        ("Sun, 01 Mar 2026 01:00:30 GMT", 30.0),
        ("Sun, 01 Mar 2026 00:00:00 GMT", 0.0),
        ("", None),
        ("-3", None),
        ("soon", None),
        ("nan", None),
    ],
)
def test_what_a_pause_may_be_written_as(text, seconds):
    with use_clock(FrozenClock("2026-03-01T09:00+08:00")):
        assert pause_asked_for({"retry-after": text}) == seconds


def test_nobody_waits_for_an_hour(service):
    service.faults["all"] = fault(429, b"", Retry_After="3600")
    with pytest.raises(VCPError, match="HTTP 429"):
        reranker(service).score("q", DOCUMENTS)
    assert len(service.requests) == 1


def test_a_lasting_fault_is_an_error(service):
    service.faults["all"] = fault(503, {"message": "overloaded"})
    with pytest.raises(VCPError, match=r"HTTP 503.*overloaded") as caught:
        reranker(service, retries=2).score("q", DOCUMENTS)
    assert len(service.requests) == 3
    assert caught.value.code is VCPErrorCode.DISTRIBUTED_CONNECTION_ERROR
    assert caught.value.details == {"status": 503}
    assert caught.value.where == f"{service.url}/v2/rerank"
    assert caught.value.next_step


@pytest.mark.parametrize(
    ("status", "kind", "step"),
    [
        (400, InvalidInputError, "dialect and model"),
        (401, InvalidInputError, "Check the key"),
        (403, InvalidInputError, "Check the key"),
        (404, NotFoundError, "Check url and dialect"),
        (413, InvalidInputError, "batch_documents"),
        (422, InvalidInputError, "batch_tokens"),
        (307, InvalidInputError, "final url"),
    ],
)
def test_a_refusal_is_final_and_says_what_to_do(service, status, kind, step):
    service.faults["all"] = fault(status, {"error": "no, because"}, Location="http://127.0.0.1:9/")
    with pytest.raises(kind, match=f"HTTP {status}") as caught:
        reranker(service).score("q", DOCUMENTS)
    assert step in caught.value.next_step
    assert len(service.requests) == 1, "never tried again"


def hang_up(handler, body):
    handler.connection.shutdown(socket.SHUT_RDWR)
    handler.close_connection = True
    return True


def half(handler, body):
    handler.send_response(200)
    handler.send_header("Content-Length", "1000")
    handler.end_headers()
    handler.wfile.write(b'{"results": [')
    return hang_up(handler, body)


@pytest.mark.parametrize("drop", [hang_up, half])
def test_a_dropped_connection_is_made_again(service, drop):
    service.faults[0] = drop
    assert reranker(service).score("q", DOCUMENTS).tolist() == SCORES
    service.faults["all"] = drop
    with pytest.raises(VCPError, match="cannot be reached") as caught:
        reranker(service, retries=1).score("q", DOCUMENTS)
    assert caught.value.code is VCPErrorCode.DISTRIBUTED_CONNECTION_ERROR


def test_a_server_that_is_not_there():
    with contextlib.closing(socket.socket()) as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    model = HTTPReranker(f"http://127.0.0.1:{port}", backoff=0.001)
    with pytest.raises(VCPError, match="cannot be reached") as caught:
        model.score("q", DOCUMENTS)
    assert "server runs" in caught.value.next_step


def trickle(handler, body):
    handler.send_response(200)
    handler.send_header("Content-Length", "1000")
    handler.end_headers()
    with contextlib.suppress(OSError):
        for _ in range(100):
            handler.wfile.write(b" ")
            time.sleep(0.02)
    handler.close_connection = True
    return True


def sleepy(handler, body):
    time.sleep(0.5)


@pytest.mark.parametrize("slow", [sleepy, trickle])
def test_a_slow_answer_is_given_up(service, slow):
    service.faults["all"] = slow
    began = time.monotonic()
    with pytest.raises(OperationTimeoutError, match=r"within 0\.1 s") as caught:
        reranker(service, timeout=0.1).score("q", DOCUMENTS)
    assert time.monotonic() - began < 1.5
    assert len(service.requests) == 1
    assert "timeout" in caught.value.next_step


def results(*pairs):
    return {"results": [{"index": i, "relevance_score": s} for i, s in pairs]}


GOOD = [(0, 0.3), (1, 0.0), (2, 0.7), (3, 0.1)]


@pytest.mark.parametrize(
    ("answer", "problem"),
    [
        (b"<html>welcome</html>", "is no JSON"),
        (b"\xff\xfe\x00", "is no JSON"),
        (b"[" * 100_000, "is no JSON"),
        (b"", "is no JSON"),
        (b"[]", "has no list of results (results)"),
        ({"data": []}, "has no list of results"),
        ({"results": {"0": 1}}, "has no list of results"),
        (results(), "leaves out document 0 and 3 more of 4"),
        (results(*GOOD[:3]), "leaves out document 3 of 4"),
        (results(*GOOD, (2, 0.5)), "names document 2 twice"),
        (results((0, 1), (0, 1), (2, 1), (3, 1)), "names document 0 twice"),
        (results(*GOOD[:3], (4, 0.5)), "names document 4 of 4"),
        (results(*GOOD[:3], (-1, 0.5)), "names document -1 of 4"),
        (results(*GOOD[:3], ("3", 0.5)), "has no index in result 3"),
        (results(*GOOD[:3], (True, 0.5)), "has no index in result 3"),
        (results(*GOOD[:3], (3, float("nan"))), "document 3 with no finite number"),
        (results(*GOOD[:3], (3, float("inf"))), "document 3 with no finite number"),
        (results(*GOOD[:3], (3, 10**400)), "document 3 with no finite number"),
        (results(*GOOD[:3], (3, None)), "document 3 with no finite number"),
        (results(*GOOD[:3], (3, "0.5")), "document 3 with no finite number"),
        ({"results": [*results(*GOOD[:3])["results"], {"index": 3}]}, "has no relevance_score"),
        ({"results": [*results(*GOOD[:3])["results"], 7]}, "has int as result 3"),
    ],
)
def test_a_malformed_answer_is_an_error(service, answer, problem):
    service.faults["all"] = says(answer)
    with pytest.raises(InvalidDataError, match=re.escape(problem)) as caught:
        reranker(service).score("q", DOCUMENTS)
    assert caught.value.next_step
    assert len(service.requests) == 1


def test_a_broken_or_endless_body_is_an_error(service, monkeypatch):
    service.faults["all"] = fault(200, b"not gzip", Content_Encoding="gzip")
    with pytest.raises(InvalidDataError, match="compressed in a broken way"):
        reranker(service).score("q", DOCUMENTS)
    monkeypatch.setattr("vcplab.models.reranking.connection._MOST_BYTES", 1000)
    service.faults["all"] = says(b" " * 5000)
    with pytest.raises(InvalidDataError, match="does not end"):
        reranker(service).score("q", DOCUMENTS)


def test_two_models_in_one_list_are_an_error(service):
    def other(handler, body):
        handler.answer(200, {**reply("cohere", body), "model": "fallback"})
        return True

    service.faults[1] = other
    with pytest.raises(InvalidDataError, match="scored by fallback and rerank-v"):
        reranker(service, batch_documents=2, concurrency=1).score("q", DOCUMENTS)


def test_one_bad_batch_spoils_the_whole_list_and_no_other(service):
    def picky(handler, body):
        if body["query"] == "bad" and "document 7" in body["documents"]:
            handler.answer(400, b"bad batch")
            return True
        return False

    service.faults["all"] = picky
    model = reranker(service, batch_documents=2)
    good, bad, fine = score_lists(model, ["good", "bad", "fine"], [DOCUMENTS, DOCUMENTS, []])
    assert good.tolist() == SCORES
    assert isinstance(bad, InvalidInputError)
    assert fine.shape == (0,)


@pytest.mark.parametrize(
    ("status", "asked"),
    [(401, {1}), (404, {1}), (503, {5, 6}), (400, {5, 6})],
)
def test_a_hopeless_service_is_not_asked_for_every_list(service, status, asked):
    service.faults["all"] = fault(status)
    model = reranker(service, retries=0, concurrency=1)
    outcome = model.score_many(["q"] * 20, [DOCUMENTS] * 20)
    assert all(isinstance(error, VCPError) for error in outcome)
    assert len(service.requests) in asked
    # The next call tries anew.
    service.faults.clear()
    assert model.score("q", DOCUMENTS).tolist() == SCORES


def test_the_key_is_never_shown(service, caplog):
    caplog.set_level(logging.DEBUG)
    model = reranker(service)
    shown = [repr(model), str(model), repr(vars(model)), str(dataclasses.asdict(model))]
    shown += [model.name, model.fingerprint, model.endpoint, repr(score_lists)]

    def echo(handler, body):
        handler.answer(handler.server.service.status, {"error": f"bad key {KEY} ({KEY})"})
        return True

    service.faults["all"] = echo
    for service.status in (400, 401, 404, 503):
        with pytest.raises(VCPError, match="bad key •••") as caught:
            reranker(service, retries=0).score("q", DOCUMENTS)
        error = caught.value
        shown += [str(error), repr(error), repr(error.__reduce__()), repr(error.details)]
        shown += traceback.format_exception(error)
    shown += [record.getMessage() for record in caplog.records]
    with pytest.raises(InvalidInputError) as caught:
        HTTPReranker("http://x", api_key="sk-Very\nHush")
    shown.append(str(caught.value))
    with pytest.raises(InvalidInputError) as caught:
        HTTPReranker("http://user:Hush@x")
    shown.append(str(caught.value))
    assert caplog.records, "the HTTP library does log"
    assert [text for text in shown if "Hush" in text] == []
    assert reranker(service, api_key="other").fingerprint == model.fingerprint
    assert reranker(service, api_key="other") == model


def test_a_key_in_the_query_is_not_shown(service):
    service.faults["all"] = fault(400)
    model = HTTPReranker(f"{service.url}/v2/rerank?key=Hush")
    with pytest.raises(InvalidInputError) as caught:
        model.score("q", DOCUMENTS)
    assert service.requests[0][0] == "/v2/rerank?key=Hush"
    assert "Hush" not in str(caught.value)


def test_the_environments_proxy_is_not_used_for_this_machine(service, monkeypatch):
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.delenv("NO_PROXY", raising=False)
    assert reranker(service).score("q", DOCUMENTS).tolist() == SCORES


@pytest.mark.parametrize(
    ("url", "endpoint"),
    [
        ("http://h", "http://h/v2/rerank"),
        ("http://h:8080/", "http://h:8080/v2/rerank"),
        ("https://h/v2", "https://h/v2/rerank"),
        ("https://h/v2/rerank", "https://h/v2/rerank"),
        ("https://h/v2/rerank/", "https://h/v2/rerank/"),
        ("https://h/v3/rerank", "https://h/v3/rerank"),
        ("https://h/proxy?region=eu#x", "https://h/proxy?region=eu"),
        ("https://h?region=eu", "https://h/v2/rerank?region=eu"),
        ("http://[::1]:80", "http://[::1]:80/v2/rerank"),
    ],
)
def test_a_url_is_completed_by_the_dialect(url, endpoint):
    assert HTTPReranker(url).endpoint == endpoint


@pytest.mark.parametrize(
    "url",
    [
        *("", "h", "ftp://h", "file:///etc/passwd", "http://", "http://h:port", "http://h /"),
        *("http://user@h", "http://h/\n", None),
    ],
)
def test_what_is_no_url_is_refused_where_it_is_written(url):
    with pytest.raises(InvalidInputError, match="The url"):
        HTTPReranker(url)


def test_a_host_that_cannot_be_one_is_named():
    with pytest.raises(InvalidInputError, match="no address") as caught:
        HTTPReranker("http://\u2603.localhost").score("q", DOCUMENTS)
    assert caught.value.where == "url"


@pytest.mark.parametrize(
    "wrong",
    [
        {"dialect": "coher"},
        {"dialect": "voyage"},
        {"dialect": "bailian"},
        {"batch_documents": 0},
        {"batch_tokens": 0},
        {"concurrency": 0},
        {"retries": -1},
        {"timeout": 0},
        {"timeout": float("nan")},
        {"backoff": -1},
    ],
)
def test_wrong_parameters_are_refused_where_they_are_written(wrong):
    with pytest.raises(InvalidInputError) as caught:
        HTTPReranker("http://h", **wrong)
    assert caught.value.next_step


def test_a_wrong_dialect_gets_a_suggestion():
    with pytest.raises(InvalidInputError) as caught:
        HTTPReranker("http://h", dialect="coher")
    assert "Did you mean 'cohere'" in caught.value.next_step


def test_identity():
    model = HTTPReranker("http://h")
    assert isinstance(model, Reranker)
    assert model.name == "rerank-v3.5"
    assert HTTPReranker("http://h", dialect="tei").name == "tei at h"
    assert HTTPReranker("http://h", name="mine").name == "mine"
    same = [
        HTTPReranker("http://h/v2/rerank"),
        HTTPReranker("http://h", model="rerank-v3.5", timeout=1, batch_documents=2),
    ]
    assert {model.fingerprint} == {other.fingerprint for other in same}
    different = [
        HTTPReranker("http://i"),
        HTTPReranker("http://h", model="other"),
        HTTPReranker("http://h/v2/rerank", dialect="jina", model="rerank-v3.5"),
    ]
    assert len({model.fingerprint, *(other.fingerprint for other in different)}) == 4
    assert model.cacheable
    assert not HTTPReranker("http://h", dialect="tei").cacheable, "which model is not known"
    assert HTTPReranker("http://h", dialect="tei", model="bge").cacheable


def test_pickles_work_in_another_process(service):
    model = reranker(service)
    model.score("q", DOCUMENTS)
    copy = pickle.loads(pickle.dumps(model))
    assert copy == model
    assert copy.score("q", DOCUMENTS).tolist() == SCORES
    assert service.requests[1][2]["Authorization"] == f"Bearer {KEY}"
    assert dataclasses.replace(model, timeout=5).score("q", DOCUMENTS).tolist() == SCORES


def test_twins_and_loops(service):
    model = reranker(service)

    async def in_a_cell():
        return await model.ascore("q", DOCUMENTS)

    assert asyncio.run(in_a_cell()).tolist() == SCORES
    assert run(model.ascore("q", DOCUMENTS)).tolist() == SCORES
    assert run(model.ascore_many(["q"], [DOCUMENTS]))[0].tolist() == SCORES

    async def wrong():
        model.score("q", DOCUMENTS)

    with pytest.raises(LoopError, match="await ascore"):
        run(wrong())


def test_a_call_can_be_stopped_and_leaves_nothing_open(service):
    began = threading.Event()

    def waiting(handler, body):
        began.set()
        # Ends when the other side closes the connection.
        handler.closed = handler.connection.recv(1) == b""
        service.closed = handler.closed
        handler.close_connection = True
        return True

    service.faults["all"] = waiting
    job = submit(reranker(service).ascore("q", DOCUMENTS))
    assert began.wait(5)
    job.cancel()
    with pytest.raises(CancelledError):
        job.result(5)
    deadline = time.monotonic() + 5
    while not getattr(service, "closed", False) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert service.closed


def test_missing_httpx2_is_named(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "httpx2", None)
    for call in (HTTPReranker("http://h").prepare, lambda: HTTPReranker("http://h").score("q", [])):
        with pytest.raises(MissingDependencyError, match="httpx2") as caught:
            call()
        assert "pip install httpx2" in caught.value.next_step
