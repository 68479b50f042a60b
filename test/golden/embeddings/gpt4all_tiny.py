"""Records what GPT4All's own Embed4All makes of tiny models: prefixes, dimensions, chunks, and its errors.

    pip install gpt4all==2.8.2
    python3 test/golden/embeddings/gpt4all_tiny.py FOLDER OUT.json NAME...

FOLDER holds gpt4all-0.gguf, gpt4all-1.gguf ... of these names (test/golden/embeddings/tiny-models.ts).
"""

import json
import sys

from gpt4all import Embed4All

from calls import called
from vectors import SCALE

TEXT = "the cat sat in the rain"
LONG = " ".join([TEXT, "and waited"] * 60)
PREFIXES = (None, "", "search_document", "search_query", "clustering", "classification", "Search_Query", "passage", "a b")
DIMENSIONS = (None, 1, 16, 31, 32, 33, 64, 128, 0, -1)
CALLS = (
    *({"prefix": prefix} for prefix in PREFIXES),
    *({"prefix": "search_query", "dimensionality": dimensionality} for dimensionality in DIMENSIONS),
    {"prefix": "wrong", "dimensionality": 33},
    {"prefix": "search_query", "text": LONG},
    {"prefix": "search_query", "text": LONG, "long_text_mode": "truncate"},
    {"prefix": "search_query", "text": LONG, "dimensionality": 16},
    {"prefix": "search_query", "text": [TEXT, "", LONG, "x"], "cancel": False},
    {"prefix": "search_query", "text": [TEXT, "", LONG, "x"], "cancel": True},
    {"prefix": " ".join(["cat"] * 100), "text": LONG},
    {"prefix": " ".join(["cat"] * 250), "text": TEXT},
)


def asked(folder: str, index: int, name: str, context: int) -> dict:
    file = f"gpt4all-{index}.gguf"
    embedder = Embed4All(file, model_path=folder, allow_download=False, device="cpu", n_threads=1, n_ctx=context)
    # Without a prefix the option is left out, as without a dimension.
    calls = [{key: value for key, value in {"text": TEXT, **call}.items() if value is not None} for call in CALLS]
    # GPT4All writes behind its buffer where an unknown model is asked for more numbers than it has.
    if not known(embedder):
        calls = [call for call in calls if call.get("dimensionality", 0) <= 32]
    return {"name": name, "context": context, "calls": [called(embedder, **call) for call in calls]}


def known(embedder: Embed4All) -> bool:
    return "error" not in called(embedder, TEXT)


def main(folder: str, path: str, *names: str) -> None:
    golden = [asked(folder, i, name, 2048) for i, name in enumerate(names)]
    golden.append(asked(folder, 0, names[0], 64))
    with open(path, "w", encoding="utf-8") as file:
        json.dump({"how": "gpt4all_tiny.py", "gpt4all": "2.8.2", "scale": SCALE, "models": golden}, file, indent=1)
        file.write("\n")


main(*sys.argv[1:])
