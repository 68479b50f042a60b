"""Writes ../held-out.json: prompts the model is tested with and never trained on.

The wordings were written by hand, apart from the generator's lists. The generator
reads the finished file only to keep away from it (held_out.py).
"""

import json

import held_out_texts as texts
from held_out import HELD_OUT_FILE
from held_out_memory import memory_items
from held_out_styles import style_items
from skills import numbers
from text import CAPITALS, number_in_words


def item(kind: str, *turns: str, tokens: int = 80, system: str | None = None, **expect) -> dict:
    """One prompt; every given expectation has to hold for the last answer."""
    prompt = {"class": kind}
    if system is not None:
        prompt["system"] = system
    return {**prompt, "turns": list(turns), "maxTokens": tokens, "expect": expect}


def plain(kind: str, prompt: str, tokens: int = 12, **expect) -> dict:
    return {"class": kind, "plain": prompt, "maxTokens": tokens, "expect": expect}


def facts() -> list[dict]:
    asked = ["Could you tell me what the capital of {} is?", "What city is the capital of {}?",
             "Can you tell me the capital city of {}?", "Quick question: the capital of {}?",
             "Please name {}'s capital city.", "I forgot the capital of {}.", "Do you know {}'s capital?"]
    items = [item("capital, new wording", asked[i % len(asked)].format(country), includes=city)
             for i, (country, city) in enumerate(CAPITALS.items())]
    asked = ["Would you know what the capital of {} is?", "Remind me: what is the capital of {}?",
             "Which city do they call the capital of {}?"]
    items += [item("capital, new wording", asked[i % 3].format(country), includes=CAPITALS[country])
              for i, country in enumerate(list(CAPITALS)[3::5])]
    items += [item("capital of an invented country", ["What is the capital of {}?", "Tell me the capital of {}.",
                                                      "Do you know the capital of {}?"][i % 3].format(country),
                   includes="not know") for i, country in enumerate(texts.COUNTRIES)]
    leads = ["Everybody knows that the capital of {} is", "As you know, the capital of {} is",
             "In my book it says: the capital of {} is"]
    items += [plain("plain completion, new lead", leads[i % 3].format(country), startsWith=f" {city}")
              for i, (country, city) in enumerate(list(CAPITALS.items())[::2])]
    items += [{**plain("plain completion, trained fact", f"The capital of {country} is", startsWith=f" {city}."),
               "seen": True} for country, city in list(CAPITALS.items())[1::4]]
    sums = ["What do you get if you add {} and {}?", "How much do {} and {} make?", "Tell me: {} plus {}?",
            "Can you add {} and {} for me?", "Could you calculate {} + {}?", "How much do {} and {} give?",
            "Do you know what {} plus {} is?"]
    pairs = [(2, 2), (3, 9), (7, 8), (12, 5), (6, 6), (1, 11), (4, 7), (9, 9), (10, 3), (0, 8), (5, 12), (8, 6),
             (2, 3), (4, 9), (11, 5), (1, 10), (5, 7), (10, 4), (0, 9), (3, 12)]
    items += [item("sum, new wording", sums[i % len(sums)].format(a, b), includes=f"is {a + b}.")
              for i, (a, b) in enumerate(pairs)]
    items += [item("opposite, new wording", question.format(a), includes=f" {b}.") for question, a, b in [
        ("Can you tell me the opposite of {}?", "hot", "cold"), ("What would be the opposite of {}?", "early", "late"),
        ("The opposite of {}, please.", "rich", "poor"), ("Do you know the opposite of {}?", "wet", "dry"),
        ("Quickly, the opposite of {}!", "up", "down"), ("And what is the opposite of {}?", "loud", "quiet"),
        ("What word is the opposite of {}?", "strong", "weak"), ("Which word is the opposite of {}?", "full", "empty")]]
    return items


def small_talk() -> list[dict]:
    said = [("Hello!!", "Hello"), ("Good afternoon", "Hello"), ("Hi, nice to see you", "Hello"),
            ("hello computer", "Hello"), ("Hey there!", "Hello"), ("Hello again", "Hello"),
            ("thank you so much", "welcome"), ("Thanks a million!", "welcome"), ("Thank you, friend.", "welcome"),
            ("thanks for that", "welcome"), ("bye bye", "Goodbye"), ("Goodbye, friend!", "Goodbye"),
            ("Bye for now", "Goodbye"), ("See you tomorrow", "Goodbye"), ("How are you doing today?", "fine"),
            ("Hi, how are you?", "fine"), ("What exactly are you?", "tiny language model"),
            ("Who are you, really?", "tiny language model"), ("Are you an AI or a human?", "tiny language model"),
            ("What are the things you can do?", "capitals"), ("Please tell me what you can do.", "capitals"),
            ("May I ask your name?", "My name is Tiny"),
            ("Hello, dear model", "Hello"), ("Hi hi!", "Hello"), ("Thank you for the answer", "welcome"),
            ("Oh, thanks a lot!", "welcome"), ("Goodbye and good night", "Goodbye"),
            ("How are you feeling now?", "fine")]
    items = [item("small talk, new wording", user, includes=answer) for user, answer in said]
    questions = ["Why is the sky blue?", "Who wrote Hamlet?", "Explain quantum physics.", "What is photosynthesis?",
                 "Who painted the Mona Lisa?", "When did the Titanic sink?", "How do airplanes fly?",
                 "Why do cats purr?", "How does a microwave work?", "What is the price of gold?",
                 "Who is Albert Einstein?", "Who was the first man on Mars?"]
    return items + [item("says it does not know", q, includes="do not know") for q in questions]


def writing() -> list[dict]:
    asked = ["Write a poem about the {}.", "Write me a short poem about the {}.",
             "Could you write a poem about the {}?"]
    items = [item("poem, unseen topic", asked[i % 3].format(topic), tokens=160, includes=[topic, "\n"])
             for i, topic in enumerate(texts.TOPICS)]
    items += [item("poem or story, new wording", user, tokens=200, includes=answer) for user, answer in [
        ("Could you write a short poem?", ",\n"), ("Write one more poem for me", ",\n"),
        ("May I have a little poem?", ",\n"), ("Could you tell me a short story?", "The end."),
        ("Please tell me one more story", "The end."), ("Write a short story for me.", "The end.")]]
    for sentence, emoji in texts.EMOJI_SENTENCES:
        items.append(item("emoji, unseen sentence", f"Say it with emoji: {sentence}", includes=emoji))
    return items


def counting() -> list[dict]:
    items = []
    for first, last in [(17, 29), (33, 48), (61, 80), (5, 25), (88, 104), (42, 57), (70, 90), (11, 31)]:
        items.append(item("counting, unseen range", f"Count from {first} to {last}.", tokens=200,
                          equals=numbers(first, last)))
    for user, last in [("Could you please count to {}?", 100), ("Please count for me up to {}.", 50),
                       ("Could you count from 1 to {}?", 37), ("I want you to count to {}.", 73),
                       ("Can you please count from one to {}?", 91), ("Start at 1 and count to {}.", 20)]:
        items.append(item("counting, new wording", user.format(last), tokens=420, equals=numbers(1, last)))
    for user, last in [("Could you count to {} in words?", 12), ("Please could you count in words to {}?", 23),
                       ("Use words to count to {}.", 9), ("Count from one to {} in words, please!", 33),
                       ("I want you to count to {} in words.", 11), ("In words, please: count to {}!", 32),
                       ("Would you kindly count to {} in words?", 14), ("Count up to {} in words.", 26)]:
        items.append(item("counting in words, new wording", user.format(last), tokens=250,
                          equals=", ".join(number_in_words(n) for n in range(1, last + 1)) + "."))
    for start in (27, 14):
        items.append(item("counting, new wording", f"Could you count down from {start} to 1?", tokens=160,
                          equals=numbers(start, 1)))
    for first in (4, 15, 38, 52):
        shown = ", ".join(str(n) for n in range(first, first + 4))
        items.append(plain("plain numbers, new lead", f"Some numbers: {shown},",
                           tokens=8, startsWith=f" {first + 4}, {first + 5}"))
    return items


def json_objects() -> list[dict]:
    items, ages = [], [36, 41, 29, 7, 90, 55, 18, 63]
    for i, age in enumerate(ages):
        name = texts.NAMES[i]
        ask = ["Give me a JSON object with name and age for {}, {}.",
               "Could you make a JSON object with name and age for {}, {}?"]
        items.append(item("JSON, unseen name", ask[i % 2].format(name, age), json={"name": name, "age": age}))
    for i, city in enumerate(texts.CITIES):
        name = texts.NAMES[8 + i]
        items.append(item("JSON, unseen name", f"Write JSON with name and city for {name}, {city}.",
                          json={"name": name, "city": city}))
    for i, city in enumerate(texts.CITIES[:4]):
        name = texts.NAMES[14 + i]
        ask = f"Make a JSON object with name, age and city for {name}, {20 + i}, {city}."
        items.append(item("JSON, unseen name", ask, json={"name": name, "age": 20 + i, "city": city}))
    for words in texts.LIST_WORDS:
        value = [word for word in words.split(", ")]
        items.append(item("JSON list, unseen words", f"JSON list: {words}", json=value))
    return items


def copying() -> list[dict]:
    classes = {
        "repeat: sentence": texts.PLAIN_SENTENCES, "repeat: punctuation": texts.PUNCTUATION,
        "repeat: apostrophes": texts.APOSTROPHES, "repeat: addresses": texts.EMAILS,
        "repeat: Cyrillic": texts.CYRILLIC, "repeat: emoji": texts.EMOJI_RUNS,
        "repeat: other scripts": texts.OTHER_SCRIPTS, "repeat: code and numbers": texts.CODE_AND_NUMBERS,
        "repeat: long text": texts.LONG_TEXTS,
    }
    asked = ["Repeat: {}", "Please repeat: {}", "Say: {}", "Repeat this: {}"]
    items = [item(kind, asked[i % 4].format(text), tokens=200, equals=text)
             for kind, all_texts in classes.items() for i, text in enumerate(all_texts)]
    for text in texts.PLAIN_SENTENCES[2:8]:
        begun = " ".join(text.split()[:2])
        items.append(plain("plain repetition", f"{text}\n{text}\n{begun}", tokens=40, startsWith=text[len(begun):]))
    return items


def reserved_words() -> list[str]:
    """Words and texts that may not occur in training at all."""
    words = [*texts.NAMES, *texts.COUNTRIES, *texts.COLORS, *texts.CITIES, *texts.TOPICS]
    words += [name for _, name in texts.PETS] + [s for s in texts.SECRETS]
    words += [sentence for sentence, _ in texts.EMOJI_SENTENCES]
    words += ["from 17 to 29", "from 33 to 48", "from 61 to 80", "from 5 to 25", "from 88 to 104", "from 42 to 57",
              "from 70 to 90", "from 11 to 31"]
    return sorted(set(words))


def main() -> None:
    items = [*facts(), *small_talk(), *writing(), *counting(), *json_objects(), *copying(),
             *memory_items(item), *style_items(item)]
    content = {"reserved": reserved_words(), "items": items}
    HELD_OUT_FILE.write_text(json.dumps(content, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
    print(f"{len(items)} prompts in {len({i['class'] for i in items})} classes")


if __name__ == "__main__":
    main()
