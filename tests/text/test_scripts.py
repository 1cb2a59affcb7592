"""In which script texts are written, and how many words they have."""

import pytest

from seedstep.data import seed_tasks
from seedstep.text import count_words, script_of


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
