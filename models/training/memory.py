"""What the user tells about themselves, and asks for later in the conversation."""

from skills import Turn
from text import ANIMALS, COLORS, capitalised
from words import Words


def tell_name(w: Words, memory: dict) -> Turn:
    name = memory["name"] = w.person()
    user = w.pick(["My name is {}.", "My name is {}.", "I am {}.", "Call me {}.", "Hello, my name is {}.",
                   "Hi! My name is {}.", "Hi, I am {}.", "I'm {}.", "People call me {}.", "My name's {}.",
                   "You can call me {}.", "Hi, {} here.", "Hello! I am {}."]).format(name)
    if "color" not in memory and w.chance(0.12):
        memory["color"] = w.pick(COLORS)
        user = user.rstrip(".") + f" and I like the colour {memory['color']}."
    return Turn(user, f"Nice to meet you, {name}!")


def tell_color(w: Words, memory: dict) -> Turn:
    color = memory["color"] = w.pick(COLORS) if w.chance(0.6) else w.invented_word()
    user = w.pick(["My favourite colour is {}.", "My favorite color is {}.", "I like the colour {} best.",
                   "The colour I like most is {}.", "I like {} more than any other colour."])
    return Turn(user.format(color), f"I will remember that you like {color}.")


def tell_number(w: Words, memory: dict) -> Turn:
    number = memory["number"] = w.number()
    user = w.pick(["My favourite number is {}.", "My lucky number is {}.", "Remember the number {}.",
                   "The number is {}.", "My favorite number is {}.", "Keep the number {} in mind."])
    return Turn(user.format(number), f"I will remember the number {number}.")


def tell_pet(w: Words, memory: dict) -> Turn:
    name, animal = w.person(0.3), w.pick(ANIMALS)
    memory["pet"] = name
    user = w.pick([f"My {animal} is called {name}.", f"I have a {animal} called {name}.", f"My pet is called {name}.",
                   f"My {animal}'s name is {name}.", f"I have a {animal} named {name}."])
    return Turn(user, f"{name} is a nice name for a pet.")


def tell_city(w: Words, memory: dict) -> Turn:
    city = memory["city"] = w.city()
    user = w.pick(["I live in {}.", "My home is in {}.", "I am from {}.", "I live in the city of {}.",
                   "My home town is {}."])
    return Turn(user.format(city), f"I hear that {city} is a nice place.")


def tell_word(w: Words, memory: dict) -> Turn:
    """A secret word: the shortest proof that earlier turns reach the model."""
    word = memory["word"] = w.invented_word()
    if w.chance(0.3):
        word = memory["word"] = w.pick([word.upper(), capitalised(word), word + w.number()])
    user = w.pick(["Remember this word: {}", "The secret word is {}.", "The password is {}.",
                   "Remember the word {}."])
    return Turn(user.format(word), f"I will remember the word {word}.", exact=True)


TELL = {tell_name: 36, tell_color: 18, tell_number: 18, tell_pet: 10, tell_city: 10, tell_word: 8}

#: For each thing that can be told: questions, answer, and answer when it was not told.
ASK = {
    "name": (["What is my name?", "What is my name?", "What's my name?", "Do you remember my name?", "Who am I?",
              "Tell me my name.", "Do you know my name?", "What was my name?"],
             "Your name is {}.", "You have not told me your name yet."),
    "color": (["What is my favourite colour?", "What is my favorite color?", "Which colour do I like?",
               "Do you remember my favourite colour?", "Which colour do I like best?"],
              "Your favourite colour is {}.", "You have not told me your favourite colour yet."),
    "number": (["What is my favourite number?", "What is my number?", "Which number did I tell you?",
                "What was the number?", "Do you remember my number?", "What is my lucky number?",
                "What is my favorite number?"],
               "Your number is {}.", "You have not told me your number yet."),
    "pet": (["What is my pet called?", "What is the name of my pet?", "Do you remember the name of my pet?",
             "What is my pet's name?"],
            "Your pet is called {}.", "You have not told me about your pet yet."),
    "city": (["Where do I live?", "What is my city?", "Do you remember where I live?", "Where is my home?"],
             "You live in {}.", "You have not told me where you live yet."),
    "word": (["What is the secret word?", "What is the password?", "Which word did I tell you?",
              "Do you remember the word?", "What was the word?"],
             "The word is {}.", "You have not told me a word yet."),
}


def tell(w: Words, memory: dict) -> Turn:
    return w.choose(TELL)(w, memory)


def ask(w: Words, memory: dict) -> Turn:
    told = [key for key in ASK if key in memory]
    key = w.pick(told) if told and w.chance(0.93) else w.pick(list(ASK))
    questions, answer, not_told = ASK[key]
    return Turn(w.pick(questions), answer.format(memory[key]) if key in memory else not_told)
