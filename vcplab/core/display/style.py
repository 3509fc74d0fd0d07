"""The style sheets: one scoped to the class ``vcplab``, and what a whole page adds to it."""

from __future__ import annotations

from typing import Final

__all__ = ["PAGE_STYLE", "STYLE"]

# Selectors name the table because JupyterLab's own rules for tables in outputs are as specific.
# Ink and paper are always set together, so a page of unknown colour cannot hide the text. Inside
# JupyterLab its theme decides; elsewhere the reader's preference.
STYLE: Final = """
.vcplab {
  --vcp-ink: var(--jp-content-font-color1, #1f2328);
  --vcp-soft: var(--jp-content-font-color2, #57606a);
  --vcp-paper: var(--jp-layout-color0, #ffffff);
  --vcp-band: var(--jp-layout-color2, #eef1f4);
  --vcp-line: var(--jp-border-color1, #c9d1d9);
  --vcp-mark: #0b5cad;
  color: var(--vcp-ink); background: var(--vcp-paper);
  font: 13px/1.45 var(--jp-content-font-family, system-ui, "Noto Sans CJK SC", "PingFang SC",
    "Microsoft YaHei", sans-serif);
  padding: 4px 0; overflow-x: auto;
}
@media (prefers-color-scheme: dark) {
  .vcplab {
    --vcp-ink: var(--jp-content-font-color1, #e6edf3);
    --vcp-soft: var(--jp-content-font-color2, #a5b1be);
    --vcp-paper: var(--jp-layout-color0, #11151a);
    --vcp-band: var(--jp-layout-color2, #222a33);
    --vcp-line: var(--jp-border-color1, #3d4752);
  }
}
.vcplab table { border-collapse: collapse; margin: 0; color: inherit; font-size: inherit; }
.vcplab caption, .vcplab .vcp-title {
  color: var(--vcp-ink); font-weight: 600; padding: 2px 0 6px; text-align: left;
}
.vcplab table th, .vcplab table td {
  border: 0; border-bottom: 1px solid var(--vcp-line); color: var(--vcp-ink);
  background: var(--vcp-paper); max-width: 60em; overflow-wrap: break-word; padding: 3px 10px;
  text-align: left; vertical-align: top; white-space: pre-line;
}
.vcplab table thead th { background: var(--vcp-band); font-weight: 600; overflow-wrap: normal; }
.vcplab table .vcp-left { text-align: left; }
.vcplab table .vcp-center { text-align: center; }
.vcplab table .vcp-right {
  text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap;
}
.vcplab table td.vcp-highlight { box-shadow: inset 3px 0 var(--vcp-mark); font-weight: 700; }
.vcplab .vcp-card {
  border: 1px solid var(--vcp-line); border-radius: 4px; display: inline-block; padding: 6px 12px;
}
.vcplab .vcp-card table th { color: var(--vcp-soft); font-weight: 400; padding-left: 0; }
.vcplab .vcp-card tr:last-child > * { border-bottom: 0; }
@media print {
  .vcplab {
    --vcp-ink: #000000; --vcp-soft: #444444; --vcp-paper: #ffffff; --vcp-band: #eeeeee;
    --vcp-line: #999999; overflow: visible;
  }
  .vcplab thead { display: table-header-group; }
  .vcplab tr, .vcplab .vcp-card, .vcplab figure { break-inside: avoid; }
}
"""

PAGE_STYLE: Final = """
:root { color-scheme: light dark; }
html { background: #ffffff; }
body.vcplab { margin: 0 auto; max-width: 92em; padding: 1.5em; }
@media (prefers-color-scheme: dark) { html { background: #11151a; } }
@media print {
  :root { color-scheme: light; } html { background: #ffffff; }
  body.vcplab { max-width: none; padding: 0; }
}
body.vcplab h1 { font-size: 1.6em; } body.vcplab h2 { font-size: 1.25em; margin-top: 1.6em; }
body.vcplab .vcplab { margin: 0.8em 0; }
body.vcplab svg, body.vcplab img { height: auto; max-width: 100%; }
body.vcplab a { color: inherit; }
"""
