"""How a Python library that embeds is asked: see serve.mjs, whose protocol this is."""

import base64
import json
import os
import sys
import time
from array import array


def serve(open_model):
    """`open_model(options)` gives an object with `version`, `embed(texts)`, and `embed_long(texts)` where it can."""
    # What a library says is no answer.
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    model = None
    for line in sys.stdin:
        asked = json.loads(line)
        if asked["job"] == "open":
            model = open_model(asked)
            answer = {"version": model.version}
        else:
            answer = JOBS[asked["job"]](model, asked)
        answers.write(json.dumps(answer) + "\n")
        answers.flush()


def embed(model, asked):
    texts = asked["texts"]
    started = time.perf_counter()
    vectors = model.embed_long(texts) if asked["long"] else model.embed(texts)
    ms = (time.perf_counter() - started) * 1000
    answer = {"ms": ms}
    if asked["wanted"]:
        answer["vectors"] = [base64.b64encode(array("f", vector).tobytes()).decode() for vector in vectors]
    return answer


def singly(model, asked):
    times = []
    for text in asked["texts"]:
        started = time.perf_counter()
        model.embed([text])
        times.append((time.perf_counter() - started) * 1000)
    return {"times": times}


JOBS = {"embed": embed, "singly": singly}
