"""gpt4all's Embed4All: see serve.py."""

import os
from importlib.metadata import version

from gpt4all import Embed4All
from serve import serve


class Model:
    version = version("gpt4all")

    def __init__(self, options):
        folder, name = os.path.split(options["gguf"])
        self.embedder = Embed4All(
            name,
            model_path=folder,
            allow_download=False,
            device="cpu",
            n_ctx=options["batch"],  # its batches have as many tokens
            n_threads=options["threads"],
        )

    def embed(self, texts):
        return self.embedder.embed(texts)

    embed_long = embed  # chunks and means are its own


serve(Model)
