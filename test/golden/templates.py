"""Renders llama.cpp's collection of chat templates with Jinja2, as Hugging Face transformers does, to templates.json.

    pip install jinja2==3.1.6
    python3 test/golden/templates.py

llama.cpp gives templates other variables than transformers: always enable_thinking and today's date, and no tools
where transformers gives None. Where one of these changes a text, that text is recorded too, under its name in GIVEN.
"""

import json
from datetime import datetime
from pathlib import Path

from jinja2_as_transformers import environment

HERE = Path(__file__).parent
TEMPLATES = HERE.parents[1] / "vendor" / "llama.cpp" / "models" / "templates"

MESSAGES = [
    {"role": "system", "content": "You are terse."},
    {"role": "user", "content": "Hello"},
    {"role": "assistant", "content": "Hi, how can I help?"},
    {"role": "user", "content": "What is 2 plus 3?"},
]

#: A day that no template names, so that today's can be told from a template's own.
TODAY = datetime(2003, 2, 1)

#: What transformers hands to every template; start and end token are those of the embedded model.
VARIABLES = {
    "messages": MESSAGES,
    "tools": None,
    "documents": None,
    "add_generation_prompt": True,
    "bos_token": "<|endoftext|>",
    "eos_token": "<|im_end|>",
}

#: What llama.cpp gives instead, one difference at a time.
GIVEN = {
    "thinking": VARIABLES | {"enable_thinking": True},
    "dated": VARIABLES | {"date_string": f"{TODAY:%d %b %Y}"},
    "toolless": {name: value for name, value in VARIABLES.items() if name != "tools"},
    # What is undefined can be added to a string there, as nothing.
    "functionless": VARIABLES | {"functions": "", "datetime": f"{TODAY:%b %d %Y}"},
}


def render(source: str, variables: dict) -> dict[str, str]:
    try:
        return {"text": environment(TODAY.strftime).from_string(source).render(variables)}
    except Exception as error:  # a template may fail in any way
        return {"error": f"{type(error).__name__}: {error}"}


def record(source: str) -> dict[str, str]:
    plain = render(source, VARIABLES)
    others = {name: render(source, variables).get("text") for name, variables in GIVEN.items()}
    return plain | {name: text for name, text in others.items() if text not in (None, plain.get("text"))}


if __name__ == "__main__":
    records = {file.name: record(file.read_text(encoding="utf-8")) for file in TEMPLATES.glob("*.jinja")}
    golden = json.dumps(records, ensure_ascii=False, indent=2, sort_keys=True)
    (HERE / "templates.json").write_text(golden + "\n", encoding="utf-8")
