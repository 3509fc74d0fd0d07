"""A real OpenAI-compatible server with a tiny model, made here: llama.cpp and random weights.

In tests: ``with tiny_server() as server: OpenAIChat("tiny", base_url=server.url)``.
By hand: ``python tests/support/tiny_llm.py --port 8080``.

The model has 170,000 weights drawn with a fixed seed and says nothing sensible; what it shows is
how a real server streams, counts, refuses and obeys a schema.
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

NEEDED = ("xllamacpp", "gguf", "tokenizers")
MODEL = "tiny"

_SPECIALS = ("<s>", "</s>", "<pad>", "<|user|>", "<|assistant|>", "<|system|>")
_TEMPLATE = (
    "{% for m in messages %}<|{{ m.role }}|>{{ m.content }}</s>{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>{% endif %}"
)
_SENTENCES = (
    "The quick brown fox jumps over the lazy dog, and the dog does not mind at all.",
    "Every agent in the room says what it thinks, and then it listens to the others.",
    "I agree with the proposal because the numbers are right and the plan is simple.",
    "We should wait: nobody has measured how long the second step really takes.",
    "A vote is taken when all have spoken; approve, reject or abstain, and say why.",
    "小说的第二章需要修改，因为主角的动机还不清楚。",
    "我同意这个方案，但是时间安排太紧了，请大家再想一想。",
    'Numbers 0 1 2 3 4 5 6 7 8 9, brackets {"stance": "approve", "confidence": 0.5} and marks.',
)
_HIDDEN, _INNER, _LAYERS, _HEADS, _KV_HEADS, _POSITIONS = 64, 176, 2, 4, 2, 2048


def missing() -> list[str]:
    """The packages that the server needs and that are not installed."""
    return [name for name in NEEDED if importlib.util.find_spec(name) is None]


def make_model(path: Path) -> Path:
    """Write the model as GGUF (700 KB); the same weights every time.

    The weights are drawn in llama.cpp's own layout, so no rows have to be permuted.
    """
    import gguf
    import numpy as np

    tokens, merges = _vocabulary()
    rng = np.random.default_rng(0)

    def drawn(rows: int, columns: int) -> np.ndarray:
        return rng.normal(0, 0.02, (rows, columns)).astype(np.float32)

    head = _HIDDEN // _HEADS
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_name(MODEL)
    writer.add_context_length(_POSITIONS)
    writer.add_embedding_length(_HIDDEN)
    writer.add_block_count(_LAYERS)
    writer.add_feed_forward_length(_INNER)
    writer.add_head_count(_HEADS)
    writer.add_head_count_kv(_KV_HEADS)
    writer.add_layer_norm_rms_eps(1e-6)
    writer.add_rope_dimension_count(head)
    writer.add_vocab_size(len(tokens))
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("gpt-2")
    writer.add_token_list(tokens)
    writer.add_token_types([3 if token in _SPECIALS else 1 for token in tokens])
    writer.add_token_merges(merges)
    writer.add_bos_token_id(0)
    writer.add_eos_token_id(1)
    writer.add_pad_token_id(2)
    writer.add_chat_template(_TEMPLATE)

    ones = np.ones(_HIDDEN, dtype=np.float32)
    writer.add_tensor("token_embd.weight", drawn(len(tokens), _HIDDEN))
    writer.add_tensor("output_norm.weight", ones)
    writer.add_tensor("output.weight", drawn(len(tokens), _HIDDEN))
    for number in range(_LAYERS):
        block = f"blk.{number}."
        writer.add_tensor(f"{block}attn_norm.weight", ones)
        writer.add_tensor(f"{block}attn_q.weight", drawn(_HIDDEN, _HIDDEN))
        writer.add_tensor(f"{block}attn_k.weight", drawn(_KV_HEADS * head, _HIDDEN))
        writer.add_tensor(f"{block}attn_v.weight", drawn(_KV_HEADS * head, _HIDDEN))
        writer.add_tensor(f"{block}attn_output.weight", drawn(_HIDDEN, _HIDDEN))
        writer.add_tensor(f"{block}ffn_norm.weight", ones)
        writer.add_tensor(f"{block}ffn_gate.weight", drawn(_INNER, _HIDDEN))
        writer.add_tensor(f"{block}ffn_up.weight", drawn(_INNER, _HIDDEN))
        writer.add_tensor(f"{block}ffn_down.weight", drawn(_HIDDEN, _INNER))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def _vocabulary() -> tuple[list[str], list[str]]:
    """The tokens of a byte-level BPE by their number, and its merges."""
    import json

    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=600,
        special_tokens=list(_SPECIALS),
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    tokenizer.train_from_iterator(_SENTENCES, trainer)
    model = json.loads(tokenizer.to_str())["model"]
    tokens = sorted(model["vocab"], key=model["vocab"].__getitem__)
    return tokens, [pair if isinstance(pair, str) else " ".join(pair) for pair in model["merges"]]


def serve(
    model: Path,
    *,
    port: int = 0,
    api_key: str | None = None,
    n_ctx: int = 2048,
    n_parallel: int = 8,
) -> str:
    """Serve a model in this process, until it ends.

    Args:
        model: The GGUF.
        port: The port; 0 for any free one.
        api_key: The key that callers must give; None for none.
        n_ctx: Tokens of context of one slot.
        n_parallel: Slots, each for one call at a time.

    Returns:
        The server's address, without ``/v1``.
    """
    import xllamacpp

    params = xllamacpp.CommonParams()
    params.model.path = str(model)
    # The context is divided by the number of slots.
    params.n_ctx = n_ctx * n_parallel
    params.n_parallel = n_parallel
    params.hostnames = ["127.0.0.1"]
    params.port = port
    params.model_alias = [MODEL]
    params.offline = True
    params.warmup = False
    params.fit_params = False
    params.cpuparams.n_threads = 1
    params.endpoint_slots = True
    if api_key is not None:
        params.api_keys = [api_key]
    server = xllamacpp.Server(params)
    _running.append(server)
    return str(server.listening_address)


_running: list[object] = []


@dataclass(frozen=True)
class TinyServer:
    """A server that runs.

    Attributes:
        url: Its API, for ``base_url``.
        root: Its address.
        pid: Its process.
    """

    url: str
    root: str
    pid: int


@contextmanager
def tiny_server(
    model: Path | None = None,
    *,
    api_key: str | None = None,
    n_ctx: int = 2048,
    n_parallel: int = 8,
    timeout: float = 30.0,
) -> Iterator[TinyServer]:
    """Run a server in a process of its own, which ends with the block or with this process.

    Args:
        model: The GGUF; made anew if None.
        api_key: The key that callers must give; None for none.
        n_ctx: Tokens of context of one slot.
        n_parallel: Slots, each for one call at a time.
        timeout: Seconds until it has to be healthy.

    Raises:
        RuntimeError: It does not come up.
    """
    with tempfile.TemporaryDirectory(prefix="vcplab-tiny-") as folder:
        model = model or make_model(Path(folder) / "tiny.gguf")
        log = Path(folder) / "server.log"
        arguments = [sys.executable, str(Path(__file__).resolve()), "--model", str(model)]
        arguments += ["--port", "0", "--n-ctx", str(n_ctx), "--n-parallel", str(n_parallel)]
        environment = {**os.environ, "VCPLAB_TINY_KEY": api_key or ""}
        with log.open("wb") as errors:
            process = subprocess.Popen(
                arguments,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                env=environment,
                text=True,
            )
        try:
            root = _address(process, timeout, log)
            _wait_healthy(process, root, timeout, log)
            yield TinyServer(f"{root}/v1", root, process.pid)
        finally:
            process.kill()
            process.communicate()


def _address(process: subprocess.Popen[str], timeout: float, log: Path) -> str:
    """The address that the child prints first of all (llama.cpp may print other lines)."""
    killer = threading.Timer(timeout, process.kill)
    killer.start()
    try:
        assert process.stdout is not None
        for line in process.stdout:
            if line.startswith("serving "):
                return line.split()[1]
    finally:
        killer.cancel()
    raise RuntimeError(f"the tiny server did not come up:\n{log.read_text(errors='replace')}")


def _wait_healthy(process: subprocess.Popen[str], root: str, timeout: float, log: Path) -> None:
    end = time.monotonic() + timeout
    while process.poll() is None and time.monotonic() < end:
        try:
            with urllib.request.urlopen(f"{root}/health", timeout=2) as answer:
                if answer.status == 200:
                    return
        except (urllib.error.URLError, OSError):
            pass
        time.sleep(0.02)
    raise RuntimeError(f"the tiny server is not healthy:\n{log.read_text(errors='replace')}")


def main() -> None:
    """Serve until the caller closes our input, or until Ctrl-C."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--model", type=Path, help="a GGUF; the tiny model is made if not given")
    parser.add_argument("--port", type=int, default=8080)
    parser.add_argument("--n-ctx", type=int, default=2048)
    parser.add_argument("--n-parallel", type=int, default=8)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="vcplab-tiny-") as folder:
        model = given.model or make_model(Path(folder) / "tiny.gguf")
        address = serve(
            model,
            port=given.port,
            api_key=os.environ.get("VCPLAB_TINY_KEY") or None,
            n_ctx=given.n_ctx,
            n_parallel=given.n_parallel,
        )
        print(f"serving {address}", flush=True)
        sys.stdin.read()
    # The server's threads do not end by themselves.
    os._exit(0)


if __name__ == "__main__":
    main()
