"""Find the words with which models end a reply, after what was asked for, in many languages.

A line of a list, or a letter in an example, may begin with the same words. So there are three
grades, and who reads a reply takes the one that suits the place: what speaks to who asked, what
speaks of the list, too, and notes, which may be part of what was asked for.

The tables have a pattern a line, which matches at the beginning of a line or a sentence. `{a}`
stands for an apostrophe, `{more}` and the other names for the words of `PARTS`, a space for itself.

Example::

    >>> is_closing("Let me know if you need more!"), is_closing("If you need a label, name it.")
    (True, False)
    >>> is_closing("- Note the date."), is_note("Note: these are examples.")
    (False, True)
"""

import re
from collections.abc import Mapping, Sequence
from functools import cache
from itertools import pairwise
from types import MappingProxyType

__all__ = [
    "closing_sentence",
    "ends_list",
    "is_closing",
    "is_note",
    "speaks_to_asker",
    "talk_begins",
]

PARTS: Mapping[str, str] = MappingProxyType(
    {
        "a": "['\u2019]",
        "more": r"(?:more|any|further|other|additional|another|help|assistance|changes?|else"
        r"|adjust\w*)",
        "what": r"(?:this|that|these|those|it|the \w+|my \w+)",
        "helps": r"\b(?:help\w*|useful|meets?|suits?|works?|answers?|assists?|clear|enjoy\w*"
        r"|expect\w*)\b",
        "offers": r"\b(?:let me know|(?:just|please) (?:ask|tell me)\b|ask me|I can\b"
        r"|I['\u2019](?:d|ll|m)\b|I (?:am|will|would) (?:be )?(?:happy|glad|here|available)\b"
        r"|happy to (?:help|provide)|feel free|just say (?:so|the word)|help you|reach out to me"
        r"|hesitat)",
        "things": r"(?:tasks?|instructions?|steps?|examples?|lists?|prompts?|items?|exercises?"
        r"|questions?|procedures?|ideas?|topics?|values?|instances?)",
        "any": r"[^\n]{0,60}?",
    }
)

ASKER: Mapping[str, str] = MappingProxyType(
    {
        "English": r"""
(?:just )?let me know(?:[.!]|$|,? (?:if|whether|should) you(?:{a}d| would)? (?:need|want|have|like|prefer|require)\b)
feel free to (?:ask|reach out|let me|contact me|request)\b
(?:do not|don{a}t) hesitate\b
(?:(?:I|we) )?(?:really |sincerely )?hope(?:fully)?,? {what} {any}{helps}
(?:would|do) you (?:like|want|need) (?:me\b|more\b|another|any\b|further|additional)
(?:shall|should) I (?:continue|go on|proceed|generate|add (?:more|some|another)|make more)\b
is there anything (?:else|more)\b
anything else\b[^\n]{0,20}\?
want (?:me to|more)\b
need (?:more|anything|help)\b[^\n]{0,20}[?!]
(?:if|should) you\b{any}{offers}
if you (?:need|have|want|would like|require|{a}d like) (?:any )?{more}\b
I(?:{a}d| would|{a}ll| will|{a}m| am) (?:also )?(?:be )?(?:more than )?(?:happy|glad|pleased) to\b
I (?:can|could) (?:also |always )?\w+\b{any}\b(?:{more}|if you|for you)\b
(?:happy|glad) to (?:help|provide|write|add|generate|make|assist|answer)\b
(?:please )?(?:tell|ask) me (?:if you (?:need|want|have|would)|whether you (?:need|want)|for {more}|how many more)\b
looking forward to (?:your|hearing)\b
reply with\b[^\n]{0,40}\b(?:more|further|continue)\b
(?:is|was) this what you\b[^\n]{0,40}\?
does (?:this|that|it) (?:help|work|look|meet|suit|answer)\b[^\n]{0,40}\?
[^\n]{0,30}\bat your (?:disposal|service)\b
""",
        "German": r"""
sag(?:en sie)? (?:mir (?:gerne |bitte |einfach )?(?:bescheid|wenn|ob|falls)|einfach|bescheid)
lass(?:en sie)? (?:es )?mich (?:gerne )?wissen
(?:ich )?hoffe,? (?:das|dies|diese|es)\b
(?:bei|falls|wenn)\b{any}(?:fragen|weitere\w*|mehr)\b{any}(?:verfügung|bescheid|sag|frag|melde|wissen|brauch|benötig)
gerne (?:erstelle|schreibe|helfe|ergänze|liefere)\b
(?:möchten|brauchen|wünschen) sie (?:noch|weitere|mehr)\b
(?:möchtest|brauchst|willst) du (?:noch|weitere|mehr)\b
haben sie (?:noch|weitere) fragen
""",
        "Dutch, Swedish, Danish, Norwegian": r"""
(?:ik )?hoop(?:elijk)?,? (?:dat )?(?:dit|deze)\b
laat (?:het )?(?:me|mij) (?:gerust )?weten
(?:jag )?hoppas (?:att )?(?:det|detta|de här)\b
säg (?:gärna )?till (?:om|mig)
hör (?:gärna )?av dig
(?:jeg )?håber,? (?:at )?(?:det|dette|disse)\b
(?:jeg )?håper (?:at )?(?:det|dette|disse)\b
(?:gi|giv) (?:mig|meg) (?:gerne )?besked|si (?:gjerne )?(?:i)?fra (?:hvis|om)|sig til,? hvis
""",
        "French": r"""
j{a}espère que (?:cela|ça|ces|ceci|cette|vous|tu)\b
n{a}hésite(?:z)?\b
(?:dites|dis|faites|fais)[ -]le[ -]?moi
(?:faites|fais|laissez|laisse)[ -]moi savoir
si (?:vous|tu)\b{any}(?:dites|dis|faites|n{a}hésite|demande)
(?:souhaitez|voulez|avez)-vous (?:d{a}autres|que je|plus|besoin)\b
""",
        "Spanish": r"""
¡?(?:espero|ojalá) (?:que )?(?:esto|est[ae]s?|te|le|les|ayude|sirva)\b
av[ií]s[ae](?:me|nos)\b
no dud(?:es|e|en)\b
si (?:necesitas?|quier(?:es|e)|deseas?|tienes?)\b{any}(?:d[ií][mg]|av[ií]s|pregunt|puedo|más|ayud)
¿(?:quier|dese|necesit)\w+ (?:que|más|algo|otr)
d[ée]ja(?:me|nos|melo) saber
h[áa]g(?:a|á)melo saber|házmelo saber
""",
        "Portuguese": r"""
espero (?:que )?(?:isto|isso|ess[ae]s?|est[ae]s?|ajude|tenha)\b
se (?:precis\w+|quiser\w*|tiver\w*|deseja\w*)\b{any}(?:mais|pedir|avis|diga|pergunt|ajud)
(?:me avise|avise-me|me diga|diga-me|me informe)\b
fique à vontade (?:para (?:perguntar|pedir|entrar)|$)
não hesite
(?:gostaria|quer|deseja|precisa) (?:de )?(?:mais|que eu|algo|outr)
""",
        "Italian": r"""
spero che (?:questo|questi|queste|ti|vi|sia|siano)\b
(?:fammi|fatemi|mi faccia) sapere
non esitare
se (?:hai|avete|vuoi|ti serve|ha)\b{any}(?:chiedi|dimmi|fammi|altro|altre|altri|aiut)
(?:vuoi|vuole|desideri) (?:che|altr|anche)\w*
""",
        "Russian, Ukrainian, Polish, Czech": r"""
надеюсь,? (?:что )?(?:это|эти|данн)\w*
(?:дайте|дай) (?:мне )?знать
если (?:вам|тебе|\w вас|нужн|хот|понадоб|потреб)\w*{any}(?:скаж|обращ|пиш|спраш|сообщ|дайте|дай |ещ[её]|помо)
(?:хотите|нужно|хочешь) (?:ли )?ещ[её]
(?:сподіваюся|сподіваюсь),? (?:що )?(?:це|ці)\b
дайте (?:мені )?знати
mam nadzieję,? że (?:to|te)\b
daj(?:cie)? (?:mi )?znać
jeśli (?:potrzeb|chce|masz)\w*{any}(?:daj|pytaj|powiedz|więcej)
doufám,? že (?:to|vám|ti)\b
dej(?:te)? mi vědět
""",
        "Turkish, Vietnamese, Indonesian": r"""
umar\wm (?:bu|bunlar|yard\wm|işine)\w*
[^\n]{0,60}(?:bana bildirin|bana söyle\w*|haber ver\w*)[.! ]*$
hy vọng (?:rằng )?(?:điều|những|các)? ?(?:này|trên)?\b{any}(?:hữu ích|giúp)
hãy (?:cho (?:tôi|mình) biết)\b
nếu bạn (?:cần|muốn|có)\b{any}(?:cho (?:tôi|mình) biết|hãy hỏi)
semoga (?:ini |daftar ini |contoh ini )?(?:membantu|bermanfaat)
(?:beri ?tahu|kabari) saya
jika (?:anda|kamu)\b{any}(?:beri ?tahu|kabari|tanya|lebih banyak)
jangan ragu
""",
        "Chinese": r"""
希望(?:这|這|能|对|對|以上)
(?:如果|若|要是)(?:你|您|还|還)[^\n]{0,30}(?:告诉我|告訴我|随时|隨時|我可以)
如(?:有|需)(?:其他|任何|更多|进一步|進一步|需要)
(?:请|請)?(?:随时)?(?:告诉|告訴)我(?:是否|如果|你|您|还|還)
(?:需要|还要|還要)(?:我)?(?:更多|继续|繼續|再)
(?:还|還)(?:需要|有)(?:什么|什麼|其他|更多)
(?:欢迎|歡迎)(?:随时|隨時)
(?:有|若有)(?:任何)?(?:问题|問題|疑问|疑問)[^\n]{0,12}(?:随时|隨時|告诉|告訴|请|請)
""",
        "Japanese, Korean": r"""
お役に立て
(?:何か|他に|ほかに|もし)[^\n]{0,30}(?:お知らせ|教えて|お気軽|ございましたら|ありますか|でしょうか)
ご不明な点|ご質問が|ご参考に|参考になれば
(?:もっと|さらに)[^\n]{0,12}(?:必要|ご希望|欲しい)[^\n]{0,12}(?:か|お知らせ|ください)
도움이 (?:되|됐|필요)
(?:더|추가로|다른)[^\n]{0,20}(?:필요하|원하|있으)[^\n]{0,20}(?:말씀|알려|요\?|까요|세요)
(?:궁금한|질문이)[^\n]{0,20}(?:있으|언제든)
언제든지 (?:물어|말씀|알려)
""",
        "Arabic, Persian, Hebrew": r"""
(?:أتمنى|آمل|نأمل) (?:أن|ان)\b
(?:أخبرني|اخبرني|أعلمني|أخبروني) (?:إذا|اذا|إن)
(?:هل تريد|هل ترغب|هل تحتاج)\b{any}(?:المزيد|مساعدة|أن أ)
(?:إذا|اذا) (?:كنت|أردت|احتجت)\b{any}(?:أخبرني|المزيد|لا تتردد|مساعدة)
لا تتردد
امیدوارم (?:که )?(?:این|مفید|کمک)
אני מקווה ש
""",
        "Hindi, Bengali, Thai": r"""
(?:आशा|उम्मीद) है (?:कि|यह|ये)
(?:यदि|अगर) आप[^\n]{0,50}(?:बताएं|बताएँ|बताइए|पूछ|चाहिए)
आশा করি|আশা করি|আপনার আরও
หวังว่า
หาก(?:คุณ)?ต้องการ
""",
    }
)
"""Openings that speak to who asked, by language."""

LIST: Mapping[str, str] = MappingProxyType(
    {
        "English": r"""
(?:just )?let me know\b(?!,? (?:what|when|where|which|who)\b)
feel free to (?:modify|adapt|adjust|use|change) (?:them|these|those|any of)\b
(?:(?:please )?note(?: that|:) )?(?:(?:these|those|the above|all)(?: (?:of )?(?:\w+ ){0,3}?){things}|this (?:\w+ )?(?:list|set|collection|procedure|instruction))\b(?: \w+){0,2}? {says}
(?:the )?above (?:are|is) (?:\w+ ){0,3}{things}\b
these (?:are|were) (?:just |only )?(?:a few|some)\b
I(?:{a}ve| have)? (?:tried|aimed|attempted) to (?:make|keep|be|include|write|cover|provide|vary)\b
I(?:{a}ve| have)? (?:made sure|ensured|kept|written|listed)\b{any}\b{things}\b
(?:(?:all )?done|(?:many )?thanks?(?: you)?(?: (?:so|very) much)?(?: for [^\n]{1,30})?|you{a}re (?:\w+ )?welcome|the end)(?:[^\w\n]{0,3}$|,)
best (?:regards|wishes)|yours (?:sincerely|truly)
that(?:{a}?s| is) (?:it|all)(?: for now| the \w+)?[^\w\n]{0,3}$
(?:[-*=]{2,} ?)?end(?: of (?:the |my )?(?:{things}|response|reply|answer|output))?[^\w\n]{0,6}$
(?:disclaimer|p\.?s\.?):
as an AI\b
""",
        "other languages": r"""
以上(?:是|就是|为|為|です|が|の)
이상(?:입니다|으로)
(?:вот|это) (?:и )?вс[её]\b[^\w\n]{0,3}$
""",
    }
)
"""Openings that speak of the list above them, or end it."""

SIGN_OFFS: Mapping[str, str] = MappingProxyType(
    {
        "English": r"""
(?:enjoy|cheers|good luck|best of luck|have fun|happy \w+|all the best|(?:good)?bye|see you|stay safe|take care)(?:[^\w\n]{0,6}$|,)
(?:good luck|best of luck|all the best|have fun|happy \w+ing) (?:with|on|in|to|and|for) [^.,:;!?\n]{1,30}[!.]{0,3}$
enjoy (?:your|the|these|this|them|it|\w+ing)(?: \w+){0,3}[!]{1,3}$
have an? (?:\w+ ){1,2}(?:day|time|week|weekend|evening|one)\b[^\w\n]{0,6}$
(?:I wish|wishing) you (?:\w+ ){0,4}(?:luck|success|fun|best)\b[^.,:;?\n]{0,20}$
""",
        "other languages": r"""
viel (?:erfolg|spaß|glück)\b[^\n]{0,20}$
veel (?:succes|plezier)\b[^\n]{0,20}$
(?:lycka till|held og lykke|lykke til)\b[^\n]{0,20}$
bonne (?:chance|continuation)\b[^\n]{0,20}$
(?:bon courage|amusez-vous bien|profitez-en)\b[^\n]{0,20}$
¡?(?:(?:buena |mucha )?suerte|éxito|a disfrutar|que (?:te|le|les) vaya bien)\b[^\n]{0,20}$
(?:boa sorte|bom trabalho|divirta-se)\b[^\n]{0,20}$
(?:buon (?:lavoro|divertimento)|buona fortuna|in bocca al lupo)\b[^\n]{0,20}$
(?:удачи|успехов)\b[^\n]{0,20}$
(?:powodzenia|hodně štěstí)\b[^\n]{0,20}$
(?:iyi şanslar|başarılar|kolay gelsin)\b[^\n]{0,20}$
chúc (?:bạn|may mắn)\b[^\n]{0,30}$
(?:semoga (?:sukses|berhasil)|selamat (?:mencoba|mengerjakan))\b[^\n]{0,20}$
祝(?:你|您)|加油[！!]
頑張ってください|(?:화이팅|행운을)
(?:حظ(?:ا|ًا) (?:سعيد|موفق)|بالتوفيق)[^\n]{0,20}$
शुभकामना
""",
    }
)
"""Wishes and farewells, which are the whole of a sentence."""

SAYS = (
    r"(?:are|is|were|covers?|should|can|will|var(?:y|ies)|ranges?|aims?|includes?|provides?|helps?"
    r"|spans?|ha(?:ve|s)|represents?|tests?|requires?|gives?|ensures?|offers?|differs?)\b"
)

NOTES: Mapping[str, str] = MappingProxyType(
    {
        "English": r"""
(?:please )?(?:note|remember|keep in mind)(?:,|:|\*\*|(?: that| to)\b)
(?:important|tips?|nb|notes|additional notes?|summary|conclusion|explanation)(?: \w+)?(?:\*\*)?:
(?:in (?:summary|conclusion|short|this way)|overall|finally, remember)\b,?
(?:by |with |after )?(?:following|using|completing|applying|these|this|the above)(?: \w+){0,3}? (?:steps?|instructions?|procedure|guidelines?|approach|process)\b
""",
        "other languages": r"""
(?:hinweis|anmerkung|remarque|nota|observação|примечание|важно|注意|请注意|請注意|备注|注|説明|참고|ملاحظة|नोट|not|catatan|lưu ý|uwaga|opmerking|obs)[ ]?[:：]
""",
    }
)
"""Openings of notes, which may as well be part of the last item of a list."""


_LONGEST = 300
"""How many characters of a line, or of the end of a text, are looked at."""

_WRAPPED = (
    r"(?:[^\w\s¡¿]|_){0,6}[ ]?(?:[^\w\s¡¿]|_){0,3}[ ]?"
    r"(?:(?:please|and|also|but|so|ok(?:ay)?|great)[,!]? )?"
)
"""What may stand before such words: bullets, signs of bold type, brackets, an emoji."""

_INNER_ITEM = re.compile(r"[-*•–—·+◦▪●○>][ \t]|\(?\w{1,3}[.)][ \t]")
_ANNOUNCES = (":", "：")

_SENTENCE_END = re.compile(
    r"[.!?。！？।؟…][)\]\"\u201d*_]{0,3}[ \t]{0,3}(?=\S)|[*_)\]][ \t]{1,3}(?=\S)"
)

_OFFERS = re.compile(
    r"\b(?:let me know|hope (?:this|that|these|it)|feel free to (?:ask|reach)|hesitate"
    r"|would you like me|(?:shall|should) I|want me to|anything else|(?:happy|glad) to"
    r"|I can|I['’](?:d|ll|m))\b",
    re.IGNORECASE,
)
"""What is no part of tasks and steps, even if it has a number of its own."""

_QUOTES = re.compile(r"[:：\"“”„«»「『‘]")
"""Marks before what is quoted."""


@cache
def _pattern(*grades: str) -> re.Pattern[str]:
    """Return the pattern for the openings of some grades."""
    tables: dict[str, Mapping[str, str]] = {
        "asker": ASKER,
        "list": LIST,
        "notes": NOTES,
        "sign_offs": SIGN_OFFS,
    }
    lines = "\n".join(text for grade in grades for text in tables[grade].values()).split("\n")
    joined = "|".join(line for line in lines if line)
    for name, words in {**PARTS, "says": SAYS}.items():
        joined = joined.replace(f"{{{name}}}", words)
    return re.compile(f"{_WRAPPED}(?:{joined})", re.IGNORECASE)


def speaks_to_asker(line: str) -> bool:
    """Return whether a line begins with words to who asked, such as an offer of more."""
    return bool(_pattern("asker").match(line.strip()[:_LONGEST]))


def is_closing(line: str) -> bool:
    """Return whether a line of its own ends a reply: it speaks to who asked, or of the list."""
    return bool(_pattern("asker", "list", "sign_offs").match(line.strip()[:_LONGEST]))


def is_note(line: str) -> bool:
    """Return whether a line of its own is a note, on what stands above it or as a part of it."""
    return bool(_pattern("notes").match(line.strip()[:_LONGEST]))


def talk_begins(lines: Sequence[str], place: int) -> bool:
    """Return whether the lines of a list's last item end, and talk begins, at a place after them.

    What the item announces with a colon is part of it. So is an item of a list inside it, unless it
    is the first one and nothing but talk follows.

    Example:
        >>> talk_begins(["Name it.", "Hope this helps!"], 1)
        True
        >>> talk_begins(["Decide:", "- Let me know if it fits.", "- Else say no."], 1)
        False
    """
    line = lines[place].strip()
    if not (is_closing(line) or is_note(line)):
        return False
    earlier = [text.strip() for text in lines[:place] if text.strip()]
    inner = [text for text in earlier[1:] if _INNER_ITEM.match(text)]
    if inner or (earlier[-1:] and earlier[-1].endswith(_ANNOUNCES)):
        return speaks_to_asker(line) and not (_INNER_ITEM.match(line) and not inner)
    rest = [text for text in lines[place + 1 :] if text.strip()]
    return not _INNER_ITEM.match(line) or all(is_closing(text) or is_note(text) for text in rest)


def ends_list(items: Sequence[str]) -> bool:
    """Return whether the last item of a list is talk: it stands in the list, but ends the reply.

    Example:
        >>> ends_list(["Name it.", "Good luck!"]), ends_list(["End it with:", "Good luck!"])
        (True, False)
    """
    if len(items) < 2 or items[-2].rstrip().endswith(_ANNOUNCES):
        return False
    last = items[-1].strip()
    wishes = _pattern("sign_offs").match(last[:_LONGEST])
    offers = _OFFERS.search(last) and speaks_to_asker(last) and not closing_sentence(last)
    return "\n" not in last and bool(wishes or offers)


def closing_sentence(text: str) -> str:
    """Return the end of a text from the first sentence on that speaks to who asked, or nothing.

    A wish or a farewell counts if nothing but such sentences follow, and nothing announces or
    quotes it.

    Example:
        >>> closing_sentence("Name a river. Let me know if you need more! Bye.")
        'Let me know if you need more! Bye.'
        >>> closing_sentence("Name a river. Good luck!"), closing_sentence("Say: Go. Good luck!")
        ('Good luck!', '')
    """
    ends = _SENTENCE_END.finditer(text, max(0, len(text) - _LONGEST))
    begins = [end.end() for end in ends]
    talk = len(text)
    for begin, after in reversed([*pairwise([*begins, len(text)])]):
        wishes = after == talk and _pattern("sign_offs").match(text[begin:talk].rstrip())
        quoted = _QUOTES.search(text, 0, begin)
        if _pattern("asker").match(text, begin) or (wishes and not quoted):
            talk = begin
    return text[talk:]
