"""The tokenizer: byte-level BPE with single digits, as llama.cpp's "gpt-2" reads it."""

from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

END_OF_TEXT, TURN_START, TURN_END = "<|endoftext|>", "<|im_start|>", "<|im_end|>"
SPECIAL_TOKENS = [END_OF_TEXT, TURN_START, TURN_END]
END_OF_TEXT_ID, TURN_START_ID, TURN_END_ID = 0, 1, 2


def train_tokenizer(texts, size: int) -> Tokenizer:
    """Learn merges from `texts`.

    While learning, digits are split off, so no merge contains one. Afterwards the
    splitting is exactly that of llama.cpp, which needs no rule for digits then.
    """
    tokenizer = Tokenizer(models.BPE())
    byte_level = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Digits(individual_digits=True), byte_level]
    )
    trainer = trainers.BpeTrainer(
        vocab_size=size,
        special_tokens=SPECIAL_TOKENS,
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        min_frequency=3,
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    tokenizer.pre_tokenizer = byte_level
    tokenizer.decoder = decoders.ByteLevel()
    if tokenizer.get_vocab_size() != size:
        raise ValueError(f"the text gave only {tokenizer.get_vocab_size()} of {size} tokens")
    return tokenizer


def printable_pieces(tokenizer: Tokenizer) -> list[str]:
    """The texts of all tokens that are plain printable ASCII."""
    count = tokenizer.get_vocab_size()
    pieces = (tokenizer.decode([i]) for i in range(len(SPECIAL_TOKENS), count))
    return sorted({p for p in pieces if p.isascii() and p.isprintable() and p.strip()})
