"""Pairs of words that say the opposite of each other."""

from __future__ import annotations

from functools import lru_cache
from typing import Final

from vcplab.grounding.features.terms import tokenise

__all__ = ["opposites"]

# A line: the words of one side, a bar, the words of the other. Two sides of one event (give and
# receive, send and receive, come and go) are none: a paraphrase changes them.
_EN: Final = """
increase rise grow growth gain climb jump surge up upward upwards expand expansion soar higher \
boost raise improve improvement | decrease decline fall drop shrink reduce reduction down \
downward downwards contract contraction plunge lower loss slump cut worsen deterioration lose
high | low
higher | lower
highest | lowest
more | less fewer
most | least
many | few
much | little
max maximum | min minimum
above over | below under
large big huge major great | small little tiny minor slight
long | short brief
longer | shorter
wide broad | narrow
deep | shallow
heavy | light
strong | weak
stronger strengthen | weaker weaken
fast quick rapid swift | slow gradual
faster accelerate | slower decelerate slow
early | late
earlier before prior previous previously precede ahead | later after subsequent subsequently \
following follow
first | last
former | latter
begin start launch open commence initiate | end finish stop close cease conclude terminate halt
include including inclusion | exclude excluding exclusion
accept agree approve allow permit grant welcome | reject disagree disapprove refuse deny \
forbid prohibit decline ban oppose
agree agreement | disagree disagreement
support favor favour back endorse advocate | oppose against criticize criticise reject undermine
for pro | against anti
positive optimistic | negative pessimistic
optimism | pessimism
success succeed successful successfully | failure fail unsuccessful unsuccessfully
win victory victorious | lose loss defeat
pass | fail
easy simple straightforward | difficult hard complex complicated challenging
easier simpler | harder
possible | impossible
likely | unlikely
certain sure | uncertain unsure
able | unable
legal lawful | illegal unlawful
safe | unsafe dangerous
true | false
correct right accurate | incorrect wrong inaccurate
good | bad poor
better | worse
best | worst
happy pleased glad delighted satisfied | unhappy sad displeased upset dissatisfied disappointed
satisfaction | dissatisfaction disappointment
like love enjoy | dislike hate
interested | uninterested disinterested
excited excite | bored uninterested
new novel | old
newest latest | oldest earliest
young younger | old older elderly
modern | ancient traditional old
hot warm | cold cool
wet | dry
rich wealthy | poor
expensive costly pricey | cheap inexpensive affordable
buy purchase acquire | sell divest
lend | borrow
give provide offer | take withhold withdraw deny
arrive enter come | leave depart exit
return | leave depart
push | pull
add addition | remove subtract removal deletion delete
attach | detach
connect join link | disconnect separate
create build construct establish | destroy demolish dismantle abolish
keep retain maintain preserve continue | discard abandon drop discontinue stop
remember | forget
save | spend waste
show reveal disclose display | hide conceal
visible | invisible hidden
open opened | closed shut
public | private
internal inside domestic inner indoor | external outside foreign outer outdoor
north northern | south southern
east eastern | west western
left | right
top upper | bottom lower
front forward | back rear backward
near close nearby | far distant
present presence attend | absent absence miss
alive live living | dead die
birth born | death died
male man boy father husband brother son he king | female woman girl mother wife sister \
daughter she queen
always constantly | never rarely seldom
often frequently frequent | rarely seldom infrequent infrequently
all every everyone everybody | none no nobody
both | neither
everything | nothing
with | without
only solely exclusively | also
active | inactive passive
efficient effective | inefficient ineffective
sufficient enough adequate | insufficient inadequate
important significant crucial essential critical | unimportant insignificant trivial negligible
necessary required mandatory compulsory | unnecessary optional voluntary
relevant | irrelevant
similar same identical alike | different dissimilar distinct
equal | unequal
consistent | inconsistent
stable steady | unstable volatile
known familiar | unknown unfamiliar
common usual typical | uncommon unusual rare
popular | unpopular
famous | obscure
full | empty
complete | incomplete partial
single individual alone | multiple several group together
single | double married
simple | complex
general broad | specific particular
direct | indirect
dependent | independent
formal | informal
official | unofficial
permanent | temporary
natural | artificial synthetic
real genuine authentic | fake false
supervised | unsupervised
static | dynamic
local | global
global worldwide international | national local domestic
theoretical | practical empirical
automatic automated | manual
online virtual | offline
linear | nonlinear
discrete | continuous
finite limited | infinite unlimited
encode | decode
input | output
forward | backward
outperform exceed surpass | underperform
superior | inferior
advantage benefit strength | disadvantage drawback weakness
profit | loss
revenue income | expense cost
asset | liability
debit | credit
bullish | bearish
demand | supply
import | export
hire recruit employ | fire dismiss
employed | unemployed
promote | demote
encourage motivate | discourage deter
praise compliment commend | criticize criticise blame condemn
thank | blame
attack | defend
guilty convict convicted | innocent acquit acquitted
arrest detain | release free
friend ally | enemy opponent
peace | war
peaceful peacefully | violent violently
confident | doubtful hesitant
confirm affirm verify | deny refute dispute
believe trust | doubt distrust
hope | fear
love | hate
patient | impatient
polite | rude
quiet silent | loud noisy
day | night
morning | evening
summer | winter
spring | autumn
tomorrow | yesterday
past | future
teacher | student
doctor | patient
employer | employee
seller vendor | buyer customer
landlord | tenant
teach | learn
ask question request | answer reply respond
borrow | lend
cause | prevent
prevent avoid hinder impede | enable allow cause facilitate
increase | reduce
enable activate | disable deactivate
available | unavailable
willing | unwilling reluctant
aware | unaware
pro advantage | con disadvantage
despite | because due
although | because
can | cannot
will | won't
recommend advise | discourage
useful helpful | useless unhelpful
healthy | unhealthy sick ill
clean | dirty
sweet | bitter sour
soft | hard
smooth | rough
thick | thin
fat | slim thin
tall | short
bright | dark dim
black | white
day | night
married marry | divorced divorce
lock | unlock
load | unload
pack | unpack
install | uninstall
appear | disappear vanish
ascend | descend
float | sink
tight | loose
"""
_ZH: Final = """
增加 增长 上升 提高 上涨 升高 扩大 增多 提升 攀升 | 减少 下降 降低 下跌 缩小 下滑 削减 跌落 回落
高 | 低
高于 超过 多于 | 低于 少于 不足
多 | 少
大 | 小
长 | 短
快 迅速 | 慢 缓慢
早 提前 | 晚 推迟 延后 延迟
早上 上午 清晨 | 晚上 下午 傍晚
之前 以前 先 | 之后 以后 后
开始 启动 开启 | 结束 停止 终止 关闭
打开 | 关闭
包括 包含 | 不包括 排除 除外
同意 赞成 支持 批准 通过 | 反对 不同意 拒绝 否决 驳回
接受 | 拒绝
成功 | 失败
赢 胜利 获胜 战胜 | 输 失败 落败 战败
容易 简单 | 困难 复杂 难
好 | 坏 差
更好 | 更差 更糟
优点 优势 | 缺点 劣势
喜欢 喜爱 | 讨厌 不喜欢
高兴 满意 | 难过 失望 不满
新 | 旧 老
热 暖 | 冷 凉
贵 昂贵 | 便宜 廉价
买 购买 买入 | 卖 出售 卖出
借入 | 借出
来 到达 抵达 进入 | 去 离开 出发 退出
上车 | 下车
增强 加强 | 减弱 削弱
保留 | 删除 放弃 取消
添加 加入 | 删除 移除 退出
公开 | 保密 隐瞒 私下
内部 | 外部
国内 | 国外 海外
东 东部 | 西 西部
南 南部 | 北 北部
左 左边 左侧 | 右 右边 右侧
上游 | 下游
全部 所有 | 部分 没有
总是 经常 | 从不 很少
允许 准许 可以 | 禁止 不许 不准
必须 强制 | 自愿 可选
存在 | 消失
盈利 利润 | 亏损 损失
收入 | 支出
进口 | 出口
录用 雇用 | 解雇 辞退
相同 一样 | 不同
安全 | 危险
有效 | 无效
正确 | 错误
可能 | 不可能
积极 乐观 | 消极 悲观
强 | 弱
深 | 浅
宽 | 窄
远 | 近
重 | 轻
男 | 女
生 出生 | 死 去世
首次 第一次 | 最后一次
最高 | 最低
最大 | 最小
最多 | 最少
最早 | 最晚
延长 | 缩短
升级 | 降级
线上 | 线下
手动 | 自动
公立 | 私立
免费 | 收费
"""


@lru_cache(maxsize=1)
def opposites() -> dict[str, frozenset[str]]:
    """The opposites of a token's key, as keys."""
    found: dict[str, set[str]] = {}
    for line in f"{_EN}{_ZH}".splitlines():
        if "|" not in line:
            continue
        left, right = ([_key(word) for word in side.split()] for side in line.split("|"))
        for a in left:
            for b in right:
                if a != b:
                    found.setdefault(a, set()).add(b)
                    found.setdefault(b, set()).add(a)
    return {key: frozenset(others) for key, others in found.items()}


def _key(word: str) -> str:
    tokens = tokenise(word)
    return tokens[0].key if len(tokens) == 1 else word
