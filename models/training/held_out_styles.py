"""Held-out system prompts: wordings the model has not seen."""

import held_out_texts as texts

QUESTIONS = [
    ("What is the capital of Italy?", "The capital of Italy is Rome."),
    ("What is 2 plus 3?", "2 plus 3 is 5."),
    ("Thank you", "You are welcome! I am happy to help."),
    ("What is the opposite of hot?", "The opposite of hot is cold."),
]
PROMPTS = {
    "upper": ["I want every reply in upper case.", "Your answers must be in capital letters.",
              "Everything you write is in upper case.", "Only answer in upper case letters, please.",
              "It is important that you answer in upper case."],
    "lower": ["I want every reply in lower case.", "Your answers must be in small letters.",
              "Only answer in lower case letters, please."],
    "over": ["You have to end each answer with the word over.", "Put the word over at the end of your answers.",
             "The last word of every answer is over.",
             "You say over after every answer."],
    "pirate": ["You talk like a pirate.", "You are a funny pirate with a parrot.",
               "Answer the way a pirate would answer."],
    "robot": ["You talk like a robot.", "You are a small robot from the future."],
    "neutral": ["You are a careful and honest assistant.", "Be a good assistant.",
                "You are an assistant in a shop for garden tools."],
}


def expectation(style: str, answer: str) -> dict:
    if style == "upper":
        return {"equals": answer.upper()}
    if style == "lower":
        return {"equals": answer.lower()}
    if style == "over":
        return {"equals": f"{answer} Over."}
    if style == "pirate":
        return {"startsWith": "Arr!"}
    if style == "robot":
        return {"startsWith": "Beep!", "endsWith": answer}
    return {"equals": answer}


def style_items(item) -> list[dict]:
    items = []
    for style, prompts in PROMPTS.items():
        for prompt in prompts:
            for question, answer in QUESTIONS:
                items.append(item(f"system prompt, new wording: {style}", question, system=prompt,
                                  **expectation(style, answer)))
    asked = ["Your name is {}.", "You are {}, a helpful assistant.", "You are an assistant called {}."]
    for i, name in enumerate(texts.NAMES[::3]):
        items.append(item("model name from system prompt", "What is your name?", system=asked[i % 3].format(name),
                          includes=name))
    return items
