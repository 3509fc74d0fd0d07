from __future__ import annotations

import math
import re
import subprocess
import sys
import types
from html.parser import HTMLParser

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vcplab.core.display import (
    SafeHtml,
    display_width,
    escape,
    format_number,
    html_card,
    html_document,
    html_table,
    is_notebook,
    plain_table,
    printable,
    register_view,
    style_block,
    view,
    views,
)
from vcplab.core.display.cells import showable
from vcplab.core.errors import InvalidInputError, MissingDependencyError, NotFoundError

HOSTILE = "<img src=x onerror=alert(1)>&\"'</td></table><script>alert(2)</script>"


class Page(HTMLParser):
    """What a browser would see: tags with attributes, and the text of every cell."""

    def __init__(self, source: str) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.cells: list[str] = []
        self.open: list[str] = []
        self.feed(source)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag != "meta":
            self.open.append(tag)
        if tag in {"td", "th", "caption"}:
            self.cells.append("")

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] in {"td", "th", "caption"}:
            self.cells[-1] += data


@pytest.fixture(autouse=True)
def own_views(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(views, "_registered", {})


# --- Views


def test_view_is_imported_when_asked_for() -> None:
    register_view("plot", "Cup", "colorsys:rgb_to_hsv")
    sys.modules.pop("colorsys", None)
    assert view("plot", "Cup")(0, 0, 0) == (0.0, 0.0, 0)
    register_view("plot", "Cup", "math:sqrt")
    assert view("plot", "Cup") is math.sqrt


def test_registration_wins_over_the_declared_table() -> None:
    register_view("plot", "Comparison", "math:sqrt")
    assert view("plot", "Comparison") is math.sqrt


def test_declared_targets_are_well_formed() -> None:
    assert views._DECLARED["plot", "Comparison"] == "vcplab.evaluation.plots:forest_plot"
    for target in views._DECLARED.values():
        assert re.fullmatch(r"vcplab(\.\w+)+:\w+", target)


def test_unknown_view_names_those_that_exist() -> None:
    with pytest.raises(NotFoundError) as caught:
        view("plot", "Comparson")
    assert "did you mean the plot of Comparison?" in str(caught.value.next_step)


def test_view_whose_module_or_function_is_missing() -> None:
    register_view("panel", "Cup", "vcplab.no_such_room:draw")
    with pytest.raises(NotFoundError, match=r"vcplab\.no_such_room:draw"):
        view("panel", "Cup")
    register_view("panel", "Cup", "math:no_such_function")
    with pytest.raises(NotFoundError, match="no such function"):
        view("panel", "Cup")


@pytest.mark.parametrize(
    ("package", "command"),
    [("jupyterlab", "pip install vcplab[lab]"), ("cupboard", "pip install cupboard")],
)
def test_view_whose_package_is_missing_says_what_to_install(
    package: str, command: str, tmp_path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "cup_views.py").write_text(f"import {package}.inner\n", encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "cup_views", raising=False)
    # None in sys.modules makes the import fail even where the package is installed.
    for name in [m for m in sys.modules if m.partition(".")[0] == package]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setattr(sys, "meta_path", [Blocker(package), *sys.meta_path])
    register_view("panel", "Cup", "cup_views:draw")
    with pytest.raises(MissingDependencyError) as caught:
        view("panel", "Cup")
    assert command in str(caught.value.next_step)


class Blocker:
    def __init__(self, package: str) -> None:
        self.package = package

    def find_spec(self, name: str, path: object = None, target: object = None) -> None:
        if name.partition(".")[0] == self.package:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)


@pytest.mark.parametrize("target", ["", "module", "module:", ":f", "a:b:c", "a b:c", "a..b:c"])
def test_malformed_target_is_refused(target: str) -> None:
    with pytest.raises(InvalidInputError):
        register_view("panel", "Cup", target)


# --- Cells


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.8731, "0.873"),
        (-0.8731, "-0.873"),
        (1, "1"),
        (12345, "12345"),
        (np.int64(3), "3"),
        (np.float32(0.5), "0.500"),
        (-0.0001, "0.000"),
        (-0.0, "0.000"),
        (0.0005001, "0.001"),
        (math.inf, "∞"),
        (-math.inf, "-∞"),
        (None, "–"),
        (math.nan, "–"),
        (np.float64("nan"), "–"),
        (pd.NA, "–"),
        (pd.NaT, "–"),
    ],
)
def test_format_number(value: object, text: str) -> None:
    assert format_number(value) == text


def test_format_number_digits() -> None:
    assert format_number(2.345678, 1) == "2.3"
    assert format_number(2.5, 0) == "2"
    assert format_number(-0.2, 0) == "0"


def test_safe_html_is_kept_and_everything_else_escaped() -> None:
    safe = escape("<b>")
    assert safe == "&lt;b&gt;"
    assert escape(safe) is safe
    for together in (safe + "<i>", "<i>" + safe, safe + safe):
        assert type(together) is SafeHtml
        assert "<" not in together
    assert type(safe.replace("&", "<")) is not SafeHtml
    assert type(f"{safe}") is str


@settings(deadline=None, max_examples=200)
@given(st.text(st.characters(exclude_categories=())))
def test_escaped_text_is_inert_writable_and_complete(text: str) -> None:
    escaped = escape(text)
    escaped.encode("utf-8")
    assert not set("<>\"'") & set(escaped)
    page = Page(f"<table><tr><td>{escaped}</td></tr></table>")
    assert [tag for tag, _ in page.tags] == ["table", "tr", "td"]
    assert page.cells == [showable(text)]


# --- HTML


@settings(deadline=None, max_examples=100)
@given(
    st.lists(st.text(max_size=8), min_size=1, max_size=4).flatmap(
        lambda columns: st.tuples(
            st.just(columns),
            st.lists(
                st.lists(st.text(max_size=8), min_size=len(columns), max_size=len(columns)),
                max_size=4,
            ),
        )
    ),
    st.text(max_size=8),
)
def test_any_text_stays_in_its_cell(table: tuple[list[str], list[list[str]]], caption: str) -> None:
    columns, rows = table
    page = Page(html_table(columns, rows, caption=caption))
    expected = [caption, *columns, *(cell for row in rows for cell in row)]
    assert page.cells == [showable(text) for text in expected]
    assert page.open == []
    assert {tag for tag, _ in page.tags} <= {
        "div", "table", "caption", "thead", "tbody", "tr", "th", "td"
    }  # fmt: skip


def test_hostile_text_is_text_everywhere() -> None:
    hostile_key = {HOSTILE: HOSTILE}
    for built in (
        html_table([HOSTILE], [[HOSTILE]], caption=HOSTILE, classes=[HOSTILE]),
        html_card(HOSTILE, hostile_key),
        html_document(HOSTILE, HOSTILE),
        html_document("t", html_table(["a"], [[HOSTILE]])),
    ):
        assert type(built) is SafeHtml
        page = Page(built)
        assert page.open == []
        assert not {"script", "img"} & {tag for tag, _ in page.tags}
        assert all(not name.startswith("on") for _, attrs in page.tags for name in attrs)


def test_table_alignment_numbers_and_highlight() -> None:
    rows = [["BM25", 0.71234, 3, None], ["dense", math.nan, 4, True]]
    page = Page(
        html_table(["system", "nDCG@10", "n", "ok"], rows, classes=["a", "b"], highlight={(0, 1)})
    )
    cells = [attrs["class"] for tag, attrs in page.tags if tag in {"th", "td"}]
    assert cells[:4] == ["vcp-left", "vcp-right", "vcp-right", "vcp-left"]
    assert cells[5] == "vcp-right vcp-highlight"
    assert page.cells[4:] == ["BM25", "0.712", "3", "–", "dense", "–", "4", "True"]
    assert ("table", {"class": "a b"}) in page.tags
    page = Page(html_table(["a", "b"], [[1, 2]], align=["left", "center"]))
    assert [a["class"] for t, a in page.tags if t == "td"] == ["vcp-left", "vcp-center"]


def test_safe_cells_are_kept() -> None:
    inner = html_card("x", [("a", 1)])
    assert inner in html_table(["a"], [[inner]])


def test_card_takes_pairs_and_mappings() -> None:
    facts = {"documents": 120, "share": 0.5, "note": None}
    assert html_card("Corpus", facts) == html_card("Corpus", facts.items())
    assert Page(html_card("Corpus", facts)).cells == [
        "documents", "120", "share", "0.500", "note", "–"
    ]  # fmt: skip


@pytest.mark.parametrize("build", [html_table, plain_table])
def test_tables_refuse_what_does_not_fit(build) -> None:
    with pytest.raises(InvalidInputError, match="Row 1 is 1 cells"):
        build(["a", "b"], [[1, 2], [1]])
    with pytest.raises(InvalidInputError, match="Row 0 is text"):
        build(["a", "b"], ["xy"])
    for align in (["left"], ["left", "middle"]):
        with pytest.raises(InvalidInputError, match="align"):
            build(["a", "b"], [], align=align)


def test_document_is_complete_and_fetches_nothing() -> None:
    body = html_table(["a"], [[1]])
    document = html_document("标题", body, style=".mine { color: red }")
    assert document.startswith("<!DOCTYPE html>\n")
    assert document.endswith("</html>\n")
    assert body in document
    assert ".mine { color: red }" in document
    page = Page(document)
    assert page.open == []
    tags = [tag for tag, _ in page.tags]
    for tag in ("html", "head", "title", "style", "body"):
        assert tags.count(tag) == 1
    policy = next(
        a["content"] for t, a in page.tags if t == "meta" and "content" in a and a.get("http-equiv")
    )
    assert policy is not None
    assert policy.startswith("default-src 'none'")
    assert not {"link", "script", "iframe"} & set(tags)
    assert not re.search(r"https?:|//|@import|url\(", document.replace("http-equiv", ""))
    assert "prefers-color-scheme: dark" in document
    assert "@media print" in document


def test_document_style_cannot_break_out() -> None:
    with pytest.raises(InvalidInputError):
        html_document("t", "b", style="</style><script>")


def test_style_is_scoped_and_balanced() -> None:
    style = style_block()
    assert type(style) is SafeHtml
    css = style.removeprefix("<style>").removesuffix("</style>")
    assert css.count("{") == css.count("}")
    for selectors in re.findall(r"([^{};]+)\{", css):
        for selector in selectors.split(","):
            assert selector.strip().startswith((".vcplab", "@media")), selector
    assert type(style + html_table(["a"], [])) is SafeHtml


def luminance(colour: str) -> float:
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


@pytest.mark.parametrize("theme", ["light", "dark", "print"])
def test_fallback_colours_are_readable(theme: str) -> None:
    css = style_block()
    start = {"light": 0, "dark": css.index("scheme: dark"), "print": css.index("@media print")}
    block = css[start[theme] :].split("}")[0]
    colours = dict(re.findall(r"--vcp-(\w+):[^;]*(#[0-9a-f]{6})\)?;", block))
    assert {"ink", "soft", "paper", "band", "line"} <= set(colours)
    for ink in ("ink", "soft"):
        for paper in ("paper", "band"):
            light, dark = sorted((luminance(colours[ink]), luminance(colours[paper])))[::-1]
            # WCAG 2.1, success criterion 1.4.3: at least 4.5 to 1
            assert (light + 0.05) / (dark + 0.05) >= 4.5, (theme, ink, paper)


# --- Text


@pytest.mark.parametrize(
    ("text", "width"),
    [
        ("", 0),
        ("abc", 3),
        ("记忆", 4),
        ("ｆｕｌｌ", 8),
        ("ﾊﾝ", 2),
        ("한국", 4),
        ("한", 2),
        ("e\u0301", 1),
        ("a\u200bb", 2),
        ("–", 1),
        ("。", 2),
        ("🙂", 2),
    ],
)
def test_display_width(text: str, width: int) -> None:
    assert display_width(text) == width


def test_plain_table_exactly() -> None:
    table = plain_table(
        ["系统", "nDCG@10", "n"],
        [["轻量 memo", 0.8731, 110], ["BM25", None, 9]],
        caption="日记",
    )
    assert table.split("\n") == [
        "日记",
        "系统       nDCG@10    n",
        "---------  -------  ---",
        "轻量 memo    0.873  110",
        "BM25             –    9",
    ]


def test_plain_table_alignment_and_empty() -> None:
    assert plain_table(["name", "x"], []) == "name  x\n----  -"
    centred = plain_table(["abcd"], [["中"], ["x"]], align=["center"])
    assert centred.split("\n")[2:] == [" 中 ", " x  "]


def test_plain_table_lets_no_control_sequence_through() -> None:
    table = plain_table(
        ["a"], [["\x1b[31mred\x1b[0m"], ["two\nlines\tand\r\nmore"], ["\u202eevil"]]
    )
    assert not re.search("[\x00-\x09\x0b-\x1f\x7f\u202e]", table)
    assert "two lines and more" in table
    assert len(table.split("\n")) == 5


def test_printable_is_one_line_without_control_sequences() -> None:
    assert printable("two\r\n\tlines\u2028more") == "two lines more"
    assert printable("\x1b[31m记忆\x07\u202e") == "\ufffd[31m记忆\ufffd\ufffd"


@settings(deadline=None, max_examples=150)
@given(
    st.integers(1, 4).flatmap(
        lambda n: st.lists(
            st.lists(
                st.text(max_size=10) | st.text("记忆ab１。e\u0301 ", max_size=10) | st.floats(),
                min_size=n,
                max_size=n,
            ),
            min_size=1,
            max_size=5,
        )
    ),
    st.sampled_from(["left", "center", "right"]),
)
def test_all_lines_are_equally_wide(rows: list[list[object]], side: str) -> None:
    columns = [str(i) for i in range(len(rows[0]))]
    lines = plain_table(columns, rows, align=[side] * len(columns)).split("\n")
    assert len(lines) == len(rows) + 2
    assert len(set(map(display_width, lines))) == 1


@settings(deadline=None, max_examples=100)
@given(st.text("记忆ab１。 ｱ😀한", max_size=20))
def test_width_agrees_with_wcwidth(text: str) -> None:
    wcwidth = pytest.importorskip("wcwidth")
    assert display_width(text) == wcwidth.wcswidth(text)


# --- Notebook


def test_is_notebook_asks_an_ipython_that_is_there(monkeypatch: pytest.MonkeyPatch) -> None:
    for shell, expected in (
        (None, False),
        (types.SimpleNamespace(), False),
        (types.SimpleNamespace(kernel=object()), True),
    ):
        fake = types.SimpleNamespace(get_ipython=lambda shell=shell: shell)
        monkeypatch.setitem(sys.modules, "IPython", fake)
        assert is_notebook() is expected
    monkeypatch.delitem(sys.modules, "IPython")
    assert is_notebook() is False


def test_is_notebook_does_not_import_ipython() -> None:
    code = (
        "import sys\nfrom vcplab.core.display import is_notebook\n"
        "assert is_notebook() is False\nassert 'IPython' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
