"""Records what sentence-transformers makes of the 200 texts with the original weights of all-MiniLM-L6-v2, in F32.

    pip install torch==2.13.0 sentence-transformers==6.2.0
    python3 test/golden/embeddings/sentence_transformers_minilm.py WEIGHTS OUT.json.gz

Each text is cut to 512 tokens, [CLS] and [SEP] among them, as GPT4All's `truncate` does. Its tokens are recorded too.
"""

import sys

import sentence_transformers
import torch
from sentence_transformers import SentenceTransformer

from texts import texts
from vectors import SCALE, packed, write


def main(weights: str, path: str) -> None:
    torch.set_num_threads(2)
    model = SentenceTransformer(weights, device="cpu", local_files_only=True)
    model.max_seq_length = 512
    golden = []
    for name, text in texts().items():
        ids = model.tokenize([text])["input_ids"][0].tolist()
        vector = model.encode(text, normalize_embeddings=True).tolist()
        golden.append({"name": name, "ids": ids, "vector": packed(vector)})
    head = {"how": "sentence_transformers_minilm.py", "sentenceTransformers": sentence_transformers.__version__}
    write(path, {**head, "scale": SCALE, "texts": golden})


main(*sys.argv[1:])
