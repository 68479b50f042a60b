#include "tokenizer.h"

#include <algorithm>
#include <climits>
#include <cstdlib>
#include <stdexcept>

#include "checkpoint.h"
#include "error.h"

namespace gpt4all {

namespace {

// llama.cpp counts bytes and tokens in 32 bits.
constexpr size_t kMostBytes = size_t{1} << 30;

Failure NoToken() {
  return Failure("ERR_DECODE", "the vocabulary has no token for some bytes of the text");
}

// llama.cpp looks bytes up that some vocabularies have no token for, with at().
template <typename Work>
auto WithinVocabulary(Work&& work) {
  try {
    return work();
  } catch (const std::out_of_range&) {
    throw NoToken();
  }
}

}  // namespace

std::vector<llama_token> Tokenize(const llama_vocab* vocab, const std::string& text, bool add_special,
                                  bool parse_special) {
  if (text.size() > kMostBytes) throw Failure("ERR_ARGUMENT", "text of more than 1 GiB");
  const auto length = static_cast<int32_t>(text.size());
  std::vector<llama_token> tokens(text.size() + 4);  // at most one token per byte, and the special ones
  const auto fill = [&] {
    return WithinVocabulary([&] {
      return llama_tokenize(vocab, text.data(), length, tokens.data(), static_cast<int32_t>(tokens.size()),
                            add_special, parse_special);
    });
  };
  int32_t count = fill();
  if (count < 0 && count != INT32_MIN) {  // -count are needed
    tokens.resize(static_cast<size_t>(-count));
    count = fill();
  }
  if (count < 0) throw Failure("ERR_ARGUMENT", "llama.cpp could not tokenize the text");
  tokens.resize(static_cast<size_t>(count));
  // The unknown token, of a vocabulary that has none.
  if (std::any_of(tokens.begin(), tokens.end(), [](llama_token token) { return token < 0; })) throw NoToken();
  return tokens;
}

std::vector<llama_token> Tokenize(const llama_vocab* vocab, const TextPieces& pieces) {
  std::vector<llama_token> tokens;
  for (size_t i = 0; i < pieces.pieces.size(); i++) {
    Checkpoint();
    const auto& [text, parse_special] = pieces.pieces[i];
    const bool begins = i == 0 && pieces.begins;
    const std::string& anchor = begins ? std::string() : pieces.anchor;
    const size_t known = anchor.empty() ? 0 : Tokenize(vocab, anchor, false, parse_special).size();
    const std::vector<llama_token> added =
        Tokenize(vocab, anchor + text, begins && pieces.add_special, parse_special);
    if (added.size() > known)
      tokens.insert(tokens.end(), added.begin() + static_cast<ptrdiff_t>(known), added.end());
  }
  return tokens;
}

std::string Detokenize(const llama_vocab* vocab, const std::vector<llama_token>& tokens, bool special) {
  // llama_detokenize() counts in 32 bits.
  size_t bytes = 16;
  for (size_t i = 0; i < tokens.size(); i++) {
    if (i % 4096 == 0) Checkpoint();
    bytes += static_cast<size_t>(std::abs(llama_token_to_piece(vocab, tokens[i], nullptr, 0, 0, special)));
    if (bytes > kMostBytes) throw Failure("ERR_ARGUMENT", "text of more than 1 GiB");
  }
  std::string text(bytes, '\0');
  const int32_t length = WithinVocabulary([&] {
    return llama_detokenize(vocab, tokens.data(), static_cast<int32_t>(tokens.size()), text.data(),
                            static_cast<int32_t>(text.size()), false, special);
  });
  if (length < 0) throw Failure("ERR_DECODE", "llama.cpp could not write the tokens out");
  text.resize(static_cast<size_t>(length));
  return text;
}

std::string TokenBytes(const llama_vocab* vocab, llama_token token, bool special) {
  std::string piece(32, '\0');
  const auto fill = [&] {
    return WithinVocabulary([&] {
      return llama_token_to_piece(vocab, token, piece.data(), static_cast<int32_t>(piece.size()), 0, special);
    });
  };
  int32_t length = fill();
  if (length < 0) {
    piece.resize(static_cast<size_t>(-length));
    length = fill();
  }
  piece.resize(static_cast<size_t>(std::max(0, length)));
  return piece;
}

}  // namespace gpt4all
