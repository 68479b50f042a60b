"""One call of Embed4All with all that comes of it: vectors, counts, warnings, or the error."""

import warnings

from gpt4all import Embed4All

from vectors import packed


def called(embedder: Embed4All, text, cancel: bool | None = None, **options) -> dict:
    """`cancel`: what the cancel callback answers."""
    asked = []

    def on_batches(sizes: list[int], backend: str) -> bool:
        asked.append({"sizes": sizes, "backend": backend})
        return cancel

    call = {"text": text, **options, **({} if cancel is None else {"cancel": cancel})}
    callback = {} if cancel is None else {"cancel_cb": on_batches}
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            result = embedder.embed(text, return_dict=True, **options, **callback)
            vectors = result["embeddings"] if isinstance(text, list) else [result["embeddings"]]
            outcome = {"vectors": [packed(vector) for vector in vectors], "tokens": result["n_prompt_tokens"]}
        except Exception as error:
            outcome = {"error": {"type": type(error).__name__, "message": str(error)}}
    return {
        "call": call,
        **outcome,
        **({"warnings": [str(warning.message) for warning in caught]} if caught else {}),
        **({"batches": asked} if asked else {}),
    }
