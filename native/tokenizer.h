// Text to tokens and back, as llama.cpp's vocabularies do it. Any thread: they are read-only after loading.
#pragma once

#include <string>
#include <vector>

#include "llama.h"

namespace gpt4all {

std::vector<llama_token> Tokenize(const llama_vocab* vocab, const std::string& text, bool add_special,
                                  bool parse_special);

struct TextPiece {
  std::string text;
  bool parse_special;
};

// A text in pieces, each tokenized by itself. Of what begins a text the vocabulary may take a space for a
// part: pieces that stand behind others are tokenized behind `anchor`, whose tokens are left out.
struct TextPieces {
  std::vector<TextPiece> pieces;
  bool begins;       // whether the first piece begins the text
  bool add_special;  // whether it gets the vocabulary's own start and end tokens then
  std::string anchor;
};

std::vector<llama_token> Tokenize(const llama_vocab* vocab, const TextPieces& pieces);

std::string Detokenize(const llama_vocab* vocab, const std::vector<llama_token>& tokens, bool special);

// Raw bytes; a token may hold a part of a UTF-8 character.
std::string TokenBytes(const llama_vocab* vocab, llama_token token, bool special);

}  // namespace gpt4all
