// Text to tokens and back, as llama.cpp's vocabularies do it. Any thread: they are read-only after loading.
#pragma once

#include <array>
#include <string>
#include <vector>

#include "llama.h"

namespace gpt4all {

std::vector<llama_token> Tokenize(const llama_vocab* vocab, const std::string& text, bool add_special,
                                  bool parse_special);

// The tokens that stand for single bytes, where the vocabulary has such; else -1.
using ByteTokens = std::array<llama_token, 256>;

ByteTokens FindByteTokens(const llama_vocab* vocab);

// A text that marks cut into pieces, each tokenized by itself.
struct MarkedText {
  std::string text;
  std::string cut, open, close;  // the marks; empty = none
  bool begins;                   // whether its first piece begins a text, or follows another one
  bool add_special;    // whether a piece that begins a text gets the vocabulary's own start and end tokens
  bool parse_special;  // except single characters between `open` and `close`
  // A vocabulary may take the space before a text for a part of it: pieces after the first are tokenized
  // after this anchor, whose tokens are left out.
  std::string anchor;
};

std::vector<llama_token> Tokenize(const llama_vocab* vocab, const ByteTokens& bytes,
                                  const MarkedText& marked);

std::string Detokenize(const llama_vocab* vocab, const std::vector<llama_token>& tokens, bool special);

// Raw bytes; a token may hold a part of a UTF-8 character.
std::string TokenBytes(const llama_vocab* vocab, llama_token token, bool special);

}  // namespace gpt4all
