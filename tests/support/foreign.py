"""A model that grows tasks in German or Japanese, and seed tasks in these languages."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from support.command_line import chat_reply
from support.scripted_server import Fault, Script

__all__ = ["FOREIGN", "Foreign", "foreign_model", "write_foreign_seeds"]


@dataclass(frozen=True)
class Foreign:
    """A language: some seed instructions, instructions that a model writes, and an instance.

    `asks` is how a request for topics begins, `topics` what the model names, and `line` what asks
    for tasks about one.
    """

    name: str
    seeds: tuple[str, ...]
    tasks: tuple[str, ...]
    input: str
    output: str
    asks: str = ""
    topics: tuple[str, ...] = ()
    line: str = ""


GERMAN = Foreign(
    "German",
    (
        "Übersetze den folgenden Satz ins Englische.",
        "Schlage drei Gemüsesorten für ein Hochbeet vor.",
        "Erkläre, wann man Rosen zurückschneiden sollte.",
        "Äußere dich höflich zu der Beschwerde des Kunden.",
        "Wähle aus der Liste alle Frühblüher aus.",
        "Zähle die häufigsten Schädlinge an Apfelbäumen auf.",
        "Öffne das Gespräch mit einer freundlichen Frage.",
        "Fasse den Bericht über den Garten kürzer.",
    ),
    (
        "Ändere die Reihenfolge der Gießtage, damit kein Beet austrocknet.",
        "Beschreibe einem Anfänger, wie er Tomaten auf dem Balkon zieht.",
        "Nenne für jede genannte Pflanze einen guten Nachbarn.",
        "Überprüfe, ob die Bauernregel zum Wetterbericht passt.",
        "Ordne diese Kräuter nach ihrem Wasserbedarf.",
        "Dichte vier Zeilen über den ersten Frost.",
        "Rechne aus, wie viel Kompost die Fläche braucht.",
        "Ist der beschriebene Pilz essbar? Antworte mit ja oder nein.",
        "Verfasse eine Einladung zum Tag des offenen Gartens.",
        "Ergänze den angefangenen Brief an die Gärtnerei.",
        "Welche Vögel besuchen im Winter das Futterhaus?",
        "Korrigiere die Rechtschreibung in dem Aushang.",
        "Übertrage das Rezept auf zehn Gäste.",
        "Plane eine Fruchtfolge über drei Jahre für Kohl und Möhren.",
        "Finde einen Namen für die neue Dahliensorte.",
        "Sag in einem Satz, warum Regenwürmer nützlich sind.",
        "Stelle fünf Fragen, die man einem Baumpfleger stellen könnte.",
        "Wandle die Zollangaben der Töpfe in Zentimeter um.",
        "Begründe, weshalb Mulch den Boden schützt.",
        "Erfinde ein Märchen, in dem ein Kürbis sprechen kann.",
        "Vergleiche Hecke und Zaun nach Kosten und Pflege.",
        "Entwirf ein Schild, das zum Schutz der Bienen aufruft.",
        "Leite aus den Symptomen die wahrscheinlichste Krankheit ab.",
        "Kürze das Protokoll der Vereinssitzung auf zwei Sätze.",
        "Prüfe die Rechnung der Baumschule auf Fehler.",
        "Schreibe auf, was im Gewächshaus im März zu tun ist.",
    ),
    "Der Fuchs läuft über die Straße.",
    "Größere Tiere gehören auf die Wiese.",
    "Nenne 3 Themen für eine Sammlung",
    ("Gärtnern", "Küche", "Vereinsleben"),
    "- Thema jeder Aufgabe: {}.\n",
)

JAPANESE = Foreign(
    "Japanese",
    (
        "次の文を英語に訳してください。",
        "春に咲く花を三つ挙げてください。",
        "お客様からの苦情に丁寧に返事を書いてください。",
        "この段落を一文に要約してください。",
        "文章の誤字を直してください。",
        "与えられた材料で作れる料理を提案してください。",
        "次の数字を小さい順に並べてください。",
        "俳句を一つ作り、季語を説明してください。",
    ),
    (
        "犬と猫の性格の違いを子ども向けに説明してください。",
        "東京から京都までの旅行計画を二日分立ててください。",
        "会議の議事録から決定事項だけを抜き出しなさい。",
        "この感想は肯定的ですか、否定的ですか。",
        "雨の日に室内で遊べるゲームを考えよう。",
        "新しい喫茶店の名前を五つ考案せよ。",
        "縄文時代と弥生時代を表にして比べてみましょう。",
        "友人の結婚式で話す短い祝辞が必要です。",
        "敬語に書き換えると、この文はどうなりますか。",
        "歯医者の予約を断る電話の台本を書く。",
        "円の面積を求める方法を図なしで教えて。",
        "日記の続きを主人公の気持ちになって想像する。",
        "健康診断の結果について医師に聞くべき質問は何か。",
        "四字熟語を使った例文を十個ください。",
        "商品の説明から値段と色を取り出す。",
        "昔話の桃太郎を鬼の立場から語り直そう。",
        "朝食に和食を選ぶ利点と欠点をまとめる。",
        "方言を標準語に直したものを示しなさい。",
        "この法律用語を高校生にも分かる言葉で述べよ。",
        "駅前の駐輪場について市役所へ意見を送りたい。",
        "星座占いのような文を自由に創作すること。",
        "野菜嫌いの子に食べさせる工夫を教わりたい。",
        "手紙の差出人の年齢を推定し、理由も添えること。",
        "紙飛行機が遠くへ飛ぶ条件を順に調べる手順は。",
        "引っ越しの荷造りを一週間で終える日程を組む。",
        "川柳の中から季節が秋のものを選び出せ。",
    ),
    "昨日は友達と海へ行きました。",
    "とても楽しい一日だったようです。",
    "人が言語モデルに頼むタスクを集めるための主題を3個",
    ("暮らし", "学校", "旅行"),
    "- どのタスクも主題は「{}」です。\n",
)

FOREIGN: Mapping[str, Foreign] = {"German": GERMAN, "Japanese": JAPANESE}


def foreign_model(language: Foreign, each: int = 7) -> Script:
    """A model that writes the language's tasks in turn, `each` for a request, or names topics."""
    draws = iter(range(1000))

    def script(number: int, body: dict[str, Any]) -> Fault:
        prompt = str(body["messages"][0]["content"])
        target = prompt.rsplit("Task: ", 1)[-1].split("\n")[0]
        if language.asks and prompt.startswith(language.asks):
            return chat_reply(json.dumps({"values": language.topics}, ensure_ascii=False))
        if '{"tasks": ' in prompt:
            first = each * next(draws)
            tasks = [language.tasks[(first + place) % len(language.tasks)] for place in range(each)]
            return chat_reply(json.dumps({"tasks": tasks}, ensure_ascii=False))
        if '{"is_classification": ' in prompt:
            return chat_reply(json.dumps({"is_classification": target.endswith("ですか。")}))
        own = {"input": f"{target[:6]} {language.input}", "output": language.output}
        own["label"] = language.output
        return chat_reply(json.dumps({"examples": [own]}, ensure_ascii=False))

    return script


def write_foreign_seeds(path: Path, language: Foreign) -> Path:
    """Write the seed tasks of a language to a file."""
    seeds = [
        {
            "instruction": text,
            "instances": [{"input": language.input, "output": language.output}],
            "is_classification": False,
        }
        for text in language.seeds
    ]
    path.write_text("".join(json.dumps(seed, ensure_ascii=False) + "\n" for seed in seeds))
    return path
