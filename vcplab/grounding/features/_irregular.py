"""English verbs and nouns whose forms share no stem."""

from __future__ import annotations

from typing import Final

__all__ = ["BASES"]

# base: its other forms
_FORMS: Final = """
arise: arose arisen | awake: awoke awoken | bear: borne | beat: beaten | become: became
begin: began begun | bend: bent | bind: bound | bite: bit bitten | bleed: bled | blow: blew blown
break: broke broken | breed: bred | bring: brought | build: built | burn: burnt | buy: bought
catch: caught | choose: chose chosen | cling: clung | come: came | creep: crept | deal: dealt
dig: dug | draw: drew drawn | dream: dreamt | drink: drank drunk | drive: drove driven
eat: ate eaten | fall: fell fallen | feed: fed | feel: felt | fight: fought
flee: fled | fly: flew flown | forbid: forbade forbidden | forget: forgot forgotten
forgive: forgave forgiven | freeze: froze frozen | get: got gotten | give: gave given
go: went gone goes | grow: grew grown | hang: hung | hear: heard | hide: hid hidden | hold: held
keep: kept | kneel: knelt | know: knew known | lead: led | learn: learnt | leave: left
lend: lent | lie: lain | light: lit | lose: lost | make: made | mean: meant | meet: met
mistake: mistook mistaken | overcome: overcame | pay: paid | prove: proven | ride: rode ridden
ring: rang rung | rise: rose risen | run: ran | say: said | see: saw seen | seek: sought
sell: sold | send: sent | shake: shook shaken | shine: shone | shoot: shot | show: shown
shrink: shrank shrunk | sing: sang sung | sink: sank sunk | sit: sat | sleep: slept | slide: slid
speak: spoke spoken | spend: spent | spin: spun | stand: stood | steal: stole stolen | stick: stuck
strike: struck | strive: strove | swear: swore sworn | sweep: swept | swim: swam swum
swing: swung | take: took taken | teach: taught | tear: torn | tell: told | think: thought
throw: threw thrown | undergo: underwent undergone | understand: understood | wake: woke woken
wear: wore worn | weep: wept | win: won | withdraw: withdrew withdrawn | withhold: withheld
write: wrote written
man: men | woman: women | child: children | foot: feet | tooth: teeth | mouse: mice | life: lives
wife: wives | person: people | half: halves
"""

BASES: Final = {
    form: base.strip()
    for line in _FORMS.strip().splitlines()
    for entry in line.split(" | ")
    for base, _, forms in (entry.partition(":"),)
    for form in forms.split()
}
"""Other form to base; forms that are mostly another word (leaves, found, bore) are left out."""
