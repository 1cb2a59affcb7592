"""Refusals in many languages, the largest first, and what people say that they can't do.

`seedstep.text.refusals` makes patterns of these words; `further_refusals` has further languages.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple

__all__ = ["LARGER", "Wording"]

_A = "['\u2019]"
"""An apostrophe, straight or curly."""


class Wording(NamedTuple):
    """How a language refuses, as patterns: apologies, what the writer is, that it can't, and what.

    `before` is what may stand before these where there is no apology. Where `verb_last` is True,
    what it can't do may stand before that it can't. `everyday` is what people say that they can't
    do, and models are not asked for.
    """

    sorry: str
    self: str
    cannot: str
    do: str
    before: str = r"(?:\w+\W{1,3}){0,3}?"
    verb_last: bool = False
    everyday: str = ""


LARGER: Mapping[str, Wording] = MappingProxyType(
    {
        "German": Wording(
            r"(?:es )?tut mir (?:\w+ )?leid|entschuldig\w+|leider|ich (?:bedaure|bedauere)"
            r"|verzeih\w*",
            r"als (?:eine? )?(?:KI|künstliche Intelligenz|\w*sprachmodell)",
            r"(?:ich (?:kann|darf|werde|könnte)|(?:kann|darf|werde) ich)\b.{0,60}?\b"
            r"(?:nicht|keine?n?)\b|nicht (?:in der Lage|möglich|erlaubt|\w{0,20} ?(?:kann|darf)\b)"
            r"|außerstande",
            r"helfen|weiterhelfen|behilflich|unterstützen|beantworten|antworten|erfüllen|erstellen"
            r"|generieren|nachkommen|bearbeiten|bereitstellen|geben|schreiben|durchführen",
            everyday=r"\b(?:schwimmen|(?:mit)?kommen|schlafen|warten|tanzen|singen|fahren|bleiben"
            r"|teilnehmen|essen|trinken)\b",
        ),
        "French": Wording(
            rf"(?:je suis |je m{_A}|vraiment |sincèrement )*(?:désolée?|navrée?|excuse\w*|regrette)"
            r"|malheureusement|toutes mes excuses|pardon\b(?! me\b)",
            rf"en tant qu{_A}(?:IA|intelligence|assistant|\w+ IA)|en tant que modèle",
            r"ne (?:peux|puis|pourrai|saurais|suis)(?: \w+)? pas|ne puis|pas en mesure|impossible"
            r"|incapable",
            r"aider|assister|répondre|fournir|traiter|satisfaire|donner suite|générer|créer"
            r"|continuer|accomplir|effectuer|accéder|écrire|rédiger"
            r"|faire(?: (?:ce|cela|ça|cette)\b|\s*(?:[.,;:!]|\Z))",
            everyday=r"\b(?:nager|venir|dormir|attendre|danser|chanter|aller|rester|manger|boire)\b",
        ),
        "Spanish": Wording(
            r"lo (?:siento|lamento)|lamento|perdón|perdona|disculp\w+|me temo|desafortunadamente"
            r"|lamentablemente|por desgracia",
            r"como (?:una? )?(?:IA|inteligencia artificial|modelo|asistente de)",
            r"no (?:te |le |me |os )?(?:puedo|podré|podemos|es posible|soy capaz"
            r"|estoy (?:en condiciones|autorizad|programad|capacitad|habilitad))",
            r"ayudar\w*|asistir\w*|responder|cumplir|proporcionar|realizar|procesar|hacer|generar"
            r"|crear|continuar|acceder|atender|completar|ofrecer|escribir",
            everyday=r"\b(?:nadar|venir|ir a|dormir|esperar|bailar|cantar|quedarme|comer|beber"
            r"|asistir a (?:la|tu|su|el))\b",
        ),
        "Portuguese": Wording(
            r"(?:me )?desculp\w+|lamento|(?:eu )?sinto muito|peço desculpas?|infelizmente|perdão",
            r"como (?:uma? )?(?:IA|inteligência artificial|modelo|assistente de)",
            r"não (?:te |lhe |me |o )?(?:posso|consigo|poderei|podemos|sou capaz|é possível"
            r"|estou (?:autorizad|apt|programad))",
            r"ajud\w+|auxili\w+|respond\w+|fornec\w+|atend\w+|cumpr\w+|realiz\w+|ger\w+|cri\w+"
            r"|continu\w+|process\w+|complet\w+|fazer|escrev\w+",
            everyday=r"\b(?:nadar|vir|ir (?:a|à)|dormir|esperar|dançar|cantar|comer|beber|ficar)\b",
        ),
        "Italian": Wording(
            r"mi (?:dispiace|scuso)|scus\w+|purtroppo|sono spiacente|mi spiace",
            r"come (?:IA|intelligenza artificiale|modello|assistente)",
            r"non (?:ti |le |mi )?(?:posso|sono in grado|è possibile|riesco|potrò|mi è possibile)",
            r"aiutar\w*|assister\w*|rispond\w+|forni\w+|soddisf\w+|complet\w+|gener\w+|crea\w+"
            r"|continu\w+|elabor\w+|far\w+|esegui\w+|scriv\w+",
            everyday=r"\b(?:nuotare|venire|dormire|aspettare|ballare|cantare|mangiare|andare)\b",
        ),
        "Dutch": Wording(
            r"het spijt me|sorry|helaas|mijn excuses|excuseer",
            r"als (?:een )?(?:AI|taalmodel|kunstmatige)",
            r"(?:ik kan|kan ik)\b.{0,60}?\b(?:niet|geen)\b|niet in staat|onmogelijk",
            r"help\w*|assister\w*|voldoen|beantwoord\w*|genereren|maken|uitvoeren|schrijven|geven",
            everyday=r"\b(?:zwemmen|komen|slapen|wachten|dansen|zingen|blijven|eten)\b",
        ),
        "Russian": Wording(
            r"к сожалению|извини\w*|прости\w*|мне (?:очень )?жаль|приношу (?:свои )?извинения",
            r"как (?:ИИ|искусственный интеллект|(?:большая )?языковая модель)"
            r"|я (?:всего лишь )?(?:языковая модель|ИИ)",
            r"не (?:могу|в состоянии|способ\w+|буду|имею возможности|смогу|можем)|невозможно",
            r"помо\w+|ответ\w+|отвеч\w+|выполн\w+|предостав\w+|обработ\w+|созда\w+|продолж\w+"
            r"|сдела\w+|обсужда\w+|напис\w+",
            everyday=r"\b(?:плавать|прийти|приехать|спать|ждать|танцевать|петь|пойти)\b",
        ),
        "Ukrainian": Wording(
            r"на жаль|вибач\w*|перепрошу\w*|мені (?:дуже )?шкода",
            r"як (?:ШІ|штучний інтелект|мовна модель)",
            r"не (?:можу|в змозі|здат\w+|буду|зможу)|неможливо",
            r"допомог\w+|відпов\w+|викона\w+|нада\w+|обробит\w+|створ\w+|продовж\w+|зроб\w+",
            everyday=r"\b(?:плавати|прийти|приїхати|спати|чекати|танцювати|співати|піти)\b",
        ),
        "Polish": Wording(
            r"przepraszam|przykro mi|niestety|wybacz\w*",
            r"jako (?:AI|model językowy|sztuczna)",
            r"nie (?:mogę|jestem w stanie|potrafię|będę|możemy)|niemożliwe",
            r"pom\w+|odpowie\w+|wykona\w+|spełni\w+|poda\w+|wygener\w+|stworzy\w+|napisa\w+",
            everyday=r"\b(?:pływać|przyjść|przyjechać|spać|czekać|tańczyć|śpiewać|iść)\b",
        ),
        "Turkish": Wording(
            r"üzgünüm|maalesef|özür dilerim|ne yaz\u0131k ki|kusura bakma\w*",
            r"bir (?:yapay zeka|dil modeli)",
            r"\w*(?:amam|emem|am\u0131yorum|emiyorum|amay\u0131z|emeyiz)\b|mümkün değil",
            r"yard\u0131m\w*|yan\u0131t\w*|cevap\w*|yerine|sağla\w*|oluştur\w*|gerçekleştir\w*",
            verb_last=True,
            everyday=r"\b(?:yüzem|gelem|gidem|uyuyam|kat\u0131lam|yiyem)\w+",
        ),
        "Arabic": Wording(
            r"عذر[اً]+|عذراً|آسف\w*|أعتذر|للأسف|يؤسفني|معذرة|أنا آسف",
            r"كنموذج|بصفتي|باعتباري",
            r"لا (?:أستطيع|يمكنني|أقدر|يمكن)|لن (?:أتمكن|أستطيع)|لست قادر|غير قادر|لا أتمكن",
            r"مساعد\w*|المساعدة|تقديم|الإجابة|الرد|تنفيذ|تلبية|القيام|إنشاء|كتابة",
            everyday="السباحة|الحضور|النوم|المجيء|القدوم",
        ),
        "Persian": Wording(
            r"متأسف\w*|متاسف\w*|ببخشید|عذر می|با عرض پوزش",
            r"به عنوان (?:یک )?(?:هوش|مدل)",
            r"نمی[\u200c ]?(?:توان|تون)\w*|قادر نیست\w*",
            r"کمک|پاسخ|ارائه|انجام|ایجاد",
            verb_last=True,
        ),
        "Hindi": Wording(
            r"(?:मुझे )?(?:खेद|अफ़सोस|अफसोस)|क्षमा|माफ़|माफ|दुर्भाग्य",
            r"एक (?:एआई|AI|भाषा मॉडल)",
            r"नहीं .{0,20}?सकत\w*(?: ?ह|\W|\Z)|असमर्थ|सक्षम नहीं",
            r"मदद|सहायता|उत्तर|जवाब|प्रदान|पूरा",
            verb_last=True,
            everyday="तैर|(?:आ|जा|सो|खा) नहीं",
        ),
        "Bengali": Wording(
            r"দুঃখিত|আমি দুঃখিত|ক্ষমা",
            r"একটি (?:এআই|ভাষা মডেল)",
            r"পার(?:ছি|ব|বো|ি) না|অক্ষম|সম্ভব ন",
            r"সাহায্য|সহায়তা|উত্তর|প্রদান",
            verb_last=True,
        ),
        "Chinese": Wording(
            r"(?:我)?(?:很|非常|十分|真的|深感)?(?:抱歉|对不起|對不起|不好意思|遗憾|遺憾|歉意)",
            r"(?:作为|作為)(?:一个|一個|一名)?(?:AI|人工智能|人工智慧|\w{0,4}语言模型|\w{0,4}語言模型)"
            r"|我(?:只)?是(?:一个|一個)(?:AI|人工智能|人工智慧|语言模型|語言模型)",
            r"(?:无法|無法|不能|不可以|没办法|沒辦法|没法|不便|没有能力|難以|难以|恕不|恕我)",
            r"协助|協助|帮|幫|回答|提供|完成(?=[此这這该該您你任请請要]|\W*\Z)|满足|滿足|处理|處理|执行|執行|生成|继续|繼續|参与|參與"
            r"|讨论|討論|回应|回應|创作|創作",
            r"(?:我|我们|我們)?",
            everyday=r"(?:不能|无法|無法|没法|沒法|不可以)"
            r"(?:\w{0,4}?(?:游泳|参加|參加|睡|吃|喝|跳舞|唱歌)"
            r"|[来來去](?![自源看]))",
        ),
        "Japanese": Wording(
            r"(?:大変|誠に)?(?:申し訳|すみません|すいません|ごめん|恐れ入り|恐縮|残念)",
            r"(?:私は)?(?:AI|人工知能|言語モデル|大規模言語モデル)(?:として|なので|である|の(?:ため|私))",
            r"(?:でき|出来|られ|いたし|致し|応じ)(?:ません|ない(?=[。で\s]|ため|の|\Z)|かね)|不可能|かねます",
            r"手伝|回答|答え|応え|対応|提供|実行|生成|サポート|支援|作成|お断り",
            r".{0,15}?",
            verb_last=True,
            everyday="(?:泳げ|行け|来られ|来れ|参加でき|出席でき|眠れ|食べられ|飲め)(?:ません|ない)",
        ),
        "Korean": Wording(
            r"(?:정말 |대단히 )?(?:죄송|미안|유감|안타깝)",
            r"(?:저는 )?(?:AI|인공지능|언어 모델)(?:로서|이기|이므로|이라)",
            r"(?:수|순) ?(?:가 )?없(?:습|어|음|다|네|지만)|못 ?(?:합|해|드)|어렵습|불가능|없습니다",
            r"도와|도움|답변|제공|수행|처리|생성|응답|지원|대답|작성",
            r".{0,15}?",
            verb_last=True,
            everyday=r"(?:수영|참석|참가|잠|먹)\S{0,3} ?.{0,4}?(?:수|못)|(?:갈|올) 수|못 (?:가|와)",
        ),
        "Vietnamese": Wording(
            r"(?:tôi )?(?:rất |thành thật )?(?:xin lỗi|rất tiếc|tiếc là)",
            r"là (?:một )?(?:AI|trí tuệ nhân tạo|mô hình ngôn ngữ)|với tư cách là",
            r"không (?:thể|có khả năng|được phép)",
            r"giúp|hỗ trợ|trả lời|cung cấp|thực hiện|đáp ứng|tạo|viết",
            everyday=r"\b(?:bơi|đến dự|ngủ)\b",
        ),
        "Indonesian": Wording(
            r"(?:mohon )?maaf|sayangnya|saya minta maaf|saya menyesal",
            r"sebagai (?:sebuah )?(?:AI|kecerdasan buatan|model bahasa)",
            r"tidak (?:dapat|bisa|boleh|mampu|mungkin|diizinkan)",
            r"membantu|menjawab|memberikan|memenuhi|melakukan|menyediakan|membuat|menulis",
            everyday=r"\b(?:berenang|datang|tidur|menunggu|menghadiri)\b",
        ),
        "Czech": Wording(
            r"omlouvám se|je mi líto|bohužel|promiňte",
            r"jako (?:AI|umělá|jazykový model)",
            r"nemohu|nemůžu|nejsem schop\w+|nelze",
            r"pomoc\w*|pomoci|odpověd\w+|vyhovět|splnit|vytvořit|napsat",
        ),
        "Swedish, Danish, Norwegian": Wording(
            r"tyvärr|jag beklagar|ledsen|förlåt|beklager|desværre|dessverre|undskyld|unnskyld",
            r"som (?:en )?(?:AI|språkmodell|sprogmodel)",
            r"(?:jag|jeg)? ?(?:kan|kunde)\b.{0,40}?\b(?:inte|ikke|ingen)|kan ikke|kan inte",
            r"hjälpa|hjelpe|hjælpe|svara|svare|bistå|skriva|skrive|skapa|utföra|besvara\w*",
            everyday=r"\b(?:simma|svømme|komma|komme|sova|sove|vänta|vente)\b",
        ),
        "Finnish": Wording(
            r"valitettavasti|pahoittelen|anteeksi|olen pahoillani",
            r"tekoälynä|kielimallina",
            r"en (?:voi|pysty|kykene)",
            r"aut\w+|vasta\w+|kirjoit\w+|luoda|tehdä|toteut\w+",
        ),
        "Hungarian": Wording(
            r"sajnálom|sajnos|elnézést|bocsánat|sajnálattal",
            r"(?:mesterséges intelligencia|nyelvi modell|AI)ként",
            r"nem (?:tudok|tudom|áll módomban|lehetséges|segíthetek|vagyok képes)",
            r"segíteni|segít\w*|válaszol\w*|teljesít\w*|írni|létrehoz\w*",
        ),
        "Romanian": Wording(
            r"îmi pare rău|din păcate|scuze|regret",
            r"ca (?:un )?(?:AI|IA|model)|în calitate de",
            r"nu (?:pot|te pot|vă pot|sunt în măsură|este posibil)",
            r"ajut\w*|răspund\w*|oferi|îndeplini|scrie|genera|crea",
        ),
        "Bulgarian": Wording(
            r"съжалявам|за съжаление|извин\w+",
            r"като (?:ИИ|изкуствен|езиков)",
            r"не (?:мога|съм в състояние|е възможно)|няма как",
            r"помогн\w+|отговор\w+|изпълн\w+|предостав\w+|напиш\w+|създа\w+",
        ),
        "Greek": Wording(
            r"λυπάμαι|δυστυχώς|συγγνώμη|ζητώ συγγνώμη",
            r"ως (?:τεχνητή|γλωσσικό|AI)",
            r"δεν (?:μπορώ|είμαι σε θέση|είναι δυνατ\w+|δύναμαι)",
            r"βοηθ\w+|απαντ\w+|εκπληρ\w+|παρ\w+|γρά\w+|δημιουργ\w+",
        ),
        "Hebrew": Wording(
            r"(?:אני )?(?:מצטער\w*|מתנצל\w*)|סליחה|לצערי",
            r"כמודל|בתור",
            r"(?:לא|אינני) (?:יכול\w*|מסוגל\w*)|אין באפשרותי|לא ניתן",
            r"לעזור|לסייע|לענות|לספק|לכתוב|ליצור|לבצע",
        ),
        "Urdu": Wording(
            r"معذرت|معاف|افسوس|بدقسمتی",
            r"بطور|ایک (?:اے آئی|زبان)",
            r"نہیں .{0,20}?سکت\w*|قاصر|ممکن نہیں",
            r"مدد|جواب|فراہم|لکھ\w*",
            verb_last=True,
        ),
        "Tamil": Wording(
            r"மன்னிக்க\w*|மன்னிக்கவும்|வருந்துகிறேன்",
            r"ஒரு (?:AI|மொழி)",
            r"முடியாது|இயலாது|முடியவில்லை",
            r"உதவ|பதில|வழங்க|எழுத",
            verb_last=True,
        ),
        "Telugu": Wording(
            r"క్షమించ|విచారిస్తున్నాను|దురదృష్టవశాత్తు",
            r"ఒక (?:AI|భాషా)",
            r"(?:చేయ|ఇవ్వ|రాయ)?లేను|సాధ్యం కాదు",
            r"సహాయ|సమాధాన|అందించ|రాయ",
            verb_last=True,
        ),
        "Swahili": Wording(
            r"samahani|pole|kwa bahati mbaya|naomba radhi",
            r"kama (?:AI|modeli)",
            r"siwezi|sitaweza|haiwezekani",
            r"kusaidia|kukusaidia|kujibu|kutoa|kuandika|kutekeleza",
        ),
        "Tagalog": Wording(
            r"paumanhin|pasensya|ikinalulungkot|sa kasamaang",
            r"bilang (?:isang )?(?:AI|modelo)",
            r"hindi (?:ako|ko)|hindi (?:po )?(?:maaari|pwede|posible)",
            r"makakatulong|tulungan|matutulungan|masagot|magawa|makasagot",
        ),
        "Thai": Wording(
            r"ขอโทษ|ขออภัย|เสียใจ|น่าเสียดาย",
            r"ในฐานะ(?:ที่)?(?:เป็น)?(?:AI|ปัญญาประดิษฐ์|โมเดล)",
            r"ไม่(?:สามารถ|อาจ)|ไม่ได้",
            r"ช่วย|ตอบ|ให้|ดำเนิน|สร้าง",
        ),
    }
)
"""How the largest languages but English, and those with many models, refuse."""
