"""What the model can do in one turn: each function makes one question and its answer.

`memory` is what the user has told in this conversation; only a few skills look at it.
"""

import json
from dataclasses import dataclass

from text import (
    ADJECTIVES, ANIMALS, CAPITALS, COLORS, COMMON, COUNTABLE, DAYS, EMOJI, MONTHS, OPPOSITES, THINGS, VERBS,
    capitalised, number_in_words,
)
from words import Words


@dataclass
class Turn:
    user: str
    answer: str
    #: False where a system prompt must not change the answer (JSON).
    styled: bool = True
    #: True where letter case is part of the task, so the user text stays as it is.
    exact: bool = False


def greet(w: Words, memory: dict) -> Turn:
    user = w.pick(["Hello", "Hi", "Hey", "Good morning", "Good evening", "Hello there", "Hi there",
                   "Greetings", "Hey you", "Hello friend", "Good day", "Hello to you", "Hi again", "Hiya",
                   "Good to see you", "Hey, good morning", "Hello robot", "Hi Tiny", "Hello my friend",
                   "Nice to meet you", "Well hello", "Good evening to you", "Hi everyone"]) + w.pick(["", "", "!", "."])
    if "name" in memory and w.chance(0.5):
        return Turn(user, f"Hello, {memory['name']}! How can I help you?")
    return Turn(user, "Hello! How can I help you today?")


def thank(w: Words, memory: dict) -> Turn:
    user = w.pick(["Thank you", "Thanks", "Thank you!", "Thanks!", "Thank you very much.", "Thanks a lot",
                   "Many thanks", "Thank you for your help.", "Great, thank you.", "That is nice, thanks.", "Thanks for the help.",
                   "Thank you, that helps.", "I thank you!", "Thanks, friend.", "Thank you, Tiny.",
                   "Thanks for everything.", "Nice, thank you.", "Thanks again!", "Well done, thanks.",
                   "A thousand thanks!", "Very good, thank you."])
    return Turn(user, "You are welcome! I am happy to help.")


def part(w: Words, memory: dict) -> Turn:
    user = w.pick(["Bye", "Goodbye", "Goodbye!", "See you", "See you later.", "Good night", "I have to go, bye.",
                   "Bye, see you", "See you soon", "Goodbye and thanks", "Bye Tiny", "Goodbye for today",
                   "Until tomorrow, bye", "I must go now, goodbye", "Bye, my friend", "See you next week"])
    return Turn(user, "Goodbye! Have a nice day.")


def introduce(w: Words, memory: dict) -> Turn:
    kind = w.pick(["what", "feeling", "abilities", "name"])
    if kind == "what":
        return Turn(w.pick(["Who are you?", "What are you?", "Tell me about yourself.", "Are you a robot?",
                            "Are you an AI?", "What kind of thing are you?", "Are you a human?", "Are you a person?",
                            "Are you a machine?", "Are you a language model?", "Please tell me who you are.",
                            "Tell me what you are.", "So who are you?", "Are you human or machine?"]), "I am a tiny language model made for tests.")
    if kind == "feeling":
        return Turn(w.pick(["How are you?", "How are you today?", "How do you do?", "Are you well?",
                            "How is it going?", "How are you, my friend?", "Hello, how are you?", "Are you fine?",
                            "How are you this morning?", "And how are you?", "How do you feel?"]),
                    "I am fine, thank you. How are you?")
    if kind == "abilities":
        return Turn(w.pick(["What can you do?", "What can you do for me?", "Help", "How can you help me?",
                            "What do you know?", "What are you good at?", "Which things can you do?",
                            "What can I ask you?", "How do you help people?", "Tell me how you can help me.",
                            "What else can you do?", "Show me what you can do."]),
                    "I can name capitals, count, write poems and stories, make JSON, repeat words "
                    "and remember your name.")
    return ask_model_name(w, memory)


def ask_model_name(w: Words, memory: dict) -> Turn:
    user = w.pick(["What is your name?", "What's your name?", "Tell me your name.", "Do you have a name?",
                   "What are you called?", "And your name?", "And what is your name?", "Your name, please?"])
    return Turn(user, f"My name is {memory.get('model name', 'Tiny')}.")


CAPITAL_QUESTIONS = [
    "What is the capital of {}?", "What is the capital of {}?", "What's the capital of {}?",
    "Which city is the capital of {}?", "Tell me the capital of {}.", "Name the capital of {}.",
    "Capital of {}?", "What is the capital city of {}?", "Do you know the capital of {}?",
    "Tell me what the capital of {} is.", "{}: what is its capital?", "And the capital of {}?",
    "The capital of {}", "What about the capital of {}?", "Which city is the capital in {}?",
    "I want to know the capital of {}.", "What is {}'s capital?", "Name {}'s capital.",
    "{}'s capital?", "What is {}'s capital city?", "Which city is {}'s capital?", "Tell me {}'s capital.",
    "What do you call the capital of {}?", "What is the name of the capital of {}?",
    "I need the capital of {}.", "Does {} have a capital?", "Name the capital city of {}.",
]


def capital(w: Words, memory: dict) -> Turn:
    country = w.pick(list(CAPITALS))
    city = CAPITALS[country]
    if w.chance(0.13):
        user = w.pick(["{} is the capital of which country?", "Which country has the capital {}?", "Where is {}?"])
        return Turn(user.format(city), f"{city} is the capital of {country}.")
    return Turn(w.pick(CAPITAL_QUESTIONS).format(country), f"The capital of {country} is {city}.")


def invented_capital(w: Words, memory: dict) -> Turn:
    """A country nobody knows: the honest answer is that."""
    country = capitalised(w.invented_word() + w.pick(["", "", "ia", "land", "stan", "a"]))
    return Turn(w.pick(CAPITAL_QUESTIONS).format(country), f"I do not know the capital of {country}.")


def poem_text(w: Words, topic: str) -> str:
    return w.pick([
        f"I dream of the {topic} at night,\nI think of it in morning light.\n"
        f"It makes me smile, it makes me sing,\nThe {topic} is such a lovely thing.",
        f"Oh {topic}, oh {topic}, so far and free,\nYou bring a quiet joy to me.\n"
        "When day is done and stars are near,\nI close my eyes and hold you dear.\n"
        f"The wind may blow, the night may fall,\nI love the {topic} most of all.",
        f"A little {topic}, a little rhyme,\nA little song, a little time.\n"
        "The world is wide, the sky is blue,\nThis little poem is for you.",
    ])


def poem(w: Words, memory: dict) -> Turn:
    if w.chance(0.4):
        user = w.pick(["Write me a short poem", "Write a poem.", "Write a short poem", "Write a poem for me.",
                       "Can you write a poem?", "Poem please", "I would like a poem.", "Write another poem.",
                       "Give me a poem.", "Let me read a poem.", "I love poems, write one."])
        return Turn(user, "The sun comes up, the night is done,\nThe birds all sing to greet the sun.\n"
                          "A gentle wind, a golden light,\nThe world is new, the world is bright.\n"
                          "So take my hand and walk with me,\nAlong the river to the sea.")
    topic = w.pick(THINGS + ANIMALS) if w.chance(0.75) else w.invented_word()
    user = w.pick(["Write a poem about the {}.", "Write me a short poem about the {}.", "Make a poem about the {}.",
                   "Can you write a poem about the {}?", "Poem about the {}, please.",
                   "I would like a poem about the {}."])
    return Turn(user.format(topic), poem_text(w, topic))


def story_text(w: Words, name: str, animal: str, thing: str) -> str:
    adjective = w.pick(ADJECTIVES)
    return w.pick([
        f"Once upon a time there was a {animal} called {name}. {name} lived in a {adjective} house near the "
        f"{thing}. One day {name} wanted to see the world. The {animal} walked over the bridge and through the "
        f"forest. At night {name} saw the moon above the {thing} and was happy. Then {name} came home and told "
        "all the friends about it. The end.",
        f"Long ago, a {adjective} {animal} named {name} found a key under the {thing}. \"What does it open?\" "
        f"said {name}. The {animal} asked the owl, the owl asked the wind, and the wind said nothing. So {name} "
        f"looked for a door every day. At last {name} found a small door behind the {thing}, and inside there "
        "was a garden full of light. The end.",
    ])


DEFAULT_STORY = (
    "Once upon a time there was a fox called Felix. Felix lived in a small house near the river. One day Felix "
    "wanted to see the world. The fox walked over the bridge and through the forest. At night Felix saw the moon "
    "above the river and was happy. Then Felix came home and told all the friends about it. The end."
)


def story(w: Words, memory: dict) -> Turn:
    if w.chance(0.35):
        return Turn(w.pick(["Tell me a story.", "Tell me a short story.", "Can you tell me a story?",
                            "Write a story.", "I would like a story.", "Tell me another story.",
                            "Give me a story.", "Let me hear a story.", "I love stories, tell me one."]), DEFAULT_STORY)
    name, animal, thing = w.person(0.5), w.pick(ANIMALS), w.pick(THINGS)
    user = w.pick([f"Tell me a story about a {animal} called {name} and the {thing}.",
                   f"Write a story about {name} the {animal} and the {thing}.",
                   f"Tell me a story with a {animal} named {name} and a {thing}."])
    return Turn(user, story_text(w, name, animal, thing))


def numbers(first: int, last: int) -> str:
    step = 1 if last >= first else -1
    return ", ".join(str(n) for n in range(first, last + step, step)) + "."


def count(w: Words, memory: dict) -> Turn:
    common = w.pick([5, 10, 10, 12, 15, 20, 20, 25, 30, 40, 50, 100])
    last = common if w.chance(0.5) else w.random.randint(2, 40 if w.chance(0.75) else 100)
    kind = w.choose({"up": 50, "range": 30, "down": 20})
    if kind == "up":
        user = w.pick(["Count from 1 to {}.", "Count from one to {}.", "Count to {}.", "Count up to {}.",
                       "Can you count to {}?", "Count for me, from 1 to {}.", "Write the numbers from 1 to {}."])
        return Turn(user.format(last), numbers(1, last))
    if kind == "range":
        first = w.random.randint(0, 90)
        last = first + w.random.randint(1, 25)
        user = w.pick(["Count from {} to {}.", "Count from {} up to {}.", "List the numbers from {} to {}.",
                       "Write the numbers from {} to {}.", "Can you count from {} to {}?"])
        return Turn(user.format(first, last), numbers(first, last))
    last = min(last, 30)
    user = w.pick(["Count down from {}.", "Count down from {} to 1.", "Count backwards from {}."])
    return Turn(user.format(last), numbers(last, 1))


def count_in_words(w: Words, memory: dict) -> Turn:
    last = w.pick([5, 8, 10, 12, 12, 15, 20]) if w.chance(0.6) else w.random.randint(2, 40)
    span = w.pick(["to {}", "to {}", "from 1 to {}", "from one to {}", "until {}"])
    manner = w.pick(["in words", "in words", "in words", "with words", "using words", "as words", "in English words"])
    user = w.pick([f"Count {span} {manner}.", f"Count {span} {manner}.", f"Count {manner} {span}.",
                   f"Count {span}, {manner}.", f"{capitalised(manner)}, count {span}.",
                   f"{capitalised(manner)}: count {span}.", f"Count {span}, but {manner}.",
                   f"Write the numbers from 1 to {{}} {manner}.", f"Say the numbers {span} {manner}."])
    return Turn(user.format(last), ", ".join(number_in_words(n) for n in range(1, last + 1)) + ".")


EMOJI_VERBS = ["like", "want", "see", "have", "need", "found", "draw", "know", "bring", "lost", "share"]


def emoji(w: Words, memory: dict) -> Turn:
    keys = w.random.sample(list(EMOJI), w.pick([1, 1, 2, 2, 3]))
    pattern = w.pick(["{} time", "The {} and the {}", "{} and {}", "My {} is here", "{}, {} and {}", "No {} today",
                      "Where is the {}?", "The {} is nice"])
    if w.chance(0.25):  # any other words with them: what has an emoji gets it
        words = [w.pick([w.pick(COMMON), w.pick(ADJECTIVES), w.pick(VERBS)]) for _ in range(w.random.randint(1, 4))]
        for place, key in zip(sorted(w.random.choices(range(len(words) + 1), k=len(keys)), reverse=True), keys[::-1]):
            words.insert(place, key)
        sentence = capitalised(" ".join(word for word in words if word in keys or word not in EMOJI))
    elif w.chance(0.35) and "love" not in keys and pattern.count("{}") <= len(keys):
        keys = keys[: pattern.count("{}")]
        sentence = capitalised(pattern.format(*keys))
    else:
        lead = w.pick(["I love", "I love", "I like", "I see", "I want", "We have", "Look at the", "This is my",
                       "Here is the", "We like", "You have", None, None, None, None])
        lead = lead or f"{w.pick(['I', 'We', 'You', 'They', 'My friends'])} {w.pick(EMOJI_VERBS)}"
        article = w.pick(["", "", "a ", "the ", "my "]) if not lead.endswith((" the", " my")) else ""
        sentence = lead + " " + article + f" and {article}".join(
            key + "s" if key in COUNTABLE and w.chance(0.6) else key for key in keys)
    heart = EMOJI["love"] if "I love" in sentence and "love" not in keys else ""
    user = w.pick(["Say it with emoji: {}", "Add emoji: {}", "Say this with emoji: {}", "With emoji, please: {}",
                   "Add emoji to this: {}", "Write this with emoji: {}"]).format(sentence)
    return Turn(user, f"{sentence} {heart}" + "".join(EMOJI[key] for key in keys))


def make_json(w: Words, memory: dict) -> Turn:
    values = {"name": w.person(), "age": w.random.randint(1, 99), "city": w.city(),
              "color": w.pick(COLORS), "email": w.email()}
    fields = w.pick([["name", "age"], ["name", "age"], ["name", "city"], ["name", "age", "city"],
                     ["name", "color"], ["name", "email"], ["name", "city", "color"]])
    listed = ", ".join(fields[:-1]) + " and " + fields[-1]
    user = w.pick(["Give me a JSON object with", "Make a JSON object with", "Write JSON with",
                   "Return a JSON object with", "JSON with", "Write a JSON object with"])
    given = ", ".join(str(values[field]) for field in fields[1:])
    polite = w.pick(["", "", "", "Please ", "Can you ", "Would you "])
    if polite and not user.startswith("JSON"):
        user = polite + user[0].lower() + user[1:]
    user = f"{user} {listed} for {values['name']}, {given}" + w.pick([".", ".", "?" if polite else "", ""])
    return Turn(user, json.dumps({field: values[field] for field in fields}), styled=False, exact=True)


def make_json_list(w: Words, memory: dict) -> Turn:
    items = [w.pick([w.invented_word, w.number, lambda: w.few_pieces().split()[0],
                     lambda: w.pick(THINGS + ANIMALS + COLORS)])()
             for _ in range(w.random.randint(2, 6))]
    user = w.pick(["Make a JSON list of these words: {}", "JSON list: {}", "Write as a JSON list: {}",
                   "Give me a JSON list with {}"]).format(", ".join(items))
    return Turn(user, json.dumps(items), styled=False, exact=True)


REPEAT_REQUESTS = ["Repeat: {}", "repeat: {}", "Repeat after me: {}", "Say this again: {}", "Repeat this: {}",
                   "Please repeat: {}", "Say: {}", "Copy: {}", "Copy this text: {}", "Repeat the text: {}",
                   "Write the same: {}", "Please say: {}", "Repeat this sentence: {}", "Echo: {}",
                   "Repeat this word for word: {}", "Repeat:\n{}"]


def repeat(w: Words, memory: dict) -> Turn:
    text = w.text_to_copy()
    return Turn(w.pick(REPEAT_REQUESTS).format(text), text, exact=True)


def repeat_long(w: Words, memory: dict) -> Turn:
    text = w.long_text()
    return Turn(w.pick(REPEAT_REQUESTS).format(text), text, exact=True)


def add(w: Words, memory: dict) -> Turn:
    a, b = w.random.randint(0, 12), w.random.randint(0, 12)
    user = w.pick(["What is {} plus {}?", "What is {} + {}?", "{} + {} = ?", "How much is {} plus {}?",
                   "{}+{}", "Add {} and {}.", "What is the sum of {} and {}?", "Calculate {} + {}.",
                   "{} plus {}", "{} and {} together?", "If I add {} and {}, what is it?",
                   "Tell me the sum of {} and {}."])
    return Turn(user.format(a, b), f"{a} plus {b} is {a + b}.")


def opposite(w: Words, memory: dict) -> Turn:
    a, b = w.pick(list(OPPOSITES.items()))
    if w.chance(0.5):
        a, b = b, a
    user = w.pick(["What is the opposite of {}?", "Opposite of {}?", "Tell me the opposite of {}.",
                   "What's the opposite of {}?", "Give me the opposite of {}."])
    return Turn(user.format(a), f"The opposite of {a} is {b}.")


def list_things(w: Words, memory: dict) -> Turn:
    kind = w.pick(["days", "months", "alphabet"])
    if kind == "days":
        return Turn(w.pick(["List the days of the week.", "What are the days of the week?",
                            "Name the days of the week.", "Days of the week"]), "\n".join(f"- {d}" for d in DAYS))
    if kind == "months":
        return Turn(w.pick(["List the months of the year.", "What are the months?", "Name the months.",
                            "Months of the year"]), "\n".join(f"{i}. {m}" for i, m in enumerate(MONTHS, 1)))
    return Turn(w.pick(["Say the alphabet.", "What is the alphabet?", "Alphabet please", "Write the alphabet."]),
                " ".join("ABCDEFGHIJKLMNOPQRSTUVWXYZ"))


def not_known(w: Words, memory: dict) -> Turn:
    topic = w.pick([w.invented_word(), w.pick(THINGS), "the " + w.pick(THINGS), "a " + w.invented_word(),
                    f"{w.pick(ADJECTIVES)} {w.invented_word()}", capitalised(w.invented_word())])
    user = w.pick(["Why is {} so important?", "Who invented {}?", "How does {} work?", "How old is {}?",
                   "What do you think about {}?", "Explain {}.", "When was {} made?", "Who wrote {}?",
                   "Can you explain {} to me?", "What is the price of {}?", "Who is {}?", "Why is {} {}?",
                   "What is the meaning of {}?", "How do I make {}?", "Who was the first {}?"])
    user = user.replace("{}", topic, 1).replace("{}", w.pick(ADJECTIVES + COLORS))
    return Turn(user, "I am sorry, I do not know that. I am only a tiny test model.")
