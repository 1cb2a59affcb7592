"""In which script texts are written, and how many words they have."""

import pytest

from seedstep.data import seed_tasks
from seedstep.text import count_words, language_of_texts, script_of


@pytest.mark.parametrize(
    ("texts", "name", "tokens", "a_word"),
    [
        (["Übersetze den Satz.", "Wähle ein Gemüse."], "beyond a to z", "unicode", 0),
        (["Rédigez un poème.", "Où est la gare ?"], "beyond a to z", "unicode", 0),
        (["Write a poem.", "Sort the list."], "Latin letters", "latin", 0),
        (["次の文を訳してください。"], "Japanese", "unicode", 2),
        (["把这句话翻译成英语"], "Chinese", "unicode", 2),
        (["다음 문장을 영어로 번역하세요."], "Korean", "unicode", 0),
        (["Переведи это предложение."], "Cyrillic letters", "unicode", 0),
        (["ترجم هذه الجملة"], "Arabic letters", "unicode", 0),
        (["แปลประโยคนี้เป็นภาษาอังกฤษ"], "Thai", "unicode", 4),
        ([], "Latin letters", "latin", 0),
        (["123"], "Latin letters", "latin", 0),
        (["ᚠᚢᚦ"], "other letters", "unicode", 0),
    ],
)
def test_scripts(texts: list[str], name: str, tokens: str, a_word: int) -> None:
    found = script_of(texts)
    assert found.name.endswith(name)
    assert (found.tokens, found.a_word) == (tokens, a_word)


def test_english_that_quotes_other_languages_is_english() -> None:
    quoting = ["Say 'où' in English.", "Translate 翻訳 into French."]
    plain = [task.definition for task in seed_tasks()]
    assert script_of([*plain, *quoting]).language == "English"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", 0),
        ("Two words", 2),
        ("Two - three", 3),
        ("Größe, Maß!", 2),
        ("翻訳", 1),
        ("翻訳する text 12", 4),
        ("翻訳 する", 2),
        ("แปลภาษา", 2),
        ("이 문장을 번역하세요", 3),
    ],
)
def test_words(text: str, words: int) -> None:
    assert count_words(text) == words


@pytest.mark.parametrize(
    ("language", "texts"),
    [
        ("German", ["Nenne das Thema der Frage.", "Schreibe die Zahl aus der Notiz."]),
        ("French", ["Donne le titre du livre dans la phrase."]),
        ("Spanish", ["Escribe el resumen de la frase con las palabras del texto."]),
        ("Italian", ["Scrivi il titolo della frase per il giornale."]),
        ("Portuguese", ["Escreva um resumo da frase para os leitores."]),
        ("Dutch", ["Schrijf een samenvatting van de tekst in het Engels."]),
        ("Japanese", ["次の文を英語に訳してください。"]),
        ("unknown", ["Sum up."]),
    ],
)
def test_common_words_tell_the_language(language: str, texts: list[str]) -> None:
    assert language_of_texts(texts) == language


def test_english_tasks_are_taken_for_no_other_language() -> None:
    assert {language_of_texts([task.definition]) for task in seed_tasks()} <= {"English", "unknown"}


def test_texts_with_few_letters_of_their_own_are_known_by_their_words() -> None:
    texts = ["Nenne das Thema der Frage: Ernte, Krankheit, Fütterung."]
    texts += ["Schreibe die Zahl der Waben aus der Notiz.", "Wer hat das Volk gesehen?"] * 3
    assert script_of(texts).tokens == "unicode"
    assert script_of(texts[1:]).tokens == "latin"
