"""The words that deny and qualify, in Chinese and English. Private: see `vcplab.text.negation`."""

from __future__ import annotations

import re
from typing import Final

__all__ = ["EN", "EN_START", "EN_WORDS", "ZH", "ZH_START"]

_HAN: Final = re.compile("[\u3400-\u9fff]")


def _words(words: str) -> frozenset[str]:
    return frozenset(words.split())


# Longest first within a kind is not needed: every pattern is tried in the order given, and what
# looks like a cue but is none stands before the cues.
_ZH_NONE = (
    # 未, 无, 非, 不, 没, 别 inside words that deny nothing
    "未来|未婚|未成年|未知数|未免|未尝不|"
    "非常|非洲|非凡|非得|非要|除非|是非|莫非|非遗|无非|非典|"
    "不但|不仅仅?|不光|不只|不单|不止|不独|不论|不管|不问|不过|不断|不久|不少|不错|不料|不禁|"
    "不由得?|不由自主|"
    "不妨|不愧|不等|不同|不一会儿?|不时|不停|不住|不惜|不如|不可思议|不可避免|不外乎|不约而同|"
    "不得了|"
    "不亦乐乎|不言而喻|不容置疑|不动产|不锈钢|不倒翁|不好意思|不知不觉|不日|不二|不免|不无|不失为|"
    "不在话下|"
    "了不起|差不多|忍不住|禁不住|说不定|巴不得|恨不得|大不了|对不起|看不起|怪不得|要不|"
    "从不间断|不折不扣|川流不息|源源不断|络绎不绝|滔滔不绝|层出不穷|不胜枚举|必不可少|不可或缺|"
    "无论|无数|无比|无限|无穷|无线|无人机|无疑|无锡|无奈|无聊|无辜|无私|无形|无意间|无意中|无机|"
    "无产|无花果|无缝|"
    "无所不|无微不至|无时无刻|无独有偶|无价|毫无疑问|毫无疑义|"
    "没准儿?|没事儿?|没关系|没落|没收|没完没了|淹没|沉没|埋没|覆没|吞没|出没|神出鬼没|没想到|没错|"
    "别人|别的|别处|别墅|别致|别名|别称|别具|别针|别扭|别看(?=[\u4e00-\u9fff]{2,8}[，,])|"
    "别说(?!话|了|出|过|谎)|别提多|别样|别开生面|别出心裁|"
    "特别|区别|分别|级别|性别|个别|告别|离别|识别|判别|鉴别|差别|类别|道别|派别|国别|送别|辨别|"
    "甄别|有别|各别|久别|惜别|永别|"
    "勿忘我|莫名|莫大|莫扎特|莫斯科|莫过于|莫奈|休息|休假|休闲|甭提多|"
    "反对派|否则|是否|能否|可否|与否|会否|应否|否极泰来|是不是|有没有|"
    "免费|以免|难免|避免|未必不|无怪|毋庸置疑|毋宁"
)
_ZH_DOUBLE = (
    "不得不|不能不|不可不|不会不|不是不|不该不|不敢不|不要不|没有不|没有一[个位种次天人]不|无不|"
    "无一不|"
    "莫不|未尝不|不可能不|不可能没有|不是没有|并非没有|并非不|并不是不|并不是没有|不无"
)
_ZH_NEGATION = (
    "从来没有?|从没有?|并没有?|还没有?|都没有?|也没有?|再没有?|没有|没能|没法儿?|没|从来不|从不|"
    "并不是?|"
    "并非|绝非|决非|绝不|决不|毫不|毫无|尚未|从未|未曾|未能|未必|未|不再|不曾|不能|不可能|不会|"
    "不是|不要|不必|不用|"
    "不该|不应当?|不得|不可|不许|不准|不肯|不愿意?|不敢|不想|不需要?|不属于|不存在|不予|不至于|"
    "不一定|不见得|不太|不怎么|不|"
    "无法|无须|无需|无从|无权|无意|无力|无关|无缘|无人|无望|毫无|绝无|并无|无|"
    "非|否认|否定|否决|拒绝|拒不|缺乏|缺少|未果|"
    "(?:(?<=[，。；！？,;!?：:\\s请千万你您都就可])|^)别|甭|勿|莫|毋|休想|禁止|严禁|"
    "避免了?"
)
_ZH_HEDGE = (
    "很可能|极可能|有可能|可能|也许|或许|兴许|大概|大抵|似乎|好像|仿佛|貌似|看来|看起来|看上去|"
    "估计|猜测|推测|据说|据称|听说|"
    "据传|传闻|恐怕|没准儿?|说不定|未必|不一定|不见得|我觉得|我认为|我想|我猜|我怀疑|疑似|疑为|"
    "或将|或会|或可|应该是|应该会|"
    "应该能|八成|多半|大约是|差不多是|不太确定|不确定|难说|有望|倾向于"
)
_ZH_CERTAIN = (
    "一定会?|肯定会?|必然|必定|必将|势必|毫无疑问|毫无疑义|毋庸置疑|无疑|绝对|确实|的确|确定|确信|"
    "当然|显然|明显|"
    "总是|百分之百|千真万确|证实|铁定|准会|无可置疑|不容置疑|当之无愧|事实上|显而易见"
)
_ZH_OBLIGATION = (
    "必须|务必|应当|应该|理应|需要|须|得以?(?=[\u4e00-\u9fff]{1,2}了?吧)|一定要|不得不|不能不|非得"
)
_ZH_PLAN = (
    "计划|打算|准备|拟于?|预计|预期|将会|将要|即将|将于|将在|"
    "将(?=[\u4e00-\u9fff]{2})(?!军|近|来|就)|有意|考虑|希望|想要|争取"
)
_EN_NONE = (
    r"not[ ](?:only|just|merely|simply|solely|least|to[ ]mention|surprisingly|infrequently|"
    r"uncommon(?:ly)?|unlike|without)|nothing[ ](?:but|less[ ]than|short[ ]of)|none[ ]other[ ]than|"
    r"no[ ](?:more|less|fewer|later|earlier|sooner)[ ]than|no[ ]doubt|no[ ]wonder|no[ ]matter|"
    r"no\.[ ]?[0-9]+|"
    r"never[ ]?(?:mind|theless)|nevertheless|nonetheless|whether[ ]or[ ]not|or[ ]not|if[ ]not|"
    r"why[ ]not|"
    r"(?:can(?:no|')t|could[ ]?n[o']t)[ ](?:help|agree[ ]more|wait)|without[ ](?:a[ ])?doubt|"
    r"without[ ]question|"
    r"(?<=,[ ])(?:is|are|was|were|do|does|did|has|have|had|can|could|will|would|should|wo|"
    r"ca)n['’]?t[ ](?:it|he|she|they|we|you|i|there)(?=[ ]?\?)|"
    r"not[ ]fail[ ]to|never[ ]fail(?:s|ed)?[ ]to|lack[ ]of[ ]doubt"
)
_EN_NEGATION = (
    r"not(?:[ ](?:yet|any|at[ ]all|necessarily))?|[a-z]{2,6}n['’]t|cannot|cant|dont|doesnt|didnt|"
    r"isnt|wasnt|"
    r"never|no[ ](?:longer|one)|nobody|none|nothing|nowhere|neither|nor|no|without|"
    r"hardly(?:[ ]ever)?|barely|scarcely|rarely|seldom|"
    r"fail(?:s|ed|ing)?[ ]to|unable[ ]to|refus(?:e|es|ed|ing)[ ]to|declin(?:e|es|ed|ing)[ ]to|"
    r"lack(?:s|ed|ing)?(?:[ ]of)?|absence[ ]of|absent|den(?:y|ies|ied|ying)|"
    r"impossible|unlikely|instead[ ]of|rather[ ]than|far[ ]from|anything[ ]but|"
    r"too[ ][a-z]{2,12}(?=[ ]to[ ])"
)
_EN_HEDGE = (
    r"may[ ]have|may[ ]be|may(?=[ ](?:not|also|well|soon|only|still|even|[a-z]{2,12}\b))|might|"
    r"could[ ]have|could(?=[ ](?:be|also|well)\b)|"
    r"perhaps|maybe|possibl[ye]|probabl[ye]|presumably|likely|unlikely|potentially|apparently|"
    r"seemingly|"
    r"seem(?:s|ed|ing)?|appear(?:s|ed)?[ ]to|appears|reportedly|allegedly|supposedly|purportedly|"
    r"arguably|"
    r"suggest(?:s|ed|ing)?|(?:i|we|they|he|she)[ ](?:think|thinks|thought|believe|believes|"
    r"believed|guess|"
    r"guessed|suspect|suspects|suspected|assume|assumed)|it[ ]is[ ](?:thought|believed|said)|"
    r"rumou?red|"
    r"not[ ](?:sure|certain|necessarily|entirely[ ]clear)|unclear|uncertain|tend(?:s|ed)?[ ]to|"
    r"sort[ ]of|kind[ ]of|"
    r"estimated|in[ ]all[ ]likelihood|can[ ]be[ ]seen[ ]as|would[ ]seem"
)
_EN_CERTAIN = (
    r"definitely|certainly|undoubtedly|doubtless|surely|clearly|obviously|absolutely|always|"
    r"invariably|"
    r"unquestionably|indisputably|no[ ]doubt|without[ ](?:a[ ])?doubt|without[ ]question|"
    r"must[ ]have|must[ ]be|in[ ]fact|"
    r"indeed|confirmed|proven|proves|proved|guarantee(?:s|d)?|of[ ]course|evidently|"
    r"beyond[ ](?:any[ ]|all[ ])?doubt|"
    r"inevitabl[ye]|will[ ]certainly|bound[ ]to"
)
_EN_OBLIGATION = (
    r"must(?![ ](?:have|be)\b)|ha(?:s|ve|d)[ ]to(?=[ ])|should|ought[ ]to|required[ ]to|need(?:s|"
    r"ed)?[ ]to|shall|"
    r"obliged[ ]to|supposed[ ]to"
)
_EN_PLAN = (
    r"will(?=[ ](?:not[ ]|also[ ]|soon[ ]|then[ ]|be[ ])?[a-z])|plan(?:s|ned|ning)?[ ](?:to|on)|"
    r"intend(?:s|ed)?[ ]to|"
    r"(?:is|are|was|were|am)[ ](?:going|due|scheduled|set|expected|about)[ ]to|aim(?:s|ed|"
    r"ing)?[ ]to|hope(?:s|d)?[ ]to|"
    r"expect(?:s|ed)?[ ]to|consider(?:s|ed|ing)?(?=[ ][a-z]+ing\b)|want(?:s|ed)?[ ]to|"
    r"propos(?:es?|ed)[ ]to"
)

ZH: Final = re.compile(
    f"(?P<double>{_ZH_DOUBLE})|(?P<hedge>{_ZH_HEDGE})|(?P<certainty>{_ZH_CERTAIN})|"
    f"(?P<obligation>{_ZH_OBLIGATION})|(?P<none>{_ZH_NONE})|(?P<negation>{_ZH_NEGATION})|"
    f"(?P<plan>{_ZH_PLAN})"
)
EN: Final = re.compile(
    rf"(?<![A-Za-z0-9_'’-])(?:(?P<certainty>{_EN_CERTAIN})|(?P<hedge>{_EN_HEDGE})|"
    rf"(?P<none>{_EN_NONE})|"
    rf"(?P<negation>{_EN_NEGATION})|(?P<obligation>{_EN_OBLIGATION})|(?P<plan>{_EN_PLAN}))"
    r"(?![A-Za-z0-9_])(?!['’][a-su-z])",
    re.IGNORECASE,
)
# What a cue can begin with; everything else is passed over at the price of one look.
ZH_START: Final = re.compile(
    "["
    + "".join(
        sorted(
            {
                name.lstrip("(")[0]
                for names in (
                    _ZH_DOUBLE, _ZH_HEDGE, _ZH_CERTAIN, _ZH_OBLIGATION, _ZH_NONE, _ZH_NEGATION,
                    _ZH_PLAN, "别",
                )
                for name in names.split("|")
                if name and _HAN.match(name.lstrip("("))
            }
        )
    )
    + "]"
)  # fmt: skip
EN_START: Final = re.compile("[A-Za-z]+")
EN_WORDS: Final = _words(
    "not nothing none no never nevertheless nonetheless whether or if why can cannot cant could "
    "without is are was were do does did has have had will would should wo ca lack lacks lacked "
    "lacking dont doesnt didnt isnt wasnt nobody nowhere neither nor hardly barely scarcely "
    "rarely seldom fail fails failed failing unable refuse refuses refused refusing decline "
    "declines declined declining absence absent deny denies denied denying impossible unlikely "
    "instead rather far anything too may might perhaps maybe possible possibly probable "
    "probably presumably likely potentially apparently seemingly seem seems seemed seeming "
    "appear appears appeared reportedly allegedly supposedly purportedly arguably suggest "
    "suggests suggested suggesting i we they he she it rumored rumoured unclear uncertain tend "
    "tends tended sort kind estimated in definitely certainly undoubtedly doubtless surely "
    "clearly obviously absolutely always invariably unquestionably indisputably must indeed "
    "confirmed proven proves proved guarantee guarantees guaranteed of evidently beyond "
    "inevitable inevitably bound ought required need needs needed shall obliged supposed plan "
    "plans planned planning intend intends intended am aim aims aimed aiming hope hopes hoped "
    "expect expects expected consider considers considered considering want wants wanted "
    "propose proposes proposed "
)
