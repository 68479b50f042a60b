"""sentence-transformers on PyTorch: see serve.py. It sorts texts by length itself."""

import os

import sentence_transformers
import torch
from chunks import LONGEST, OVERLAP, by_length, means
from sentence_transformers import SentenceTransformer
from serve import serve
from tokenizers import Tokenizer


class Model:
    version = sentence_transformers.__version__

    def __init__(self, options):
        threads = options["threads"] // options["workers"]
        torch.set_num_threads(threads)
        os.environ["OMP_NUM_THREADS"] = str(threads)  # for the processes of the pool
        torch.set_grad_enabled(False)
        self.model = SentenceTransformer(options["folder"], device="cpu", local_files_only=True)
        self.model.max_seq_length = LONGEST
        self.batch = options["batch"]
        self.pool = None
        if options["workers"] > 1:
            self.pool = self.model.start_multi_process_pool(["cpu"] * options["workers"])
        self.windows = Tokenizer.from_file(options["folder"] + "/tokenizer.json")
        self.windows.enable_truncation(LONGEST, stride=OVERLAP)
        self.windows.no_padding()

    def embed(self, texts):
        pool = self.pool if len(texts) > self.batch else None
        return self.model.encode(
            texts, batch_size=self.batch, normalize_embeddings=True, show_progress_bar=False, pool=pool
        )

    def embed_long(self, texts):
        chunks, owners = [], []
        for owner, encoding in enumerate(self.windows.encode_batch_fast(texts)):
            windows = [encoding, *encoding.overflowing]
            chunks += windows
            owners += [owner] * len(windows)
        vectors = torch.empty(len(chunks), self.model.get_embedding_dimension())
        for batch in by_length(chunks, self.batch):
            vectors[batch] = self.step([chunks[i] for i in batch])
        return means(vectors.numpy(), owners, len(texts))

    def step(self, encodings):
        ids = torch.zeros(len(encodings), len(encodings[0]), dtype=torch.int64)
        mask = torch.zeros_like(ids)
        for row, encoding in enumerate(encodings):
            ids[row, : len(encoding)] = torch.tensor(encoding.ids)
            mask[row, : len(encoding)] = 1
        return self.model({"input_ids": ids, "attention_mask": mask})["sentence_embedding"]


if __name__ == "__main__":  # the processes of its pool import this file
    serve(Model)
