"""Refusals in the world's larger languages, and texts that are none."""

import pytest

from seedstep.data import seed_tasks
from seedstep.text import is_refusal
from seedstep.text.refusals import LANGUAGES

REFUSALS = {
    "English": (
        "I'm afraid I can't do that.",
        "I must respectfully decline.",
        "Unable to assist.",
        "[I'm unable to assist with that]",
        "Your request cannot be fulfilled.",
        "No, I can't help with that.",
        "That's not something I can help with.",
        "As an AI I can't do that.",
        "As a responsible AI, I cannot provide that.",
        "I am programmed to be harmless and cannot do that.",
        "My guidelines prevent me from answering.",
        "I do not have personal opinions.",
        "I'd rather not answer this.",
        "I'm really not comfortable with that.",
        "Sorry, this isn't something I can do.",
        "That is beyond my capabilities.",
        "As an AI, I have no opinions.",
        "As an AI language model, I have no access to it.",
        "As an AI developed by Acme, I have no opinions.",
        "I cannot give you medical advice.",
        "I can't open your file.",
        "I cannot see any text.",
        "I'm unable to view the image.",
        "We are unable to open the link.",
        "I must decline this request.",
        "I have to refuse: it would do harm.",
        "I'm sorry, but that is not something I can do.",
        "I'm sorry, but I need more context.",
        "I am sorry, but the text is missing.",
        "I apologize for the confusion, but I cannot see the examples.",
        "I apologize, but as an AI I have no access to it.",
        "My apologies, but I can't help with that.",
        "Apologies. I won't write that.",
    ),
    "German": (
        "Es tut mir leid, aber ich kann dabei nicht helfen.",
        "Ich kann diese Anfrage leider nicht beantworten.",
        "Als KI-Sprachmodell kann ich keine Meinung haben.",
        "Nein, dabei kann ich nicht helfen.",
    ),
    "French": (
        "Je suis désolé, mais je ne peux pas répondre.",
        "Je ne peux pas vous aider avec cela.",
        "Je ne peux pas faire cela.",
        "Pardon, mais je ne peux pas le faire.",
    ),
    "Spanish": ("Lo siento, pero no puedo ayudar con eso.", "No puedo ayudarte con esa petición."),
    "Portuguese": ("Desculpe, mas não posso ajudar.", "Não posso atender a esse pedido."),
    "Italian": ("Mi dispiace, ma non posso aiutarti.", "Non posso fornire queste informazioni."),
    "Dutch": ("Het spijt me, maar daar kan ik niet mee helpen.", "Ik kan hier niet mee helpen."),
    "Russian": ("Извините, но я не могу помочь.", "Я не могу выполнить этот запрос."),
    "Ukrainian": ("На жаль, я не можу допомогти.",),
    "Polish": ("Przepraszam, ale nie mogę pomóc.",),
    "Turkish": ("Üzgünüm, bu konuda yardımcı olamam.",),
    "Arabic": ("عذرًا، لا أستطيع المساعدة في ذلك.",),
    "Persian": ("متأسفم، نمی‌توانم کمک کنم.",),
    "Hindi": ("मुझे खेद है, मैं इसमें मदद नहीं कर सकता।",),
    "Bengali": ("দুঃখিত, আমি সাহায্য করতে পারছি না।",),
    "Chinese": (
        "抱歉，我无法协助。",
        "我不能提供这些信息。",
        "對不起，我沒辦法回答。",
        "我无法完成这个任务。",
    ),
    "Japanese": ("申し訳ありませんが、お手伝いできません。", "その質問には回答できません。"),
    "Korean": ("죄송합니다. 도와드릴 수 없습니다.", "답변을 제공할 수 없습니다."),
    "Vietnamese": ("Xin lỗi, tôi không thể giúp.",),
    "Indonesian": ("Maaf, saya tidak dapat membantu.",),
    "Thai": ("ขออภัย ฉันไม่สามารถช่วยได้",),
    "Czech": ("Bohužel vám nemohu pomoci.",),
    "Swedish, Danish, Norwegian": (
        "Jag kan tyvärr inte hjälpa till med det.",
        "Beklager, jeg kan ikke hjælpe med det.",
    ),
    "Finnish": ("Valitettavasti en voi auttaa.",),
    "Hungarian": ("Sajnálom, ebben nem tudok segíteni.",),
    "Romanian": ("Îmi pare rău, nu pot ajuta.",),
    "Bulgarian": ("Съжалявам, не мога да помогна.",),
    "Greek": ("Λυπάμαι, δεν μπορώ να βοηθήσω.",),
    "Hebrew": ("אני מצטער, אני לא יכול לעזור.",),
    "Urdu": ("معذرت، میں مدد نہیں کر سکتا۔",),
    "Tamil": ("மன்னிக்கவும், என்னால் உதவ முடியாது.",),
    "Telugu": ("క్షమించండి, నేను సహాయం చేయలేను.",),
    "Swahili": ("Samahani, siwezi kusaidia.",),
    "Tagalog": ("Paumanhin, hindi ako makakatulong.",),
}
NONE = (
    "Write a poem about how I cannot sleep.",
    "Help a user who cannot log in.",
    "Apologies are hard to write.",
    "No, it is open-ended.",
    "As an AI researcher, summarize the paper.",
    "As an AI, write a poem about your life.",
    "As an AI assistant, list three limits of yours.",
    "As a language model, explain how tokens work.",
    "I'm an AI researcher from Leeds.",
    "I can't help falling in love.",
    "I cannot help but smile.",
    "I will not be able to attend.",
    "Tyvärr regnar det i dag.",
    "Sajnos esik az eső.",
    "Din păcate, plouă.",
    "I can't open the door.",
    "I cannot give up on her.",
    "I cannot give you up.",
    "I must decline your kind offer",
    "I apologize for the delay in shipping your order.",
    "My apologies, the meeting is moved to Tuesday.",
    "I am sorry, but the shop is closed today.",
    "Pardon me, it is impossible to say.",
    "Je ne peux pas faire mes devoirs.",
    "我不能完成作业",
    "Cannot be determined",
    "Schreibe eine Entschuldigung an deinen Lehrer.",
    "Was kann man gegen Schnupfen tun, ohne Mittel zu geben, die nicht helfen?",
    "Écris une lettre d'excuse.",
    "Escribe una disculpa a un cliente.",
    "Como hacer un pastel que no sea caro",
    "Traduza o texto para o português.",
    "Не могу дождаться лета!",
    "写一封道歉信。",
    "回答下列问题，不能使用计算器。",
    "提供三个不能在水下完成的活动。",
    "対応する英単語を書きなさい。分からない場合は書かない。",
    "도움을 줄 수 없는 상황을 쓰세요.",
)


@pytest.mark.parametrize(
    ("language", "text"),
    [(language, text) for language, texts in REFUSALS.items() for text in texts],
)
def test_a_refusal_is_known_in_each_language(language: str, text: str) -> None:
    assert is_refusal(text), language
    assert is_refusal(f"**{text}**")


@pytest.mark.parametrize("text", NONE)
def test_a_text_that_is_no_refusal_is_none(text: str) -> None:
    assert not is_refusal(text)


def test_every_language_of_the_table_is_tried() -> None:
    assert set(LANGUAGES) == set(REFUSALS) - {"English"}


def test_the_seeds_are_no_refusals() -> None:
    assert not [task.definition for task in seed_tasks() if is_refusal(task.definition)]
