"""ONNX Runtime for Python with the tokenizer that fastembed uses, in the way of fastembed: see serve.py.

What fastembed does not do, and what makes it faster, is done here: batches of equal length, and `workers` threads that
each evaluate a batch (fastembed's `parallel` starts processes for that).
"""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import onnxruntime
from chunks import LONGEST, OVERLAP, by_length, means, unit
from serve import serve
from tokenizers import Tokenizer


class Model:
    version = onnxruntime.__version__

    def __init__(self, options):
        settings = onnxruntime.SessionOptions()
        settings.intra_op_num_threads = options["threads"] // options["workers"]
        settings.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL
        file = options.get("file") or options["folder"] + "/onnx/model.onnx"
        self.session = onnxruntime.InferenceSession(file, settings, ["CPUExecutionProvider"])
        self.batch = options["batch"]
        self.pool = ThreadPoolExecutor(options["workers"])
        self.whole = self.tokenizer(options["folder"], 0)
        self.windows = self.tokenizer(options["folder"], OVERLAP)

    def tokenizer(self, folder, stride):
        tokenizer = Tokenizer.from_file(folder + "/tokenizer.json")
        tokenizer.enable_truncation(LONGEST, stride=stride)
        tokenizer.no_padding()
        return tokenizer

    def embed(self, texts):
        return self.evaluate(self.whole.encode_batch_fast(texts))

    def embed_long(self, texts):
        chunks, owners = [], []
        for owner, encoding in enumerate(self.windows.encode_batch_fast(texts)):
            windows = [encoding, *encoding.overflowing]
            chunks += windows
            owners += [owner] * len(windows)
        return means(self.evaluate(chunks), owners, len(texts))

    def evaluate(self, encodings):
        vectors = [None] * len(encodings)
        batches = by_length(encodings, self.batch)
        for batch, results in zip(batches, self.pool.map(lambda b: self.step([encodings[i] for i in b]), batches)):
            for i, vector in zip(batch, results):
                vectors[i] = vector
        return np.stack(vectors)

    def step(self, encodings):
        longest = len(encodings[0])
        ids = np.zeros((len(encodings), longest), dtype=np.int64)
        mask = np.zeros_like(ids)
        for row, encoding in enumerate(encodings):
            ids[row, : len(encoding)] = encoding.ids
            mask[row, : len(encoding)] = 1
        inputs = {"input_ids": ids, "attention_mask": mask, "token_type_ids": np.zeros_like(ids)}
        (hidden,) = self.session.run(None, inputs)
        weights = mask.astype(np.float32)
        return unit(np.einsum("bsh,bs->bh", hidden, weights))


serve(Model)
