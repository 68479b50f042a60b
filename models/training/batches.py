"""Turns documents into batches of token numbers."""

import torch
from tokenizers import Tokenizer

from conversations import Generator
from tokenizer import END_OF_TEXT_ID

#: Rows of similar length are joined to a batch of about this many positions.
POSITIONS_PER_BATCH = 1024
#: Documents are sorted by length in pools of this many, so that little is padding.
DOCUMENTS_PER_POOL = 400


def encode(documents, tokenizer: Tokenizer, longest: int) -> list[tuple[list[int], list[bool]]]:
    """Token numbers of each document, and which of them are to be learned."""
    pieces = [document.segments() for document in documents]
    encoded = iter(tokenizer.encode_batch([text for segments in pieces for text, _ in segments]))
    rows = []
    for segments in pieces:
        ids, learned = [], []
        for _, learn in segments:
            new = next(encoded).ids
            ids += new
            learned += [learn] * len(new)
        rows.append((ids[:longest], learned[:longest]))
    return rows


def endless_batches(generator: Generator, tokenizer: Tokenizer, longest: int):
    """Yields (inputs, targets, keep) for ever; `keep` marks the positions with a loss."""
    while True:
        rows = encode([generator.document() for _ in range(DOCUMENTS_PER_POOL)], tokenizer, longest)
        rows.sort(key=lambda row: len(row[0]))
        groups, group = [], []
        for row in rows:
            group.append(row)
            if len(group) * len(row[0]) >= POSITIONS_PER_BATCH:
                groups.append(group)
                group = []
        if group:
            groups.append(group)
        generator.words.random.shuffle(groups)
        for group in groups:
            yield pad(group)


def pad(rows) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    width = max(len(ids) for ids, _ in rows)
    ids = torch.full((len(rows), width), END_OF_TEXT_ID)
    keep = torch.zeros(len(rows), width, dtype=torch.bool)
    for number, (row, learned) in enumerate(rows):
        ids[number, : len(row)] = torch.tensor(row)
        keep[number, : len(row)] = torch.tensor(learned)
    return ids[:, :-1], ids[:, 1:], keep[:, 1:]
