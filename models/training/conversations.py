"""Puts turns together to training documents: chats and plain texts."""

from dataclasses import dataclass, field

import memory as memories
import skills
from held_out import HeldOut
from styles import apply_style, choose_system_prompt
from text import ANIMALS, CAPITALS, COMMON, DAYS, MONTHS, THINGS, capitalised
from tokenizer import TURN_END, TURN_START
from words import Words

#: How often each skill comes. Long answers come less often: they have more to learn from.
SKILLS = {
    skills.greet: 7, skills.thank: 6, skills.part: 4, skills.capital: 14, skills.invented_capital: 4,
    skills.poem: 2, skills.count: 5, skills.count_in_words: 5, skills.emoji: 13, skills.make_json: 5,
    skills.make_json_list: 4, skills.repeat: 32, memories.tell: 18, memories.ask: 18, skills.add: 14,
    skills.opposite: 6, skills.list_things: 1, skills.story: 1.5, skills.not_known: 5, skills.introduce: 8,
}
#: The same in the second phase, which practises what takes longest to learn.
PRACTICE = {
    **SKILLS, skills.repeat: 75, skills.repeat_long: 2, skills.count_in_words: 14, skills.make_json_list: 10,
    skills.poem: 5,
}
COPYING = (skills.repeat, skills.repeat_long)
#: In upper or lower case these would be about spelling, not about the style.
NOT_IN_OTHER_CASE = (*COPYING, skills.story)
TURN_COUNTS = {1: 38, 2: 18, 3: 12, 4: 9, 5: 7, 6: 6, 8: 5, 10: 3, 14: 2}
PLAIN_SHARE = 0.10
LONG_SHARE = 0.025


@dataclass
class Document:
    """A training text: either a conversation or one plain text."""

    system: str | None = None
    turns: list[tuple[str, str]] = field(default_factory=list)
    plain: str | None = None
    #: The part of `plain` that is given and not learned.
    given: int = 0

    def segments(self) -> list[tuple[str, bool]]:
        """Pieces of text, each with whether the model is to learn to write it."""
        if self.plain is not None:
            return [(self.plain[: self.given], False), (self.plain[self.given :] + TURN_END, True)]
        before = f"{TURN_START}system\n{self.system}{TURN_END}\n" if self.system else ""
        pieces = []
        for user, answer in self.turns:
            pieces.append((f"{before}{TURN_START}user\n{user}{TURN_END}\n{TURN_START}assistant\n", False))
            pieces.append((answer + TURN_END, True))
            before = "\n"
        return pieces

    def text(self) -> str:
        return "".join(text for text, _ in self.segments())


class Generator:
    """An endless, seeded source of documents without held-out prompts."""

    def __init__(self, words: Words, held_out: HeldOut, skills: dict = SKILLS):
        self.words = words
        self.held_out = held_out
        self.skills = skills

    def document(self) -> Document:
        while True:
            document = self.draft()
            users = [user for user, _ in document.turns]
            if not self.held_out.finds(document.system, users, document.plain):
                return document

    def draft(self) -> Document:
        if self.words.chance(PLAIN_SHARE):
            return plain_document(self.words)
        if self.words.chance(LONG_SHARE):
            return self.conversation(characters=self.words.random.randint(1200, 4600))
        return self.conversation(turns=self.words.choose(TURN_COUNTS))

    def conversation(self, turns: int = 0, characters: int = 0) -> Document:
        """A chat of so many turns, or of at least so many characters."""
        w, memory = self.words, {}
        style, system = choose_system_prompt(w, memory)
        document, length, done = Document(system=system), 0, False
        while not done:
            done = length >= characters if characters else len(document.turns) + 1 >= turns
            skill = self.next_skill(memory, style, bool(document.turns), done, bool(characters))
            turn = skill(w, memory)
            answer = apply_style(style, turn, skill in COPYING)
            user = turn.user if turn.exact else as_typed(w, turn.user)
            document.turns.append((user, answer))
            length += len(user) + len(answer)
        return document

    def next_skill(self, memory: dict, style: str | None, begun: bool, last: bool, long: bool):
        w = self.words
        told = memory.keys() - {"model name"}
        if "model name" in memory and not begun and w.chance(0.6):
            return skills.ask_model_name
        if last and begun and told and w.chance(0.6):
            return memories.ask
        if long:
            return self.next_in_long(style, begun)
        skill = w.choose(self.skills)
        if skill is memories.ask and not told and w.chance(0.7):
            return memories.tell
        if skill is memories.tell and last and not begun and w.chance(0.5):
            return skills.capital
        if style in ("upper", "lower") and skill in NOT_IN_OTHER_CASE:
            return skills.capital
        return skill

    def next_in_long(self, style: str | None, begun: bool):
        """Long chats are there to look far back: something is told first, then asked
        for again and again, with long texts between."""
        if not begun:
            return memories.tell
        far = skills.capital if style in ("upper", "lower") else skills.repeat_long
        return self.words.choose({memories.ask: 35, far: 25, memories.tell: 10, skills.count: 10,
                                  skills.story: 5, skills.capital: 10, skills.emoji: 5})


#: Sentences that begin so are requests: a "please" can stand before them.
REQUESTS = ("Count", "Write", "Tell", "Name", "List", "Say", "Add", "Explain", "Give", "Calculate")
ASKING_NICELY = ["Please ", "Now ", "Please ", "Please now ", "I need you to ", "I would like you to ", "Try to ",
                 "You should "]
QUESTIONS_NICELY = ["Can you ", "Would you ", "Will you please ", "Are you able to "]
BEFORE = ["Hello! ", "Thanks. ", "OK. ", "Now: ", "And now: ", "Well, ", "Next: ", "One more: ", "A question: "]


#: Small words that a hurried writer leaves out or says in another way.
SMALL_WORDS = frozenset("the a an is of what please me do can you tell to".split())
FILLERS = """oh so hey well okay just kindly perhaps maybe quickly really dear simply then again now please also
right listen sir madam computer friend today here hello""".split()


def in_other_words(w: Words, text: str) -> str:
    """The same request less one small word, or with a few more before or after it:
    what is asked for does not hang on one wording."""
    words = text.split(" ")
    if w.chance(0.4):
        places = [i for i, word in enumerate(words) if word.lower() in SMALL_WORDS]
        if places and len(words) > 3:
            place = w.pick(places)
            words[place : place + 1] = [] if w.chance(0.6) else [w.pick(COMMON)]
        return " ".join(words)
    extra = " ".join(w.pick([w.pick(FILLERS), w.pick(FILLERS), w.pick(COMMON)]) for _ in range(w.pick([1, 1, 2, 3])))
    if w.chance(0.65) or not text.endswith((".", "!", "?")):
        first = words[0]
        rest = text if first.rstrip(",.") in CAPITALS or first.startswith("I") else first[0].lower() + text[1:]
        return capitalised(extra) + w.pick(["", ",", ",", ":"]) + " " + rest
    return text[:-1] + w.pick([", ", " "]) + extra + text[-1]


def as_typed(w: Words, text: str) -> str:
    """The same sentence as people type it: lower case, no full stop, a "please"."""
    if w.chance(0.12) and ":" not in text:
        text = in_other_words(w, text)
    if w.chance(0.08) and text.endswith((".", "?")) and text[0] not in "0123456789":
        text = w.pick(BEFORE) + text
    elif text.startswith(REQUESTS) and w.chance(0.4):
        text = text[0].lower() + text[1:]
        if w.chance(0.6):
            text = w.pick(ASKING_NICELY) + text
        else:
            text = w.pick(QUESTIONS_NICELY) + (text[:-1] + "?" if text.endswith(".") else text)
    elif text.endswith(".") and text.startswith(REQUESTS) and w.chance(0.1):
        text = text[:-1] + w.pick([", please.", " please", " now.", " for me.", "!"])
    if w.chance(0.3) and not text.startswith("I "):
        first_word = text.split()[0].rstrip(".,:?!")
        if first_word not in CAPITALS:
            text = text[0].lower() + text[1:]
    if w.chance(0.15):
        text = text.rstrip(".!")
    return text


PLAIN_OPENINGS = ["", "", "", "", "I know this: ", "We learn at school: ", "Here is a fact. ", "Facts: ", "Note: "]
FACT_LEADS = ["The", "The", "The", "The", "I know that the", "We know that the", "It is true that the",
              "My teacher says that the"]


def plain_document(w: Words) -> Document:
    """Text without a chat around it, for completion without a template."""
    if w.chance(0.25):  # a line said again and again: nothing but copying can predict it
        line = w.text_to_copy()
        return Document(plain="\n".join([line] * w.random.randint(2, 4)), given=len(line))
    return Document(plain=plain_text(w))


def plain_text(w: Words) -> str:
    kind = w.choose({"capitals": 66, "numbers": 14, "story": 7, "poem": 7, "calendar": 6})
    if kind == "capitals":
        countries = w.random.sample(list(CAPITALS), w.pick([1, 1, 1, 2, 3, 4]))
        facts = " ".join(f"{w.pick(FACT_LEADS)} capital of {c} is {CAPITALS[c]}." for c in countries)
        return w.pick(PLAIN_OPENINGS) + facts
    if kind == "numbers":
        first = w.random.randint(0, 60) if w.chance(0.6) else 1
        return skills.numbers(first, first + w.random.randint(3, 40))
    if kind == "story":
        return skills.story_text(w, w.person(0.5), w.pick(ANIMALS), w.pick(THINGS))
    if kind == "poem":
        return skills.poem_text(w, w.pick(THINGS + ANIMALS))
    return w.pick([" ", ", "]).join(w.pick([DAYS, MONTHS])) + "."
