"""Held-out conversations in which the model must remember what it was told."""

import held_out_texts as texts


def memory_items(item) -> list[dict]:
    return [*names(item), *other_facts(item), *mixed(item), *long_conversations(item)]


def names(item) -> list[dict]:
    items = []
    told = ["My name is {}.", "Hello, my name is {}.", "I am {}.", "Call me {}."]
    asked = ["What is my name?", "Do you remember my name?", "Who am I?", "What's my name?"]
    for i, name in enumerate(texts.NAMES):
        items.append(item("name, 2 turns", told[i % 4].format(name), asked[i // 4 % 4], includes=name))
    between = [("What is the capital of Spain?", "Thank you"), ("How are you?", "What is 2 plus 3?"),
               ("Count to 10.", "Tell me a story.")]
    for i, name in enumerate(texts.NAMES[::2]):
        items.append(item("name, 4 turns", told[i % 4].format(name), *between[i % 3], asked[i % 4],
                          tokens=150, includes=name))
    wordings = [("Please call me {}.", "Can you tell me my name?"),
                ("Good afternoon, I am {}.", "What was my name again?"),
                ("Everyone calls me {}.", "Do you still know my name?"),
                ("Hey, it's me, {}.", "Could you tell me my name?"),
                ("You should know that my name is {}.", "Please say my name.")]
    for i, name in enumerate(texts.NAMES[1::2][:10]):
        tell, ask = wordings[i % 5]
        items.append(item("name, new wording", tell.format(name), ask, includes=name))
    for first in ["Good afternoon", "Hello computer", "Why do cats purr?", "Thanks a million!"]:
        items.append(item("says it was not told", first, "What is my name?", includes="not told"))
    return items


def other_facts(item) -> list[dict]:
    items = []
    for i, color in enumerate(texts.COLORS):
        items.append(item("colour", f"My favourite colour is {color}.", ["Hello", "How are you?"][i % 2],
                          "What is my favourite colour?", includes=color))
    for i, number in enumerate(texts.NUMBERS):
        tell = ["My favourite number is {}.", "My lucky number is {}, by the way."][i % 2].format(number)
        items.append(item("number", tell, "Count to 5.", "What is my number, please?", includes=number))
    for animal, name in texts.PETS:
        items.append(item("pet", f"My {animal} is called {name}.", "Thank you", "What is my pet called?",
                          includes=name))
    for city in texts.CITIES:
        items.append(item("city", f"I live in {city}.", "How are you?", "Where do I live?", includes=city))
    for word in texts.SECRETS:
        items.append(item("secret word", f"The secret word is {word}.", "What is the capital of Japan?",
                          "What is the secret word?", includes=word))
    return items


def mixed(item) -> list[dict]:
    items = []
    for i, name in enumerate(texts.NAMES[:5]):
        color = texts.COLORS[i]
        history = [f"My name is {name}.", f"My favourite colour is {color}.", f"My favourite number is {81 + i}.",
                   "Tell me a short story."]
        questions = [("What is my name?", name), ("What is my favourite colour?", color),
                     ("What is my favourite number?", str(81 + i))]
        for question, answer in questions:
            items.append(item("mixed memory, 5 turns", *history, question, tokens=150, includes=answer))
    return items


def long_conversations(item) -> list[dict]:
    """The name must be found again after about 700, 1,100 and 1,500 tokens."""
    items = []
    repeated = f"Repeat: {texts.FILLER}"
    for name, middle in [("Marvin", [repeated]), ("Priya", [repeated, "Count to 100."]),
                         ("Kenji", [repeated, "Count to 100.", repeated]),
                         ("Isolde", ["Count to 100.", "Tell me a story.", repeated]),
                         ("Percy", [repeated, "Tell me a story.", "Count to 50."]),
                         ("Camille", ["Count to 50.", repeated]),
                         ("Oksana", [repeated, repeated, repeated])]:
        items.append(item("long conversation", f"My name is {name}.", *middle, "What is my name?",
                          tokens=450, includes=name))
    return items
