"""Records what GPT4All's own Embed4All makes of the 200 texts with all-MiniLM-L6-v2.

    pip install gpt4all==2.8.2
    python3 test/golden/embeddings/gpt4all_minilm.py .models test/golden/embeddings/gpt4all-minilm.json.gz
"""

import hashlib
import sys
from pathlib import Path

from gpt4all import Embed4All

from calls import called
from texts import texts, words
from vectors import SCALE, packed, write

MODEL = "all-MiniLM-L6-v2.gguf2.f16.gguf"
CONTEXT = 2048
MAX_CHUNK = 510
SENTENCE = "The quick brown fox jumps over the lazy dog"
#: What can be asked of this model, and what cannot.
CALLS = (
    {"text": SENTENCE},
    {"text": [SENTENCE]},
    {"text": [SENTENCE, "", SENTENCE, "x"]},
    {"text": SENTENCE, "prefix": ""},
    {"text": SENTENCE, "prefix": "search_query"},
    {"text": SENTENCE, "dimensionality": 384},
    {"text": SENTENCE, "dimensionality": 383},
    {"text": SENTENCE, "dimensionality": 385},
    {"text": SENTENCE, "dimensionality": 32},
    {"text": SENTENCE, "dimensionality": 0},
    {"text": SENTENCE, "dimensionality": -1},
    {"text": SENTENCE, "long_text_mode": "error"},
    {"text": SENTENCE, "prefix": "search_query", "dimensionality": 100},
    {"text": ""},
    {"text": []},
    {"text": None},
    {"text": [""]},
    {"text": ["", " ", "\n"]},
    {"text": ["", " "], "atlas": True},
    {"text": "\ud800"},
    {"text": words(8192, 1), "atlas": True, "cancel": False},
    {"text": words(8193, 1), "atlas": True},
    {"text": [SENTENCE, words(8193, 1)], "atlas": True},
    {"text": words(8193, 1)},
    {"text": words(8193, 1), "atlas": True, "long_text_mode": "truncate"},
    {"text": [SENTENCE, words(600, 1), SENTENCE, words(3000, 1)], "cancel": True},
    {"text": [SENTENCE, words(600, 1), SENTENCE, words(3000, 1)], "cancel": False},
    {"text": [SENTENCE] * 300, "cancel": False},
    {"text": words(3000, 1), "long_text_mode": "truncate", "cancel": False},
)


def embedded(embedder: Embed4All, name: str, text: str) -> dict:
    def ask(mode: str) -> dict:
        result = embedder.embed([text], long_text_mode=mode, return_dict=True)
        return {"vector": packed(result["embeddings"][0]), "tokens": result["n_prompt_tokens"]}

    mean = ask("mean")
    return {"name": name, "text": text, **mean, **({"truncated": ask("truncate")} if mean["tokens"] > MAX_CHUNK else {})}


def main(folder: str, path: str) -> None:
    file = Path(folder) / MODEL
    embedder = Embed4All(MODEL, model_path=folder, allow_download=False, device="cpu", n_threads=2, n_ctx=CONTEXT)
    golden = {
        "how": "gpt4all_minilm.py",
        "gpt4all": "2.8.2",
        "sha256": hashlib.sha256(file.read_bytes()).hexdigest(),
        "context": CONTEXT,
        "maxChunk": MAX_CHUNK,
        "scale": SCALE,
        "texts": [embedded(embedder, name, text) for name, text in texts().items()],
        "calls": [called(embedder, **call) for call in CALLS],
    }
    write(path, golden)


main(*sys.argv[1:])
