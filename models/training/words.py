"""Random words, names and texts: the raw material of the conversations.

The model must learn to copy anything, not only words it knows. So much of what
is drawn here is invented, and no invented word is likely to come twice.
"""

import random
from collections.abc import Sequence

from text import (
    ACCENTED, ADJECTIVES, ANIMALS, CAPITALS, COLORS, COMMON, CONTRACTIONS, CYRILLIC,
    DAYS, EAST_ASIAN, EMOJI, GREEK, LETTER_RANGES, MONTHS, MORE_EMOJI, NAMES, ONES, PREPOSITIONS,
    SYMBOLS, TENS, THINGS, VERBS, capitalised,
)

CONSONANTS = list("bcdfghjklmnprstvwyz")
CLUSTERS = ["sh", "ch", "th", "br", "kr", "tr", "st", "gl"]
ENDINGS = ["com", "org", "net", "de", "io", "example"]
KEYBOARD = "abcdefghijklmnopqrstuvwxyzABCDEFGHKLMNPRSTUVWXYZ0123456789-_#@+=/.:!?$%&*()"


#: How often each kind of text to copy comes.
COPIED = {"sentence": 37, "everyday": 15, "pieces": 12, "foreign": 11, "emoji": 9, "pasted": 11, "noise": 5}
#: The same when the model knows how to copy and the unusual is to be practised.
UNUSUAL_COPIED = {**COPIED, "everyday": 22, "emoji": 14, "pasted": 24, "noise": 8}
#: With texts that say the same words again and again, in which one easily loses the place.
ECHOING_COPIED = {**UNUSUAL_COPIED, "echo": 45, "snippet": 25}


class Words:
    """A seeded source of random words and texts."""

    def __init__(self, seed: int, pieces: Sequence[str] = (), copied: dict[str, int] | None = None):
        """`pieces` are the tokenizer's entries: words glued from them make sure
        that every single token is met as something to copy. `copied` says how often
        each kind of text to copy comes."""
        self.random = random.Random(seed)
        self.copied = copied or COPIED
        self.pieces = list(pieces)
        self.word_pieces = sorted({p.strip().lower() for p in pieces if p.strip().isalpha()})

    def pick(self, options):
        return self.random.choice(options)

    def chance(self, probability: float) -> bool:
        return self.random.random() < probability

    def choose(self, weighted: dict):
        """Pick a key of {option: weight}."""
        return self.random.choices(list(weighted), list(weighted.values()))[0]

    # -- single words ------------------------------------------------------------

    def syllable(self) -> str:
        start = self.pick(CONSONANTS) if self.chance(0.8) else self.pick(CLUSTERS)
        end = self.pick("nrlstmkdx") if self.chance(0.4) else ""
        return start + self.pick("aeiou") + end

    def invented_word(self) -> str:
        if self.word_pieces and self.chance(0.45):
            return "".join(self.pick(self.word_pieces) for _ in range(self.pick([1, 2, 2, 3])))
        word = "".join(self.syllable() for _ in range(self.pick([1, 2, 2, 2, 3, 3])))
        return word if len(word) > 2 else word + self.pick("nrlt")

    def person(self, known: float = 0.4) -> str:
        """A first name; `known` is the chance of one from the list."""
        return self.pick(NAMES) if self.chance(known) else capitalised(self.invented_word())

    def city(self) -> str:
        return self.pick(list(CAPITALS.values())) if self.chance(0.5) else capitalised(self.invented_word())

    def number(self) -> str:
        return str(self.random.randrange(10 ** self.random.randint(1, 4)))

    def letters(self, most: int) -> str:
        """A few letters of one foreign alphabet."""
        alphabet = self.pick([CYRILLIC, CYRILLIC, GREEK, EAST_ASIAN, None])
        count = self.random.randint(1, most)
        if alphabet:
            return "".join(self.pick(alphabet) for _ in range(count))
        first, last = self.pick(LETTER_RANGES)
        return "".join(chr(self.random.randint(first, last)) for _ in range(count))

    def foreign_word(self) -> str:
        if self.chance(0.25):
            letters = list(self.invented_word())
            letters.insert(self.random.randrange(len(letters) + 1), self.pick(ACCENTED))
            return "".join(letters)
        word = self.letters(most=8)
        return capitalised(word) if self.chance(0.3) else word

    def any_emoji(self) -> str:
        if self.chance(0.4):
            return self.pick(list(EMOJI.values()))
        if self.chance(0.4):
            return self.pick(MORE_EMOJI)
        return chr(self.pick([self.random.randint(0x1F300, 0x1F64F), self.random.randint(0x1F900, 0x1F9FF)]))

    def emoji_run(self) -> str:
        few = [self.any_emoji() for _ in range(self.random.randint(1, 4))]
        separator = self.pick(["", "", " "])
        return separator.join(self.pick(few) for _ in range(self.random.randint(2, 8)))

    def word(self) -> str:
        """Any word, mostly invented: what a text to copy consists of."""
        if self.word_pieces and self.chance(0.25):
            return self.pick(self.word_pieces)
        kind = self.choose({
            "common": 30, "thing": 8, "describing": 6, "numeral": 4, "invented": 33, "number": 6,
            "contraction": 3, "own": 3, "foreign": 4, "emoji": 3, "symbol": 1,
        })
        if kind == "common":
            return self.pick(COMMON)
        if kind == "thing":
            return self.pick(THINGS + ANIMALS)
        if kind == "describing":
            return self.pick(ADJECTIVES + VERBS + COLORS)
        if kind == "numeral":
            return self.pick(ONES + TENS[2:])
        if kind == "number":
            return self.number()
        if kind == "contraction":
            return self.pick(CONTRACTIONS)
        if kind == "own":
            return self.person(0.5) + "'s"
        if kind == "foreign":
            return self.foreign_word()
        if kind == "emoji":
            return self.any_emoji()
        if kind == "symbol":
            return self.pick(SYMBOLS)
        return self.invented_word()

    # -- things people paste -----------------------------------------------------

    def email(self) -> str:
        first, last = self.invented_word(), self.invented_word()
        if self.chance(0.4):
            first = self.pick(NAMES).lower()
        user = self.pick([first, f"{first}.{last}", f"{first}{self.number()}", f"{first}_{last}", f"{first}-{last}"])
        return f"{user}@{self.invented_word()}.{self.pick(ENDINGS)}"

    def address(self) -> str:
        """A web address, file path or version number."""
        return self.pick([
            lambda: f"https://{self.invented_word()}.{self.pick(ENDINGS)}/{self.invented_word()}",
            lambda: f"www.{self.invented_word()}.{self.pick(ENDINGS)}",
            lambda: f"/{self.invented_word()}/{self.invented_word()}.{self.pick(['txt', 'js', 'md', 'json'])}",
            lambda: f"v{self.random.randint(0, 9)}.{self.random.randint(0, 40)}.{self.random.randint(0, 99)}",
        ])()

    def quantity(self) -> str:
        """A date, a time, a price or another number with signs."""
        r = self.random
        return self.pick([
            lambda: f"{r.randint(0, 23)}:{r.randint(0, 59):02d}",
            lambda: f"{r.randint(1, 28)} {self.pick(MONTHS)} {r.randint(1800, 2099)}",
            lambda: f"{r.randint(1900, 2099)}-{r.randint(1, 12):02d}-{r.randint(1, 28):02d}",
            lambda: f"${r.randint(1, 999)}.{r.randint(0, 99):02d}",
            lambda: f"{r.randint(1, 100)}%",
            lambda: f"{r.randint(1, 99)},{r.randint(0, 999):03d}",
            lambda: f"+{r.randint(1, 99)} {r.randint(100, 999)} {r.randint(1000, 99999)}",
            lambda: f"#{r.randint(1, 999)}",
        ])()

    def code(self) -> str:
        a, b = self.invented_word(), self.invented_word()
        return self.pick([
            f"{a}({b});", f"const {a} = {self.number()};", f"{a}.{b}()", f"if ({a} < {self.number()}) {b}++;",
            f'{{"{a}": {self.number()}}}', f"{a}[{self.random.randint(0, 9)}] = '{b}'", f"<{a}>{b}</{a}>",
            f"{a}={b}&{b}={self.number()}",
            f"{a[0]} * {b[0]} - {self.number()} = {b[0]}", f"{a} = {b} + {self.number()};",
            f"while ({a} > {b}) {{ {a}--; }}", f'print("{a}")', f"{a}^2 / {b} <= {self.number()}",
            f"# {a} {b}", f"$ {a} --{b} {self.number()}", f"return [{self.number()}, {self.number()}];",
        ])

    def keyboard_noise(self) -> str:
        return "".join(self.pick(KEYBOARD) for _ in range(self.random.randint(4, 14)))

    def token_noise(self) -> str:
        """Tokens in no order at all: nothing but copying can predict it."""
        if not self.pieces:
            return self.keyboard_noise()
        return "".join(self.pick(self.pieces) for _ in range(self.random.randint(3, 14))).strip() or "x"

    def snippet(self) -> str:
        """Short pieces of program text, which begin in lower case and use names twice."""
        name, other = self.pick([self.pick("abcdefghijklmnpqrstuvwxyz"), self.few_pieces().split()[0].lower(),
                                 self.pick(COMMON)]), self.pick(COMMON)
        few, more = self.random.randint(0, 9), self.random.randint(1, 999)
        return self.pick([
            f"{name} = {other} * {few};", f"var {name} = {other} + {more};", f"{name}.{other}('{self.word()}');",
            f"while ({name} <= {more}; {name}--)", f"if ({name} == {few} && {other} != {more})",
            f'{{"{other}": {self.pick(["true", "false", "null"])}, "{name}": {more}}}', f"{name}^{few} - {other}^{few} = {more}",
            f"{other}({name}, {name} + {few})", f"[{few}, {more}, {few}]", f"{name}: {other}, {other}: {name}",
            f"{few}.{more} and {more}.{few}", f"+{few} {more} {self.random.randint(10, 9999)}",
            f"{name}_{other}_{name}@{other}.{self.pick(ENDINGS)}", f"{other}.{name}@{other}-{name}.{self.pick(ENDINGS)}",
        ])

    def echo(self) -> str:
        """A few words (or emoji, or letters) said again and again in changing order."""
        source = self.pick([self.word, self.word, lambda: self.pick(COMMON), lambda: self.pick(COMMON),
                            self.any_emoji, lambda: self.letters(most=3), lambda: str(self.random.randint(0, 20))])
        few = [source() for _ in range(self.random.randint(1, 5))]
        between = self.pick([" ", " ", " ", ", ", ", ", "-", "; ", ". "])
        if source == self.any_emoji:
            between = self.pick(["", "", " "])
        said = [self.pick(few) if self.chance(0.7) else self.word() for _ in range(self.random.randint(2, 16))]
        text = between.join(said)
        return (capitalised(text) if self.chance(0.5) else text) + self.pick(["", "", ".", "!", "?"])

    # -- texts -------------------------------------------------------------------

    def simple_sentence(self) -> str:
        place = self.pick(ANIMALS + THINGS)
        return (f"the {self.pick(ADJECTIVES)} {self.pick(COLORS + ADJECTIVES)} {self.pick(ANIMALS)} "
                f"{self.pick(VERBS)} {self.pick(PREPOSITIONS)} the {self.pick(ADJECTIVES)} {place}")

    def everyday_sentence(self) -> str:
        """A sentence with the signs of real writing: apostrophes, dates, quotes."""
        who, thing, adjective = self.person(0.4), self.pick(THINGS), self.pick(ADJECTIVES)
        word, other = self.word(), self.word()
        return self.pick([
            lambda: f"{who}'s {thing} {self.pick(CONTRACTIONS)} {adjective}, is it?",
            lambda: f"On {self.pick(DAYS)} at {self.quantity()} {who} {self.pick(CONTRACTIONS)} find the {thing}.",
            lambda: f"Please write to {self.email()} before {self.quantity()}.",
            lambda: f'"{capitalised(word)} {other}," said {who}, "and the {adjective} {thing}."',
            lambda: f"{capitalised(word)}: {other}, {self.word()} and {self.word()} ({self.quantity()}).",
            lambda: f"The {thing} costs {self.quantity()} - {self.pick(CONTRACTIONS)} {adjective}!",
            lambda: (f"I {self.pick(CONTRACTIONS)} {word} {other}; {who} {self.pick(VERBS)} "
                     f"{self.pick(PREPOSITIONS)} the {thing}."),
            lambda: (f"{who} and {self.person()} {self.pick(COMMON)} {word} {self.pick(COMMON)} {other}, "
                     f"{self.pick(COMMON)} the {thing}'s {adjective} {self.word()}."),
        ])()

    def word_list(self, lengths=(1, 2, 3, 4, 5, 6, 7, 8, 10, 12, 16, 24)) -> str:
        words = [self.word() for _ in range(self.pick(lengths))]
        if len(words) > 5 and self.chance(0.4):
            words[self.random.randrange(2, len(words) - 1)] += self.pick([",", ",", ";", ":", " -", "...", "?", "!"])
        if self.chance(0.15):
            place = self.random.randrange(len(words))
            words[place] = self.pick(["({})", '"{}"', "'{}'", "[{}]", "*{}*", "{}/{}", "{}-{}"]).replace("{}", words[place])
        if self.chance(0.2):
            words = [capitalised(word) if self.chance(0.5) else word for word in words]
        return " ".join(words)

    def sentence(self) -> str:
        text = self.simple_sentence() if self.chance(0.25) else self.word_list()
        if self.chance(0.4):
            text = capitalised(text)
        return text + (self.pick([*".....!?", "...", " ?", "?!"]) if self.chance(0.5) else "")

    def few_pieces(self) -> str:
        """One to four words of one token: every token has to be copied as a first one
        too, where the space before it is lost."""
        words = [self.pick(self.word_pieces or COMMON) for _ in range(self.random.randint(1, 4))]
        return self.pick([str.lower, str.lower, capitalised, str.upper])(" ".join(words))

    def text_to_copy(self) -> str:
        kind = self.choose(self.copied)
        if kind == "everyday":
            return self.everyday_sentence()
        if kind == "foreign":
            words = [self.letters(most=9) for _ in range(self.random.randint(1, 4))]
            text = " ".join(words)
            return (capitalised(text) if self.chance(0.5) else text) + self.pick(["", "", ".", "!", "?"])
        if kind == "pieces":
            return self.few_pieces()
        if kind == "emoji":
            run = self.emoji_run()
            return run if self.chance(0.6) else f"{self.sentence()} {run}"
        if kind == "pasted":
            return self.pick([self.email, self.email, self.address, self.quantity, self.code, self.code])()
        if kind == "echo":
            return self.echo()
        if kind == "snippet":
            return self.snippet()
        if kind == "noise":
            return self.keyboard_noise() if self.chance(0.5) else self.token_noise()
        return self.sentence()

    def long_text(self) -> str:
        """Several sentences, about 300 to 900 characters."""
        sentences = [self.sentence() if self.chance(0.7) else self.everyday_sentence()
                     for _ in range(self.random.randint(6, 16))]
        return " ".join(sentences)
