"""Chat templates as Hugging Face transformers renders them: Python's Jinja2 is the judge of native/jinja.

    pip install jinja2==3.1.6
    python3 test/golden/jinja/oracle.py --golden                 # writes test/golden/jinja.json
    python3 test/golden/jinja/oracle.py --count 5000 --seed 1    # a line of JSON for each template, for the campaign
"""

import argparse
import json
import random
import re
import signal
import sys
from datetime import datetime
from pathlib import Path

from generator import Generator, Mutator, context

HERE = Path(__file__).parent
sys.path.append(str(HERE.parent))
from jinja2_as_transformers import environment  # noqa: E402

VENDORED = HERE.parents[2] / "vendor" / "llama.cpp" / "models" / "templates"

#: Most attempts at a template that renders; a few that fail are kept.
ATTEMPTS, KEPT_FAILURES = 15, 0.08

#: What the addon gives every template beside the messages; what changes from day to day these set themselves, as they do
#: the messages.
DATES = {"date_string": "26 Jul 2024", "datetime": "Jul 26 2024"}
GIVEN = {"bos_token": "<s>", "eos_token": "</s>", "add_generation_prompt": True, "enable_thinking": True}


JINJA = environment(datetime.now().strftime)


class Timeout(Exception):
    pass


def interrupt(*_):
    raise Timeout


def render(source: str) -> dict:
    """The text, or the error; neither where there is nothing to compare with."""
    signal.setitimer(signal.ITIMER_REAL, 5)
    try:
        text = JINJA.from_string(source).render(GIVEN)
    except (Timeout, RecursionError, MemoryError):
        return {}
    except Exception as error:  # a template may fail in any way
        return {"error": f"{type(error).__name__}: {error}"}
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
    # Addresses of objects, and halves of characters.
    if re.search(r" at 0x[0-9a-f]+", text) or re.search("[\ud800-\udfff]", text):
        return {}
    return {"text": text}


def literal(value) -> str:
    """A value as templates write it."""
    if value is None or isinstance(value, bool):
        return {None: "none", True: "true", False: "false"}[value]
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False)
    if isinstance(value, list):
        return "[" + ", ".join(map(literal, value)) + "]"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{literal(k)}: {literal(v)}" for k, v in value.items()) + "}"
    return repr(value)


def whole(template: str, variables: dict) -> str:
    """A template that sets what it is given itself, so that its text is all there is to it."""
    sets = "".join(f"{{%- set {name} = {literal(value)} -%}}" for name, value in variables.items())
    return sets + template


def cases(count: int, seed: str):
    sources = [file.read_text(encoding="utf-8") for file in sorted(VENDORED.glob("*.jinja"))]
    sources += json.loads((HERE / "catalog-templates.json").read_text(encoding="utf-8")).values()
    mutator = Mutator(sources)
    made = 0
    while made < count:
        rng = random.Random(f"{seed}-{made}")
        made += 1
        for _ in range(ATTEMPTS):
            template = Generator(rng).template() if made % 2 else mutator.mutate(rng)
            variables = {name: value for name, value in context(rng).items() if name not in GIVEN}
            case = {"source": whole(template, variables | DATES)}
            case |= render(case["source"])
            if "text" in case or rng.random() < KEPT_FAILURES:
                break
        yield made - 1, case


def golden() -> list:
    """Few and short ones."""
    kept = []
    for _, case in cases(2000, "golden"):
        is_timeless = "strftime_now" not in case["source"]
        if len(case["source"]) < 2600 and len(case) > 1 and is_timeless and len(kept) < 240:
            kept.append(case)
    return kept


if __name__ == "__main__":
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--golden", action="store_true")
    arguments.add_argument("--count", type=int, default=5000)
    arguments.add_argument("--seed", default="1")
    options = arguments.parse_args()
    signal.signal(signal.SIGALRM, interrupt)
    if options.golden:
        lines = ",\n".join(json.dumps(case, ensure_ascii=True) for case in golden())
        (HERE.parent / "jinja.json").write_text(f"[\n{lines}\n]\n", encoding="utf-8")
    else:
        for number, case in cases(options.count, options.seed):
            sys.stdout.write(json.dumps({"number": number} | case) + "\n")
