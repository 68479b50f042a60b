"""Word lists and facts from which all training text is made.

Nothing here is taken from another corpus: these are plain lists of everyday
words and well-known facts, written for this project.
"""


def _pairs(packed: str) -> dict[str, str]:
    """Read "a:b|c:d" into a dictionary; keeps long tables readable."""
    return dict(entry.split(":") for entry in packed.replace("\n", "").split("|"))


CAPITALS = _pairs(
    """France:Paris|Germany:Berlin|Italy:Rome|Spain:Madrid|Portugal:Lisbon|Japan:Tokyo|
China:Beijing|India:New Delhi|Russia:Moscow|Canada:Ottawa|Brazil:Brasilia|
Argentina:Buenos Aires|Chile:Santiago|Peru:Lima|Mexico:Mexico City|Cuba:Havana|
Egypt:Cairo|Kenya:Nairobi|Nigeria:Abuja|Ghana:Accra|Morocco:Rabat|Greece:Athens|
Turkey:Ankara|Poland:Warsaw|Austria:Vienna|Hungary:Budapest|Sweden:Stockholm|
Norway:Oslo|Denmark:Copenhagen|Finland:Helsinki|Iceland:Reykjavik|Ireland:Dublin|
Belgium:Brussels|Switzerland:Bern|Ukraine:Kyiv|Romania:Bucharest|Thailand:Bangkok|
Vietnam:Hanoi|Australia:Canberra|Israel:Jerusalem|Iran:Tehran|England:London"""
)

OPPOSITES = _pairs(
    """hot:cold|big:small|up:down|day:night|happy:sad|fast:slow|old:young|light:dark|
open:closed|left:right|good:bad|hard:soft|wet:dry|loud:quiet|full:empty|early:late|
high:low|rich:poor|strong:weak|long:short"""
)

EMOJI = _pairs(
    """cat:🐱|dog:🐶|love:❤️|happy:😀|sad:😢|sun:☀️|moon:🌙|star:⭐|rain:🌧️|snow:❄️|
fire:🔥|water:💧|tree:🌳|flower:🌸|pizza:🍕|coffee:☕|cake:🎂|music:🎵|book:📚|car:🚗|
train:🚂|ship:🚢|house:🏠|fish:🐟|bird:🐦|horse:🐴|party:🎉|robot:🤖|apple:🍎|bread:🍞|
heart:💖|sea:🌊"""
)
#: Emoji words that can take a plural "s" in a sentence.
COUNTABLE = (
    "cat dog bird horse star tree flower book car train ship robot apple".split()
)

NAMES = """Ada Ben Clara David Emma Frank Grace Henry Ivy Jack Kate Leo Mia Noah Olivia Paul
Quinn Rosa Sam Tina Uma Victor Wendy Xavier Yara Zoe Alice Bob Carol Dan Eve Felix Gina Hugo
Iris Jonas Kim Lars Maria Nina Oscar Petra Ruth Simon Tom Ursula Vera Will Anna Boris Chloe
Diego Elena Finn Greta Hans Ines Jan Karl Lena Max Nora Omar Peter Rita Sara Theo Viktor Amir
Bella Carlos Dora Ethan Fatima George Hannah Igor Julia Kevin Laura Marco Nadia Otto Pablo
Rachel Stefan Tara Lucas Sophie James Mary John Linda Robert Susan Thomas Sarah Charles Karen
Daniel Nancy Mark Betty Paula Steve Emily Andrew Donna Josh Carla""".split()

COLORS = """red blue green yellow orange purple pink black white brown grey teal gold silver
violet indigo crimson turquoise""".split()

ANIMALS = """cat dog horse bird fish mouse rabbit fox bear wolf lion tiger owl duck frog turtle
snake sheep cow pig""".split()

THINGS = """sea moon rain wind river mountain forest garden house tree flower star sun snow
summer winter night morning bread coffee music book train city road bridge ship clock window
door lamp robot computer cloud island desert lake song dream apple kitchen mirror letter candle
key""".split()

ADJECTIVES = """quick lazy small big red old young happy sad bright dark quiet loud warm cold
soft brave clever kind strange green golden silver tiny huge gentle""".split()

VERBS = """jumps runs walks sings sleeps dances waits looks flies swims hides plays laughs works
shines""".split()

PREPOSITIONS = "over under near behind beside with around above below without".split()

COMMON = """the a and of to in is it you that he was for on are with as his they be at one have
this from or had by word but what some we can out other were all there when up use your how said
an each she which do their time if will way about many then them write would like so these her
long make thing see him two has look more day could go come did number sound no most people my
over know water than call first who may down side been now find any new work part take get place
made live where after back little only round man year came show every good me give our under
name very through just form sentence great think say help low line differ turn cause much mean
before move right boy old too same tell does set three want air well also play small end put
home read hand port large spell add even land here must big high such follow act why ask men
change went light kind off need house picture try us again animal point mother world near build
self earth father head stand own page should country found answer school grow study still learn
plant cover food sun four between state keep eye never last let thought""".split()

CONTRACTIONS = """don't can't won't it's I'm I'll we're they've that's isn't didn't you'd let's
o'clock she's he'll wasn't couldn't what's""".split()

ONES = """zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen
fifteen sixteen seventeen eighteen nineteen""".split()
TENS = "- - twenty thirty forty fifty sixty seventy eighty ninety".split()
DAYS = "Monday Tuesday Wednesday Thursday Friday Saturday Sunday".split()
MONTHS = """January February March April May June July August September October November
December""".split()

#: Alphabets of the texts the model learns to copy.
ACCENTED = "äöüßéèñçåøœžščàêîôûíóúáÀÉÖÜ"
CYRILLIC = "абвгдежзийклмнопрстуфхцчшщъыьэюяёіїєґ"
GREEK = "αβγδεζηθικλμνξοπρσςτυφχψωάέήίόύώ"
EAST_ASIAN = "日本語中文字山川水火東京大小人한국어사랑"
#: First and last letter of further alphabets: Latin, Cyrillic, Japanese, Chinese, Korean.
LETTER_RANGES = [(0xC0, 0x17F), (0x400, 0x45F), (0x3041, 0x3096), (0x3041, 0x3096), (0x30A1, 0x30FA),
                 (0x4E00, 0x9FFF), (0xAC00, 0xD7A3)]
SYMBOLS = "✅→€£°½…–“”•×©§"
#: Common emoji outside the table above; further ones are drawn from a code range.
MORE_EMOJI = "😂🥰👍🙏🌍🚀🐍💡🧠🍀😎🤔👋🎈🍓🦊🐼🌈⚽🎸"


def number_in_words(number: int) -> str:
    """42 -> "forty-two", for 0 to 99."""
    if number < 20:
        return ONES[number]
    tens, ones = divmod(number, 10)
    return TENS[tens] + (f"-{ONES[ones]}" if ones else "")


def capitalised(text: str) -> str:
    """Upper-case the first letter only (str.capitalize lowers the others)."""
    return text[:1].upper() + text[1:]
