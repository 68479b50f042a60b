"""gpt4all of PyPI, run by gpt4all-python.mjs: argv[1] is the job, argv[2] its options as JSON; the answer is the last line of stdout."""

import json
import os
import sys
import time
from importlib.metadata import version

from gpt4all import GPT4All

BATCH = 512


def load(options):
    folder, name = os.path.split(options["model"])
    return GPT4All(
        name,
        model_path=folder,
        allow_download=False,
        device="cpu",
        n_ctx=options["nCtx"],
        n_threads=options["threads"],
    )


def about(options):
    load(options)
    return {"version": version("gpt4all")}


def speed(options):
    """{ firstMs, decode } of each prompt, after the first one once more to warm up."""
    model = load(options)
    runs = []
    for prompt in [options["prompts"][0], *options["prompts"]]:
        times = []

        def on_token(_token, _text):
            times.append(time.perf_counter())
            return True

        started = time.perf_counter()
        greedy = dict(temp=0, top_k=1, top_p=1.0, min_p=0.0, repeat_penalty=1.0)
        model.generate(prompt, max_tokens=options["tokens"], n_batch=BATCH, callback=on_token, **greedy)
        if len(times) != options["tokens"]:
            raise RuntimeError(f"{len(times)} tokens came where {options['tokens']} were asked for")
        decode = (len(times) - 1) / (times[-1] - times[0])
        runs.append({"firstMs": (times[0] - started) * 1000, "decode": decode})
    return runs[1:]


jobs = {"about": about, "speed": speed}
print("\n" + json.dumps(jobs[sys.argv[1]](json.loads(sys.argv[2]))))
