"""Keeps the held-out prompts out of the training text."""

import json
import re
from pathlib import Path

HELD_OUT_FILE = Path(__file__).resolve().parent.parent / "held-out.json"


class HeldOut:
    """The held-out prompts, as something a training document can be checked against."""

    def __init__(self, path: Path = HELD_OUT_FILE):
        content = json.loads(path.read_text(encoding="utf-8"))
        self.items = content["items"]
        #: Items marked "seen" are trained facts, kept apart and not counted as unseen.
        unseen = [item for item in self.items if not item.get("seen")]
        reserved = sorted(content["reserved"], key=len, reverse=True)
        self.reserved = re.compile(r"\b(?:" + "|".join(map(re.escape, reserved)) + r")\b", re.IGNORECASE)
        self.by_last_turn: dict[str, list[dict]] = {}
        for item in unseen:
            if "turns" in item:
                self.by_last_turn.setdefault(plain_form(item["turns"][-1]), []).append(item)
        self.plain_prompts = [item["plain"] for item in unseen if "plain" in item]

    def finds(self, system: str | None, turns: list[str], plain: str | None) -> str | None:
        """Says which held-out prompt a document would give away, if any.

        A conversation gives an item away if it has all its user turns (whatever the
        letter case and end punctuation) under the same system prompt. A reserved
        word (a name, country or secret that must stay unseen) gives away any document.
        """
        text = plain if plain is not None else "\n".join([system or "", *turns])
        found = self.reserved.search(text)
        if found:
            return f"reserved word {found[0]!r}"
        if plain is not None:
            return next((f"plain prompt {p!r}" for p in self.plain_prompts if p in plain), None)
        forms = {plain_form(turn) for turn in turns}
        for form in forms:
            for item in self.by_last_turn.get(form, ()):
                same_system = "system" not in item or plain_form(item["system"]) == plain_form(system or "")
                if same_system and all(plain_form(turn) in forms for turn in item["turns"]):
                    return f"held-out turns {item['turns']!r}"
        return None


def plain_form(text: str) -> str:
    """Letter case and end punctuation do not make a wording new."""
    return text.strip().rstrip(".!?").lower()
