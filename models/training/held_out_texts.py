"""Hand-written words and texts of the held-out prompts. None of them is trained on."""

NAMES = """Marvin Isolde Tobias Priya Kenji Beatrix Ronald Svetlana Gustav Delphine Mehmet Oksana
Winston Aisha Leopold Ingrid Rashid Camille Duncan Yuki Bartholomew Shirin Percy Lucinda""".split()

COUNTRIES = """Zorblatia Quendor Mirkwania Bolonesia Elbonia Vulgaria Freedonia Sylvania Latveria
Wakanda Genovia Ruritania Narnia Gondor Brobdingnag Lilliput""".split()

COLORS = "magenta olive maroon cyan beige lavender khaki amber ivory navy".split()
NUMBERS = "8 37 64 615 742 9038 5126 190 2047 4471".split()
PETS = [("cat", "Biscuit"), ("dog", "Bruno"), ("horse", "Thunder"), ("rabbit", "Snowflake"), ("fish", "Bubbles"),
        ("bird", "Tweety")]
CITIES = "Barcelona Chicago Liverpool Heidelberg Osaka Toronto".split()
SECRETS = "pineapple umbrella QUARTZ banjo lighthouse Falcon9 marmalade telescope".split()
TOPICS = "castle teapot dragon violin penguin lighthouse elephant bicycle umbrella volcano".split()
LIST_WORDS = ["pear, plum, cherry", "hammer, nail, saw, drill", "Oslo2, Rome7", "zebra, camel, giraffe, 17",
              "violin, trumpet", "monday, pancake, 5, tulip, kettle"]

PLAIN_SENTENCES = [
    "The quick brown fox jumps over the lazy dog",
    "The quick brown fox jumps over the lazy dog.",
    "Every morning seven penguins march quietly toward the frozen harbour.",
    "My grandmother baked an enormous chocolate cake for the whole village",
    "Nobody expected the library to open before breakfast",
    "A purple elephant danced across the kitchen floor",
    "The engineers finished their report late on Friday evening",
    "Please close the window before the storm arrives",
    "two bananas and a lemon",
    "Mathematics is the language of nature",
    "this sentence has no capital letters and no full stop",
    "Our bus leaves from platform nine and arrives at noon",
    "Fresh strawberries taste better than frozen ones",
    "Hello world",
]
PUNCTUATION = [
    "Zebras rarely write letters, but 12 of them did in 1987!",
    "Wait... what? No, really: stop!",
    "First, second, third; fourth, fifth: sixth.",
    "He asked (quietly) if dinner was ready.",
    '"Where are my keys?" asked the pilot.',
    "Yes/no questions aren't hard - are they?",
    "Bread, butter & jam = breakfast.",
    "Chapter 3: The storm; or, how we got lost.",
    "Really?! That is [almost] unbelievable...",
    "one-two-three, up-and-down, well-known",
]
APOSTROPHES = [
    "It's five o'clock and I don't know where Sam's hat is.",
    "We can't go because they've locked the door.",
    "That isn't what she'd said.",
    "The dogs' bowls weren't empty, were they?",
    "I'm sure you'll find it; you always do, don't you?",
    "Let's see what's in grandma's attic.",
    "Rock 'n' roll won't ever die",
    "Who's afraid of the neighbour's goat?",
]
EMAILS = [
    "alice.miller@example.com",
    "Send the invoice to billing-team@acme-tools.org by Monday.",
    "support@openmail.net",
    "john_smith42@university.example",
    "Contact: info@garden-shop.de or sales@garden-shop.de",
    "My address is p.oneill@post.ie, write soon!",
    "https://example.org/docs/index.html",
    "See www.weather-today.net/map for details.",
]
CYRILLIC = [
    "Привет, мир!",
    "Как дела?",
    "Москва и Киев",
    "Доброе утро, друзья.",
    "Слава пишет письмо",
    "Съешь ещё этих мягких французских булок",
    "кошка спит на окне",
    "Добрий день",
]
EMOJI_RUNS = [
    "😀😀😀", "🚀🌙⭐", "🎉🎂🎉🎂", "🐱🐶🐱🐶🐱", "🍕☕🍎🍞", "😂 👍 😂 👍", "Well done! 🎉👏🎉", "🌧️☀️🌧️☀️",
    "🌸🐝🌸", "🐱🐶🐦🐟", "🎈 🎁 🎈", "🌧️☀️❄️",
]
OTHER_SCRIPTS = [
    "Grüße aus Köln 🚀",
    "Où est la bibliothèque ?",
    "El niño comió piñas en Málaga.",
    "東京の大学",
    "Καλημέρα κόσμε",
    "Smörgåsbord på svenska",
    "日本語と English",
    "Čeština je krásný jazyk",
    "ひらがな と カタカナ",
    "안녕하세요",
    "Γειά σου, φίλε!",
    "Łódź leży w Polsce",
]
CODE_AND_NUMBERS = [
    "let total = price * 3;",
    "for (i = 0; i < 10; i++)",
    "print('hello')",
    "call +49 30 1234567",
    '{"ok": true, "count": 12}',
    "x^2 + y^2 = 25",
    "let sum = price * 7;",
    "for (k = 1; k < 20; k++)",
    "3.14159 and 2.71828",
    "Flight LH 4021 leaves at 07:45 on 12 March 2031.",
    "console.log('hello');",
    "phone +44 20 7946",
    '{"done": false, "items": 25}',
    "a^2 + b^2 = 169",
]
LONG_TEXTS = [
    "The committee will publish its annual report on Thursday afternoon, together with a summary of all decisions "
    "taken since January.",
    "We walked for hours through the valley. Nobody spoke. Then, at last, the village appeared between the trees, and "
    "somebody laughed.",
    "Take two eggs, a cup of sugar and some flour. Stir everything well. Bake it for forty minutes, and let it cool "
    "before you cut it.",
    "Captain Miller looked at the map again. The coast was near, the fuel was low, and the radio didn't work anymore. "
    "\"Hold on,\" she said, \"we'll land on water.\"",
    "A small museum in our street shows nothing but clocks: tall ones, tiny ones, golden ones. Every hour they all "
    "ring at once, and the windows shake.",
    "The parcel was sent on 3 May 2024. It weighs 2.5 kg and costs $14.90. Please write to parcels@fastpost.org if it "
    "hasn't arrived.",
]
FILLER = (
    "The harbour was empty when the last ferry arrived. Two sailors carried a wooden crate along the pier and put it "
    "next to the old customs office. Nobody knew what was inside. In the morning a woman with a yellow umbrella came, "
    "opened the crate and took out a brass telescope. She looked at the islands for a long time. Then she wrote "
    "something in a notebook, closed the crate and walked back to the station. The sailors never saw her again, but "
    "they often talked about the telescope and the islands."
)
EMOJI_SENTENCES = [
    ("I love horses and pizza", ["🐴", "🍕"]), ("I like cake and coffee", ["🎂", "☕"]),
    ("Look at the moon and stars", ["🌙", "⭐"]), ("I see birds and fish", ["🐦", "🐟"]),
    ("We have bread and apples", ["🍞", "🍎"]), ("This is my robot", ["🤖"]), ("I want snow", ["❄️"]),
    ("Here is the train", ["🚂"]), ("I love music and books", ["🎵", "📚"]),
    ("You have a dog and a horse", ["🐶", "🐴"]),
    ("I like the sea and the sun", ["🌊", "☀️"]), ("My dog likes pizza", ["🐶", "🍕"]),
    ("The cat and the fish", ["🐱", "🐟"]), ("We see a ship", ["🚢"]), ("Rain and fire", ["🌧️", "🔥"]),
    ("I want a house and a car", ["🏠", "🚗"]), ("Happy party", ["🎉"]),
    ("They have a fish", ["🐟"]), ("You want coffee and cake", ["☕", "🎂"]), ("My house", ["🏠"]),
    ("The bread is warm", ["🍞"]), ("The robot and the flower", ["🤖", "🌸"]), ("We saw the moon", ["🌙"]),
    ("Water and fire", ["💧", "🔥"]), ("I want a pizza and a cake", ["🍕", "🎂"]), ("The star is far", ["⭐"]),
]
