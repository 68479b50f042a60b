"""The 200 texts of these goldens: our own sentences, alike on every machine."""

#: Two sentences of each of 30 languages.
LANGUAGES = {
    "English": ("The lighthouse keeper counts the ships each evening.", "Nobody knew why the old bridge was closed."),
    "German": ("Die Bäckerei öffnet um sechs Uhr, außer an Feiertagen.", "Über den Dächern hängt dünner Nebel."),
    "French": ("L'été dernier, nous avons traversé le désert à vélo.", "Où est passée la clé du garage ?"),
    "Spanish": ("El niño dibujó una montaña con lápices de colores.", "¿Quién dejó la ventana abierta anoche?"),
    "Portuguese": ("A estação fica a três quarteirões da praça.", "Não há ninguém à espera no balcão."),
    "Italian": ("Perché il gatto dorme sempre sul tetto più alto?", "La pioggia è arrivata dopo mezzogiorno."),
    "Dutch": ("De fiets van mijn zus staat achter het huis.", "Zij leest elke ochtend de krant in de trein."),
    "Swedish": ("Sjön är täckt av is från december till april.", "Vi åkte båt till ön och åt blåbär."),
    "Finnish": ("Metsässä kasvaa mustikoita ja sieniä syksyllä.", "Juna lähtee asemalta viittä yli kahdeksan."),
    "Polish": ("Źdźbło trawy kołysze się na łące.", "Wczoraj kupiliśmy świeży chleb i jabłka."),
    "Czech": ("Řeka teče pomalu kolem starého mlýna.", "Příští týden bude pršet každý den."),
    "Hungarian": ("Az öreg hajó évek óta a kikötőben áll.", "Üdvözöljük a hegyi úton járó vendégeket."),
    "Romanian": ("Copiii aleargă prin grădina plină de flori.", "Știți când începe ședința de mâine?"),
    "Turkish": ("Işıklar söndü, şehir sessizliğe gömüldü.", "İstasyonun önündeki çınar yüz yaşında."),
    "Vietnamese": ("Buổi sáng ở chợ cá rất đông người.", "Mẹ tôi trồng rau sau nhà."),
    "Indonesian": ("Kapal itu berlayar ke pulau kecil di timur.", "Mereka menanam padi di lereng bukit."),
    "Russian": ("Ёжик нашёл в траве красное яблоко.", "Поезд опаздывает на двадцать минут."),
    "Ukrainian": ("Їжак ґречно дякує за яблуко.", "Увечері над полем з'явився місяць."),
    "Greek": ("Η θάλασσα ήταν ήρεμη το πρωί.", "Ποιος άφησε το βιβλίο στο τραπέζι;"),
    "Bulgarian": ("Щъркелът свива гнездо на комина.", "Утре ще вървим до езерото."),
    "Arabic": ("القطار يصل إلى المدينة عند الفجر.", "وَجَدَ الوَلَدُ كِتابًا قديمًا."),
    "Persian": ("باران آرام روی بام خانه می‌بارد.", "دوستم چای داغ می‌نوشد."),
    "Hebrew": ("הילדים משחקים בחצר אחרי הגשם.", "שָׁלוֹם לַאֲנָשִׁים בַּדֶּרֶךְ."),
    "Hindi": ("नदी के किनारे एक पुराना पेड़ है।", "बच्चे पतंग उड़ा रहे हैं।"),
    "Bengali": ("নৌকাটি ধীরে ধীরে ঘাটে ফিরছে।", "আজ সকালে অনেক বৃষ্টি হয়েছে।"),
    "Tamil": ("மழை பெய்ததும் தவளைகள் பாடின.", "அவள் புதிய கதை எழுதுகிறாள்."),
    "Thai": ("แมวสีส้มนอนอยู่บนกำแพง", "พรุ่งนี้เราจะไปตลาดน้ำ"),
    "Japanese": ("庭の池に小さなカエルがいる。", "ガラスのコップがテーブルから落ちた。"),
    "Chinese": ("老渔夫每天清晨去河边。", "圖書館裡的燈還亮著。"),
    "Korean": ("할머니는 마당에서 고추를 말린다.", "내일 아침에 눈이 올까요?"),
}

#: One sentence each of scripts that few tokenizers know.
SCRIPTS = {
    "Georgian": "მთვარე ანათებს ძველ ციხეს.",
    "Armenian": "Գարնանը ծաղկում է ծիրանենին։",
    "Amharic": "ዝናብ በተራራው ላይ ይዘንባል።",
    "Khmer": "ទូកតូចឆ្លងទន្លេនៅពេលព្រឹក។",
    "Burmese": "ကလေးများ သစ်ပင်အောက်တွင် ကစားနေသည်။",
    "Telugu": "పిల్లి గోడ మీద నిద్రపోతోంది.",
    "Lao": "ແມ່ນ້ຳໄຫຼຊ້າໆ.",
    "Tibetan": "གངས་རི་དཀར་པོ་མཐོང་།",
    "Mongolian": "Тал нутагт морьд уралдана.",
    "Swahili": "Mvuvi anarudi nyumbani jioni.",
    "Hawaiian": "Ua ʻike au i ka mahina ma luna o ke kai.",
    "Icelandic": "Þoka læðist yfir hraunið og ána.",
}

SPECIAL = {
    "empty": "",
    "space": " ",
    "spaces": "     ",
    "newlines": "\n\n\n",
    "tabs and newlines": " \t\r\n \t",
    "no-break space": "\u00a0",
    "ideographic space": "\u3000\u3000",
    "zero width": "\u200b\u200c\u200d\ufeff",
    "spaces around": "   the door is open   ",
    "spaces between": "many     spaces\tand\n\nlines",
    "letter": "a",
    "capital": "A",
    "digit": "7",
    "full stop": ".",
    "punctuation": "?!... -- ;:,\"'()[]{}<>@#$%^&*_+=|\\/~`",
    "curly quotes": "\u201cYes\u201d, she said \u2014 \u2018no\u2019 \u2026",
    "emoji": "😀",
    "emoji in text": "I love 🍕 and 🚲 rides!",
    "emoji family": "👩‍👩‍👧‍👦 👨🏽‍🚀 🏳️‍🌈",
    "flags and keycaps": "🇩🇪🇯🇵 1️⃣ ©️ ™",
    "composed": "Café Ångström naïve Señor",
    "decomposed": "Cafe\u0301 A\u030angstro\u0308m nai\u0308ve Sen\u0303or",
    "many marks": "Z\u0351\u036b\u0343\u036a\u0302\u036b\u033d\u034f\u0334\u0319\u0324\u031e\u0349\u035a\u032f\u031ealgo",
    "mark alone": "\u0301",
    "ligatures": "oﬃce ﬁne ﬂow Ĳssel ǆ",
    "full width": "Ｈｅｌｌｏ　Ｗｏｒｌｄ １２３",
    "superscripts": "x² + y³ = ½ ⅷ ㎏ №",
    "mathematical letters": "𝒜𝓁𝓅𝒽𝒶 𝟙𝟚𝟛 𝔤𝔬𝔱𝔥",
    "mathematics": "∀ε>0 ∃δ: |x−a|<δ ⇒ |f(x)−f(a)|<ε",
    "sharp s": "Straße STRASSE ẞ",
    "dotted i": "İstanbul ıssız",
    "final sigma": "ΟΔΥΣΣΕΥΣ σς",
    "jamo": "한국",
    "halfwidth kana": "ｶﾀｶﾅ ﾊﾟﾋﾟ",
    "rare han": "𠮷野家 㐂 𪚥",
    "compatibility han": "豈更",
    "han beside Latin": "我用Python3写code",
    "direction marks": "\u202bשלום\u202c abc \u2066مرحبا\u2069",
    "soft hyphen": "co\u00adoperate e\u200bverywhere",
    "replacement character": "bro\ufffdken \ufffd",
    "null": "before\x00after",
    "control characters": "a\x01b\x02c\x1b[31mred\x7f",
    "C1 control characters": "x\x80y\x85z\x9f",
    "private use": "\ue000 \U000f0000 glyphs",
    "unassigned": "\u0378 \U0001fbff0",
    "special tokens": "[CLS] nothing [SEP] to see [MASK] [PAD] [UNK]",
    "unused token": "[unused0] [unused99]",
    "marks of pieces": "##ing ▁the ▁▁ <s> </s>",
    "shouting": "HELP ME NOW",
    "camel case": "getElementByIdFromDOMTree",
    "long word": "antidisestablishmentarianism",
    "word of 100": "ab" * 50,
    "word of 101": "ab" * 50 + "c",
    "word of 300": "xyz" * 100,
    "one letter 600 times": "e" * 600,
    "600 full stops": "." * 600,
    "numbers": "3.14159 1,000,000 -42 0x1F 1e-9 2026-12-01T08:30:00Z",
    "underscores": "snake_case_name __init__ --flag",
}

CODE = {
    "JavaScript": "const sum = (a, b) => a + b;\nconsole.log(sum(2, 3)); // 5",
    "Python": "def area(r):\n    \"\"\"Of a circle.\"\"\"\n    return 3.14159 * r ** 2\n",
    "C": "#include <stdio.h>\nint main(void) { printf(\"%d\\n\", 6 * 7); return 0; }",
    "SQL": "SELECT name, COUNT(*) FROM visits WHERE day >= '2026-01-01' GROUP BY name;",
    "HTML": "<p class=\"note\">Tea &amp; cake &lt;3</p>",
    "JSON": "{\"id\": 17, \"tags\": [\"a\", null, true], \"price\": 9.5}",
    "regular expression": "^(?:[a-z0-9]+\\.)*[a-z]{2,}$",
    "shell": "find . -name '*.log' -mtime +7 | xargs rm -f && echo done",
    "URL": "https://example.org/a/b?q=caf%C3%A9&page=2#top",
    "addresses": "mail someone@example.com or ftp://files.example.net:2121/",
    "path": "C:\\Users\\me\\Documents\\report_final(2).docx",
    "Markdown": "# Title\n\n- **bold** item\n- [link](https://example.org)\n",
}

#: Words that are one token each.
WORDS = (
    "time river house green stone paper water light music table garden window winter summer morning friend story "
    "market road bread silver forest island letter number question answer circle mountain bridge small quiet open "
    "early late young old new long short and or but with from under over near far where when who how this that"
).split()
#: One token to 3,000; 510 fit into a chunk, and each further chunk brings 502.
LENGTHS = (
    *(1, 2, 3, 5, 8, 13, 21, 32, 48, 64, 100, 128, 200, 254, 256, 300, 400, 500, 507, 508, 509, 510, 511, 512),
    *(513, 520, 600, 750, 1000, 1011, 1012, 1013, 1020, 1500, 1514, 1515, 2000, 2040, 2048, 2049, 2500, 3000),
)


def words(count: int, seed: int) -> str:
    chosen = []
    for _ in range(count):
        seed = (seed * 1103515245 + 12345) % 2**31
        chosen.append(WORDS[(seed >> 16) % len(WORDS)])
    return " ".join(chosen)


def texts() -> dict[str, str]:
    """By name."""
    everything = [sentence for pair in LANGUAGES.values() for sentence in pair]
    return {
        **{f"{language} {i + 1}": text for language, pair in LANGUAGES.items() for i, text in enumerate(pair)},
        **SCRIPTS,
        **SPECIAL,
        **CODE,
        **{f"{count} words": words(count, count) for count in LENGTHS},
        "first sentences": " ".join(first for first, _ in LANGUAGES.values()),
        "second sentences": " ".join(second for _, second in LANGUAGES.values()),
        "all sentences": "\n".join(everything),
        "all sentences backwards": "\n".join(reversed(everything)),
        "all code": "\n\n".join(CODE.values()),
        "all code 6 times": "\n\n".join([*CODE.values()] * 6),
        **{
            f"much {language}": " ".join(LANGUAGES[language] * times)
            for language, times in (
                ("German", 40),
                ("Russian", 12),
                ("Arabic", 10),
                ("Hindi", 12),
                ("Thai", 20),
                ("Japanese", 20),
                ("Chinese", 40),
                ("Korean", 30),
                ("Vietnamese", 30),
                ("Greek", 15),
            )
        },
    }
