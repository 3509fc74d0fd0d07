"""What an agent knows about, read from its prompt: a table of prompts."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vcplab.agents.expertise import MOST_EXPERTISE, MOST_KEYWORDS, find_expertise

LANGGPT = """# 角色
你是一名前端工程师
## 技能
- 熟练使用 Vue 和 React
- 性能优化
## 限制
- 只回答编程问题
- 输出格式为 Markdown
"""

# prompt, what must be found as expertise, what must be found nowhere
CASES = [
    ("你是专业的写作助手，擅长小说和诗歌", ["写作", "小说", "诗歌"], ["助手", "专业", "擅长"]),
    ("你是专业的写作助手...", ["写作"], ["助手", "是专业的", "写作助手"]),
    ("你是专业的文字校对...", ["文字校对"], ["你是专业", "专业"]),
    ("你是创意策划专家...", ["创意策划"], ["专家", "你是创意"]),
    ("你是AI领域的专家...", ["AI"], ["领域", "专家"]),
    ("你是一个产品经理...", ["产品经理"], ["一个"]),
    (
        "你是专业的文字校对，精通错别字、标点符号与语法检查。",
        ["文字校对", "错别字", "标点符号", "语法检查"],
        ["精通", "符号与语"],
    ),
    (
        "你是一个产品经理，负责需求分析与用户研究。请用中文回答，不要超过200字。",
        ["产品经理", "需求分析", "用户研究"],
        ["中文", "回答", "超过"],
    ),
    ("你是AI领域的专家，熟悉机器学习和深度学习", ["AI", "机器学习", "深度学习"], ["学习", "机器"]),
    ("你是中医养生顾问，熟悉针灸、推拿、食疗。", ["中医养生", "针灸", "推拿", "食疗"], ["顾问"]),
    ("你是法律顾问，精通劳动法与合同法。", ["法律", "劳动法", "合同法"], ["顾问", "精通"]),
    ("你是律师。你不是医生，不要给出医疗建议。", ["律师"], ["医生", "医疗", "医疗建议", "建议"]),
    ("你懂历史。你不擅长数学。", ["历史"], ["数学"]),
    (LANGGPT, ["前端工程师", "Vue", "React", "性能优化"], ["角色", "技能", "限制", "格式"]),
    ("你是專業的寫作助手，擅長小說和詩歌", ["寫作", "小說", "詩歌"], ["助手", "擅長", "專業"]),
    ("你是小说家，擅长科幻小说、悬疑推理", ["科幻小说", "悬疑推理"], ["擅长"]),
    ("精通C++、Node.js和GPT-4o提示词", ["C++", "Node.js"], ["C", "js", "和"]),
    ("你是数据分析师，会用 SQL 和 Python", ["数据分析师", "SQL", "Python"], ["会用"]),
    ("你是小林，熟悉知识图谱、时间管理", ["知识图谱", "时间管理"], ["小林", "知识", "时间"]),
    ("你是一个有用的助手。", [], ["有用", "助手", "一个"]),
    ("读 `rm -rf` 和 {{Tar日记}}，擅长园艺", ["园艺"], ["rm", "Tar日记", "日记"]),
    (
        "You are an expert in machine learning and deep learning.",
        ["machine learning", "deep learning"],
        ["expert", "learning", "You"],
    ),
    (
        "You are a professional copywriter who helps users write better product descriptions and "
        "landing pages. Always answer in English.",
        ["copywriter", "product descriptions", "landing pages"],
        ["users", "better", "English", "answer"],
    ),
    (
        "You are a senior Python developer, experienced with Django and PostgreSQL. Never give "
        "legal advice.",
        ["Python developer", "Django", "PostgreSQL"],
        ["senior", "legal", "legal advice", "advice"],
    ),
    (
        "You are a travel guide specializing in Japan: temples, hot springs.",
        ["Japan", "temples", "hot springs"],
        ["specializing", "You"],
    ),
    (
        "You are a nutritionist. You are not a doctor. Focus on diets and meal planning.",
        ["nutritionist", "diets", "meal planning"],
        ["doctor", "Focus"],
    ),
    ("You are a helpful assistant.", [], ["assistant", "helpful"]),
    (
        "Ask bob@example.com, see https://a.b/c. You know about jazz.",
        ["jazz"],
        ["bob", "example", "https", "bob@example.com"],
    ),
    (
        "Skilled in novels. A novel is long; a great novel is longer.",
        ["novels"],
        ["novel"],  # the same word once, as it was met first
    ),
    ("あなたはプロのプログラマー", ["プログラマー"], ["は", "の"]),
    ("", [], []),
]


@pytest.mark.parametrize(("prompt", "must", "must_not"), CASES, ids=[c[0][:24] for c in CASES])
def test_prompts(prompt: str, must: list[str], must_not: list[str]) -> None:
    found = find_expertise(prompt)
    assert set(must) <= set(found.expertise), found
    assert set(found.expertise) <= set(found.keywords), found
    assert not set(must_not) & set(found.keywords), found


def test_who_it_is_comes_first() -> None:
    found = find_expertise("你是专业的写作助手，擅长小说和诗歌")
    assert found.expertise == ("写作", "小说", "诗歌")


def test_orders_give_keywords_and_no_expertise() -> None:
    found = find_expertise("你是编辑。请用 Markdown 列出标题。")
    assert found.expertise == ("编辑",)
    assert "Markdown" in found.keywords


def test_parts_of_compounds_call_too_where_they_tell_something() -> None:
    found = find_expertise("你是专业的文字校对，熟悉语法检查")
    assert {"校对", "语法"} <= set(found.keywords)
    assert not {"文字", "检查"} & set(found.keywords)


def test_name_and_description_are_read() -> None:
    found = find_expertise("", name="历史老师", description="讲宋代史")
    assert "历史老师" in found.expertise
    assert "Bob" not in find_expertise("You are Bob. You know about jazz.", name="Bob").keywords


def test_limits_hold() -> None:
    words = (
        "围棋 象棋 书法 国画 古琴 茶道 园艺 烹饪 烘焙 摄影 剪纸 陶艺 木工 编织 刺绣 插花 登山 游泳"
    )
    found = find_expertise("擅长" + "、".join(words.split()))
    assert len(found.expertise) == MOST_EXPERTISE
    assert len(found.keywords) == MOST_KEYWORDS
    assert found.expertise[0] == "围棋"


@pytest.mark.parametrize(
    "piece",
    ["a", "小", "a-", "x@", "{{", "<a", "《《", "```", "你是", "you are ", "Big word ", "#"],
)
def test_any_long_text_is_read_in_time_that_grows_with_it(piece: str) -> None:
    def seconds(size: int) -> float:
        text = piece * (size // len(piece))
        start = time.process_time()
        find_expertise(text)
        return time.process_time() - start

    find_expertise("你是")  # loads the dictionary
    # Three times the text takes three times the time, or nine if it is read over and over.
    # The least of several: machines are noisy.
    short, long = (min(seconds(size) for _ in range(3)) for size in (15_000, 45_000))
    assert long < 6 * short + 0.1


def test_the_same_in_every_thread() -> None:
    prompts = [case[0] for case in CASES]
    alone = [find_expertise(prompt) for prompt in prompts]
    with ThreadPoolExecutor(4) as threads:
        assert list(threads.map(find_expertise, prompts)) == alone


@settings(max_examples=60)
@given(
    st.text(
        st.sampled_from("你是擅长小说诗歌和，。、 expert in-C++\n#*`[{技能:：不AaéかЖ🙂"),
        max_size=80,
    )
)
def test_any_text_gives_whole_words_of_it(text: str) -> None:
    found = find_expertise(text)
    assert found == find_expertise(text)
    assert len(found.expertise) <= MOST_EXPERTISE
    assert len(found.keywords) <= MOST_KEYWORDS
    squeezed = text.lower().replace(" ", "")
    for term in found.keywords:
        assert len(term) >= 2
        assert term.lower().replace(" ", "") in squeezed
