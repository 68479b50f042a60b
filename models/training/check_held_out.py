"""Proves that training never sees a held-out prompt: python check_held_out.py [documents]

Generates documents with the training seed's generator and looks for every held-out
conversation, plain prompt and reserved word in them, by a search of its own.
"""

import sys

from conversations import Generator
from held_out import HeldOut, plain_form
from words import Words


def main(count: int) -> None:
    held_out = HeldOut()
    generator = Generator(Words(seed=100), held_out)
    unseen = [item for item in held_out.items if not item.get("seen")]
    for number in range(count):
        document = generator.document()
        text = "\n".join([document.system or "", *(user for user, _ in document.turns), document.plain or ""])
        forms = {plain_form(user) for user, _ in document.turns}
        reserved = held_out.reserved.search(text)
        assert not reserved, f"document {number} has the reserved word {reserved[0]!r}"
        for item in unseen:
            if "plain" in item:
                assert item["plain"] not in (document.plain or ""), f"document {number} has {item['plain']!r}"
            elif plain_form(item["turns"][-1]) in forms and all(plain_form(t) in forms for t in item["turns"]):
                same = plain_form(item.get("system", "")) == plain_form(document.system or "")
                assert "system" in item and not same, f"document {number} has the turns {item['turns']!r}"
    print(f"{count} documents, {len(unseen)} held-out prompts: none occurs")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 200_000)
