"""Looks for held-out prompts in what training reads: python check_held_out.py [documents]

Generates a sample of the documents of all phases (same tokenizer, same mixtures and
seeds; batching then draws from the same random numbers, so they are not the very same)
and looks for every held-out conversation, plain prompt and reserved word in them, with
a search of its own. A training run of the shipped length reads about 90,000 documents.
"""

import argparse

from conversations import PRACTICE, SKILLS, Document, Generator
from held_out import HeldOut, plain_form
from network import Shape
from tokenizer import printable_pieces
from train import make_tokenizer
from words import COPIED, ECHOING_COPIED, UNUSUAL_COPIED, Words

MIXTURES = [(SKILLS, COPIED), (PRACTICE, UNUSUAL_COPIED), (PRACTICE, ECHOING_COPIED)]


def check(document: Document, items: list[dict], held_out: HeldOut) -> None:
    """Raises if the document has a reserved word or all turns of an unseen prompt."""
    users = [user for user, _ in document.turns]
    text = "\n".join([document.system or "", *users, document.plain or ""])
    reserved = held_out.reserved.search(text)
    assert not reserved, f"reserved word {reserved[0]!r} in {text!r}"
    forms = {plain_form(user) for user in users}
    for item in items:
        if "plain" in item:
            assert item["plain"] not in (document.plain or ""), f"{item['plain']!r} in {text!r}"
        elif plain_form(item["turns"][-1]) in forms and all(plain_form(turn) in forms for turn in item["turns"]):
            same_system = plain_form(item.get("system", "")) == plain_form(document.system or "")
            assert "system" in item and not same_system, f"{item['turns']!r} in {text!r}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("documents", type=int, nargs="?", default=200_000)
    parser.add_argument("--seed", type=int, default=1, help="the seed given to train.py")
    options = parser.parse_args()
    held_out = HeldOut()
    unseen = [item for item in held_out.items if not item.get("seen")]
    pieces = printable_pieces(make_tokenizer(options.seed, held_out, Shape().vocabulary))
    for number, (skills, copied) in enumerate(MIXTURES):
        for rank in (0, 1):
            words = Words(options.seed * 100 + number * 10 + rank, pieces, copied)
            generator = Generator(words, held_out, skills)
            for _ in range(options.documents // (2 * len(MIXTURES))):
                check(generator.document(), unseen, held_out)
    print(f"{options.documents} documents, {len(unseen)} held-out prompts: none occurs")


if __name__ == "__main__":
    main()
