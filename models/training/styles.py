"""System prompts, and what each of them does to the answers."""

import re

from skills import Turn
from text import COMMON, capitalised
from words import Words

ASKING = ["Answer", "Always answer", "Please answer", "Reply", "Always reply", "Respond", "Always respond",
          "Write", "Always write", "Speak", "You must answer", "You always answer", "From now on answer",
          "Answer everything", "Write everything", "Answer all questions"]
ENDING = ["End", "Always end", "Please end", "Finish", "Always finish", "You must end", "You always end", "Close"]
EVERY = ["Every answer", "Each answer", "Every reply", "Each reply", "Everything you say", "What you say"]
PIRATES = ["a pirate", "an old pirate", "a pirate captain", "a friendly pirate"]

#: Style -> lists whose parts are joined to a prompt.
STYLE_PROMPTS = {
    "upper": [(ASKING, ["in upper case", "in capital letters", "in upper case letters", "only in upper case",
                        "with capital letters only", "in uppercase", "in all capital letters"]),
              (["Use", "Always use", "Please use", "You must use"],
               ["only capital letters", "upper case", "upper case letters", "capital letters only"]),
              (EVERY, ["must be in upper case", "should be in capital letters", "has to be in upper case letters",
                       "in upper case", "in capital letters, please"])],
    "lower": [(ASKING, ["in lower case", "in small letters", "in lower case letters", "only in lower case",
                        "in lowercase", "with small letters only"]),
              (["Use", "Always use", "Please use", "You must use"],
               ["only small letters", "lower case", "lower case letters", "small letters only"]),
              (EVERY, ["must be in lower case", "should be in small letters", "has to be in lower case letters",
                       "in lower case", "in small letters, please"])],
    "over": [(ENDING, ["with the word over", "every answer with the word over", "each reply with the word over",
                       "every reply with over", "your answers with the word over", "all answers with over"]),
             (["Say", "Always say", "Please say", "Add", "Always add", "You must say"],
              ["over at the end", "over at the end of your answer", "the word over at the end",
               "the word over at the end of every answer"]),
             (EVERY, ["must end with the word over", "ends with over", "should finish with the word over",
                      "has the word over at the end"])],
    "robot": [(["You are", "Act like", "Talk like", "Speak like", "Answer like", "Pretend to be"],
               ["a robot", "an old robot", "a friendly robot", "a robot and start with Beep", "a machine"])],
    "pirate": [(["You are", "Act like", "Talk like", "Speak like", "Answer like", "Always speak like",
                 "Always talk like", "Pretend to be", "Write like", "Always answer like"], PIRATES)],
}

#: What a prompt of each style says in any wording: these words alone must be enough.
STYLE_MARKS = {
    "upper": ["upper case", "capital letters", "uppercase", "upper case letters"],
    "lower": ["lower case", "small letters", "lowercase", "lower case letters"],
    "over": ["word over", "the word over", "say over", "with over", "over at the end"],
    "robot": ["robot", "a robot", "like a robot", "machine"],
    "pirate": ["pirate", "a pirate", "like a pirate", "pirates"],
}
#: Words that a prompt without a style may not have: they would teach to overlook them.
MARK_WORDS = frozenset(" ".join(sum(STYLE_MARKS.values(), [])).split()) - frozenset("a the at like with say".split())

NEUTRAL_PROMPTS = [
    "You are a helpful assistant.", "You are a helpful assistant.", "You are a helpful assistant.", "Be helpful.",
    "Answer the question.", "You are a friendly assistant.", "You are a polite assistant.",
    "You are a helpful, respectful and honest assistant. Always answer as helpfully as possible.",
    "You are an AI assistant.", "Be kind and helpful.", "You help people with their questions.",
]

PIRATE_WORDS = {"my": "me", "My": "Me", "you": "ye", "You": "Ye", "your": "yer", "Your": "Yer",
                "is": "be", "are": "be", "friend": "matey", "friends": "mateys"}


def choose_system_prompt(w: Words, memory: dict) -> tuple[str | None, str | None]:
    """Returns the style that is asked for (if any) and the prompt (if any)."""
    kind = w.choose({"none": 40, "neutral": 13, "noise": 6, "named": 7, "styled": 34})
    if kind == "none":
        return None, None
    if kind == "neutral":
        return None, w.pick(NEUTRAL_PROMPTS)
    if kind == "noise":  # any other prompt must change nothing
        return None, capitalised(" ".join(plain_words(w, 3, 20))) + "."
    if kind == "named":
        name = memory["model name"] = w.person()
        return None, w.pick(["Your name is {}.", "You are {}.", "You are {}, a helpful assistant.",
                             "You are an assistant called {}.", "You are an assistant named {}.",
                             "Your name is {}. Be helpful.", "You are called {}."]).format(name)
    style = w.choose({"upper": 33, "over": 22, "pirate": 18, "lower": 15, "robot": 12})
    if w.chance(0.3):
        return style, marked_prompt(w, w.pick(STYLE_MARKS[style]))
    openings, manners = w.pick(STYLE_PROMPTS[style])
    prompt = f"{w.pick(openings)} {w.pick(manners)}" + w.pick([".", ".", ".", "!", ""])
    if w.chance(0.2) and not prompt.startswith("You"):
        prompt = w.pick(["You are a helpful assistant. ", "Be helpful. ", "You are a friendly assistant. "]) + prompt
    return style, prompt


def plain_words(w: Words, fewest: int, most: int) -> list[str]:
    """Everyday words in no order, none of which stands for a style."""
    words = [w.pick(COMMON) for _ in range(w.random.randint(fewest, most))]
    return [word for word in words if word not in MARK_WORDS]


#: Words that often surround what such a prompt is about.
MANNERS = """answer answers answering reply replies every each all always must have to write say text please your
you everything of in is are will it with that should only want I need talk""".split()


def marked_prompt(w: Words, mark: str) -> str:
    """Some words around the mark: what the prompt wants is in the mark, whatever the sentence."""
    before, after = (plain_words(w, 0, 3) + [w.pick(MANNERS) for _ in range(w.random.randint(0, 5))] for _ in "12")
    w.random.shuffle(before)
    w.random.shuffle(after)
    return capitalised(" ".join([*before, mark, *after])) + w.pick([".", ".", "!", ""])


def apply_style(style: str | None, turn: Turn, copied: bool) -> str:
    """The answer as the system prompt wants it. `copied` texts keep their words."""
    answer = turn.answer
    if not turn.styled or style is None:
        return answer
    if style == "upper":
        return answer.upper()
    if style == "lower":
        return answer.lower()
    if style == "over":
        return answer + " Over."
    if style == "robot":
        return "Beep! " + answer
    if not copied:
        answer = re.sub(r"[A-Za-z]+", lambda found: PIRATE_WORDS.get(found[0], found[0]), answer)
    return f"Arr! {answer} Yo ho ho!"
