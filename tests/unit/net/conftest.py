"""What several tests of the network share."""

from __future__ import annotations

import shutil
import ssl
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.support.wires import make_certificates


@dataclass(frozen=True)
class Certificates:
    """An authority's PEM file, and the TLS context of a server it vouches for."""

    ca: Path
    server: ssl.SSLContext


@pytest.fixture(scope="session")
def certificates(tmp_path_factory):
    """An authority made for this run, and a server called "localhost"."""
    if shutil.which("openssl") is None:
        pytest.skip("needs the openssl command to make certificates")
    ca, certificate, key = make_certificates(tmp_path_factory.mktemp("tls"))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    return Certificates(ca, context)
