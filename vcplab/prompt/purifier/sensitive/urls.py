"""What lets one in, inside addresses: user and password, and secret parameters."""

from __future__ import annotations

import re
from typing import Final

from vcplab.prompt.purifier.sensitive.family import SensitiveFamily, SensitiveRule

__all__ = ["URLS"]

_USER: Final = re.compile(
    r"\b[A-Za-z][A-Za-z0-9+.-]{1,20}://(?P<value>[^\s/?#@:\"'<>\[\]]{0,256}:[^\s/?#@\"'<>\[\]]{1,256})@"
    r"(?=[^\s@])"
)
_PARAMETER: Final = re.compile(
    r"[?&#;](?:access_token|refresh_token|id_token|auth_token|token|api_?key|apikey|key|secret|"
    r"client_secret|password|passwd|pwd|sig|signature|x-amz-signature|x-amz-credential|"
    r"x-amz-security-token|ossaccesskeyid|auth|sessionid|session|vcp_key)="
    r"(?P<value>[!$%(-;=?@A-Z\\^-~]{6,2000})",
    re.IGNORECASE,
)
# The toolbox carries its key in the path (facts/vcp-protocol §4).
_PATH: Final = re.compile(r"/(?:VCP_Key|pw)=(?P<value>[!$%(-.0-;=@A-Z\\^-~]{4,500})", re.IGNORECASE)

URLS: Final = SensitiveFamily(
    "url_credentials",
    "Credentials in addresses",
    (SensitiveRule(_USER), SensitiveRule(_PARAMETER), SensitiveRule(_PATH)),
)
