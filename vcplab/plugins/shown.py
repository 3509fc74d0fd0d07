"""Results of several parts, which show themselves in a notebook."""

from __future__ import annotations

import json
import re
from typing import Any, Final

from vcplab.core.display import escape, style_block

__all__ = ["PartsResult"]

_IMAGE: Final = re.compile(r"data:image/(?:png|jpeg|gif|webp|svg\+xml)[;,]", re.IGNORECASE)


class PartsResult(dict[str, Any]):
    """A plugin's result with ``content`` parts: a dictionary that shows its texts and pictures.

    Pictures are shown from ``data:`` addresses only, in ``<img>``, where nothing of them can run;
    everything else is escaped.
    """

    def _repr_html_(self) -> str:
        shown = [str(style_block())]
        for part in self.get("content") or ():
            kind = part.get("type") if isinstance(part, dict) else None
            if kind == "image_url":
                image = part.get("image_url")
                url = image.get("url") if isinstance(image, dict) else None
                if isinstance(url, str) and _IMAGE.match(url):
                    shown.append(f'<img src="{escape(url)}" style="max-width: 640px">')
                else:
                    shown.append(f"<p>{escape(f'[picture: {str(url)[:200]}]')}</p>")
            else:
                text = part.get("text") if kind == "text" else json.dumps(part, default=str)
                shown.append(f'<p style="white-space: pre-wrap">{escape(str(text))}</p>')
        rest = {key: value for key, value in self.items() if key != "content"}
        if rest:
            text = json.dumps(rest, ensure_ascii=False, indent=1, default=str)
            shown.append(f"<details><summary>more</summary><pre>{escape(text)}</pre></details>")
        return f'<div class="vcplab">{"".join(shown)}</div>'
