"""Words that say how a prompt speaks, not what about. Private: see `vcplab.agents.expertise`."""

from __future__ import annotations

import re
from typing import Final

__all__ = [
    "BOUND",
    "CUES",
    "EXPERTISE_HEADING",
    "IDENTITY",
    "NEGATED",
    "ORDERS",
    "OTHER_HEADING",
    "ROLE_TAILS",
    "STOP_EN",
    "STOP_ZH",
    "SUFFIXES",
    "WEAK",
]


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


IDENTITY: Final = re.compile(
    r"(?:你|您)(?:将|现在|就)?(?:是|叫|名叫|扮演|担任|作为)|作为|扮演|"
    r"\b(?:you\s+are|you're|you\s+act\s+as|act\s+as|acting\s+as|you\s+will\s+be|i\s+am)\b",
    re.IGNORECASE,
)
"""What says who the agent is."""

CUES: Final = re.compile(
    r"擅长|善于|精通|熟悉|熟知|专长|专精|专攻|特长|专注于?|致力于|从事|负责|掌握|了解|研究方向|主攻|"
    r"精于|通晓|深谙|领域(?:是|为|包括|有|[:：])|技能(?:是|为|包括|有|[:：])|"
    r"\b(?:experts?\s+(?:in|on)|speciali[sz]\w*\s+in|skilled\s+(?:in|at|with)|"
    r"proficient\s+(?:in|with)|experienced?\s+(?:in|with)|knowledgeable\s+(?:in|about)|"
    r"focus(?:es|ed|ing)?\s+on|good\s+at|excels?\s+(?:at|in)|expertise\s*(?:in|includes?|:)|"
    r"background\s+in|versed\s+in|responsible\s+for|master(?:y)?\s+of|knows?\s+about|"
    r"familiar\s+with|skills\s*(?:include|are|:))",
    re.IGNORECASE,
)
"""After these stands what it knows about."""

NEGATED: Final = re.compile(
    r"不(?:是|要|得|可|能|会|懂|擅长|应|准|许|必|涉及|包括|了解|熟悉|负责)(?!仅|只)|禁止|切勿|请勿|勿|避免|严禁|"
    r"没有|无需|"
    r"\b(?:never|don't|do\s+not|doesn't|does\s+not|not(?!\s+only)|no|cannot|can't|avoid|without|"
    r"refrain|unless)\b",
    re.IGNORECASE,
)
"""A clause with these says what it is not."""

ORDERS: Final = re.compile(
    r"\s*(?:[-*+•>]\s*|\d+[.)、．]\s*)?(?:请|务必|必须|注意|记住|始终|总是|回答|回复|输出|每次|当用户|如果|"
    r"用户|使用|用|以|按照?|根据|首先|然后|最后|接下来|语气|风格|字数|格式|"
    r"(?:please|always|must|should|respond|reply|answer|output|use|keep|remember|make\s+sure|ensure|"
    r"if|when|whenever|write\s+in|be|your\s+(?:answers?|replies|tone|task|goal|job)|limit|format|"
    r"first|then|finally|the\s+user|users)\b)",
    re.IGNORECASE,
)
"""A sentence that begins so tells how to answer."""

EXPERTISE_HEADING: Final = re.compile(
    r"技能|专长|特长|擅长|领域|能力|职责|知识|skills?|expertise|abilit|speciali|domains?|knowledge|"
    r"strengths?|responsibilit",
    re.IGNORECASE,
)
OTHER_HEADING: Final = re.compile(
    r"限制|约束|规则|规范|要求|注意|格式|流程|步骤|工作流|初始化|示例|例子|风格|语气|输出|"
    r"constraints?|rules?|limits?|format|workflow|steps?|init|examples?|style|tone|output|"
    r"guidelines?|requirements?|notes?",
    re.IGNORECASE,
)

ROLE_TAILS: Final = _words("""
    专家 助手 助理 顾问 大师 高手 达人 机器人 角色 人员 人士 人 伙伴 小助手 智能体 行家 能手 老手
    爱好者 从业者 权威 砖家 导师 学者 团队 工作者 资深人士 成员 问题 内容 能力 领域 方面 相关
""")
"""Chinese heads that say 'somebody who …'; what stands before them is the subject."""

WEAK: Final = _words("""
    学习 分析 研究 设计 开发 管理 检查 处理 系统 问题 服务 应用 技术 方法 工程 策略 规划 优化 评估
    测试 产品 用户 理论 知识 技巧 经理 工程师 设计师 师 员 专业 领域 科学 工具 编写 制作 策划 建议
    支持 平台 项目 方案 内容 深度 机器 数据 信息 需求 文字 创意 教育 语言 报告 文件 资料 行业 市场
    头脑 短 大 小 高 新 learning analysis research design development management review system
    systems problem problems service services engineering engineer strategy planning optimization
    evaluation testing product products user users theory tools tool deep machine data science
    content project projects model models language languages information report reports market web
    software code test tests process quality network business social media
""")
"""Too common to call an agent by alone, though good in a compound."""

BOUND: Final = _words("""
    前端 后端 用户 客户 信息 任务 知识 世界 智能 综合 目标 时间 对话 聊天 沟通 交流 检查 设计 分析
    研究 指导 处理 支持 服务 管理 建议 改进 修改 讨论 团队 流程 行业
""")
"""Common words that count inside a compound alone: 用户研究, 语法检查."""

SUFFIXES: Final = frozenset("词师家员法学率化性论史课题图表机器稿店品业界感力")
"""Single characters that end a compound: 提示词."""

STOP_ZH: Final = _words("""
    你 我 他 她 它 您 我们 你们 他们 自己 大家 是 的 了 在 和 与 及 以及 或 或者 并 并且 而 且 但
    但是 也 都 就 还 又 很 非常 十分 更 最 能 能够 可以 可 会 要 需要 应该 应 将 把 被 对 对于
    关于 为 为了 从 到 向 由 以 用 于 使用 通过 根据 按照 进行 提供 给 给出 给予 帮助 帮忙 协助
    辅助 解决 回答 回复 解答 答复 生成 输出 输入 完成 实现 确保 保证 保持 具有 具备 拥有 包括 包含
    涉及 涵盖 例如 比如 等 等等 等方面 方面 各种 各类 各个 多种 一个 一位 一名 一种 一些 一款 这个
    那个 这些 那些 这 那 什么 如何 怎么 怎样 哪些 为什么 专业 资深 高级 优秀 顶级 著名 知名 经验
    丰富 多年 年 年经验 领域 方向 行业 擅长 善于 精通 熟悉 熟知 专长 特长 专注 致力 从事 负责 掌握
    了解 主攻 精于 作为 扮演 担任 角色 专家 助手 助理 顾问 大师 高手 达人 人 人员 人士 用户 客户
    对方 问题 内容 信息 任务 工作 要求 目标 情况 时候 时间 方式 方法 能力 技能 知识 特点 优势 目的
    结果 过程 步骤 请 务必 必须 注意 记住 始终 总是 不要 不 没有 没 无 有 好 好的 准确 清晰 简洁
    详细 友好 热情 耐心 认真 严谨 温柔 幽默 活泼 可爱 有趣 简单 复杂 重要 相关 不同 具体 实际 真实
    全面 深入 优质 高质量 高效 有效 合适 适合 中文 英文 语气 风格 格式 字数 字 句 回应 对话 交流
    聊天 沟通 说话 发言 名字 名叫 叫 现在 今天 然后 首先 最后 接下来 同时 此外 另外 因为 所以 如果
    那么 虽然 只 只有 只能 仅 每 每次 每个 所有 任何 其他 其它 之 之一 中 上 下 里 内 外 前 后
    进行中 来 去 做 作 写 看 说 讲 想 让 使 令 得 地 着 过 撰写 编写 创作出 制作 打造 提升 提高
    改善 改进 增强 建议 指导 支持 服务 处理 发现 找出 指出 寻找 检查 润色 修改 纠正 理解 认为 知道
    希望 喜欢 热爱 世界 国内 国外 当前 最新 主要 基本 核心 关键 智能 综合 通用 强大 独特 出色 靠谱
    贴心 名 位 个 种 款 第一 一 二 三 两 几 多 少 大量 许多 部分 整个 一切 起来 出来 下来 一起
    共同 参与 讨论 观点 意见 想法 看法 成员 团队 小助手 机器人 伙伴 智能体 扮演者 全能 万能 百科
    深厚 扎实 独到 敏锐 精准 流畅 优美 生动 专门 特别 尤其 最好 尽量 尽可能 一定 可能 例子 示例
    如下 以下 以上 上述 下列 限制 约束 规则 流程 初始化 初始 设定 人设 背景 性格 自我介绍 介绍
    熟练 熟练掌握 有用 有帮助 能干 可靠 值得 称职 乐于助人 善解人意 聪明 机智 智慧 礼貌 亲切
    喜欢用 这样 那样 欢迎 你好 谢谢 主持人 观察员
""")

STOP_EN: Final = _words("""
    a an the and or but nor so yet of in on at to for from by with without within into onto over
    under about above below between among through during before after since until than then as if
    when while where which who whom whose what why how that this these those there here it its
    it's he she they we you i me my your yours our ours their theirs his her hers him them us is
    are was were be been being am do does did doing done have has had having can could will would
    shall should may might must not no never always often usually sometimes also too very really
    quite just only even still again more most less least much many few several some any all each
    every both either neither other others another such same own you're you'll you've i'm i'll
    don't doesn't can't won't isn't let let's act acts acting role roles play plays playing assist
    assists assisting help helps helping helped helpful provide provides providing provided give
    gives giving answer answers answering ask asks asking asked make makes making made use uses
    using used user users client clients customer customers people person someone anyone everyone
    need needs needed want wants like likes love loves work works working worked create creates
    creating created write writes writing written wrote draft drafts drafting generate generates
    generating produce produces producing explain explains explaining describe describes respond
    responds responding response responses reply replies replying question questions task tasks
    problem problems topic topics thing things way ways information detail details detailed
    example examples step steps goal goals job jobs assistant assistants expert experts specialist
    specialists consultant consultants advisor adviser professional professionals master masters
    guru agent agents bot chatbot ai-assistant helper companion partner member team good better
    best great excellent outstanding skilled proficient experienced knowledgeable familiar versed
    strong deeply broad wide extensive rich solid thorough clear clearly concise short brief
    accurate accurately correct correctly precise friendly kind polite patient warm professionally
    specialize specializes specialized specializing specialise specialises specialised
    specialising focus focuses focused focusing excel excels experience expertise knowledge
    background skill skills ability abilities area areas field fields domain domains subject
    subjects responsible mastery know knows known understand understands understanding including
    include includes included e.g etc i.e various different kinds type types range related
    relevant well highly extremely senior junior leading top world-class world certified seasoned
    year years decade decades please ensure ensures sure keep keeps remember follow follows
    following try tries based given new one two three first second third finally next now today
    name named called high-quality quality useful simple complex important possible engaging
    creative compelling find finds finding check checks checking fix fixes fixing improve improves
    improving review reviews reviewing suggest suggests suggesting support supports supporting
    solve solves solving tell tells say says speak speaks talk talks discuss discusses think
    thinks thinking get gets go guide guides guiding offer offers offering able tone style format
    language english chinese word words sentence sentences paragraph text output input message
    messages user's who's what's host moderator observer participant conversation conversations
    chat group discussion discussions passionate dedicated thoughtful curious funny humorous
    cheerful calm wise smart clever intelligent build builds building built up out off down across
    around against toward towards per via up-to-date modern advanced general main key core daily
    real full handle handles handling manage manages see sees seen look looks teach teaches
    teaching learn learns explore explores analyze analyzes analyse analyses analyzing point
    points idea ideas opinion opinions it'll whether because however therefore although though
    become becomes lets put puts take takes taking turn turns everyday
""")
