#include "tokenizer.h"

#include <algorithm>
#include <climits>
#include <cstdlib>
#include <cstring>
#include <stdexcept>
#include <utility>

#include "checkpoint.h"
#include "error.h"

namespace gpt4all {

namespace {

// llama.cpp counts bytes and tokens in 32 bits.
constexpr size_t kMostBytes = size_t{1} << 30;

Failure NoToken() {
  return Failure("ERR_DECODE", "the vocabulary has no token for some bytes of the text");
}

// llama.cpp uses at() for bytes, for which some vocabularies have no token.
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

namespace {

// Calls `take` with each piece of the text that is not empty, and with whether the piece is a single
// character between `open` and `close`.
template <typename Take>
void ForEachPiece(const MarkedText& marked, Take&& take) {
  const std::string& text = marked.text;
  const std::string* const marks[] = {&marked.cut, &marked.open, &marked.close};
  size_t next[3];
  for (size_t i = 0; i < 3; i++) next[i] = marks[i]->empty() ? std::string::npos : text.find(*marks[i]);
  const auto is_single = [](const std::string& piece) {
    const auto begins = [](char byte) { return (byte & 0xc0) != 0x80; };  // a character, in UTF-8
    return piece.size() <= 4 && std::count_if(piece.begin(), piece.end(), begins) == 1;
  };
  bool opened = false;
  for (size_t begin = 0;;) {
    const size_t nearest = static_cast<size_t>(std::min_element(next, next + 3) - next);
    const std::string piece = text.substr(begin, next[nearest] - begin);
    if (!piece.empty()) take(piece, opened && marks[nearest] == &marked.close && is_single(piece));
    if (next[nearest] == std::string::npos) return;
    opened = marks[nearest] == &marked.open;
    begin = next[nearest] + marks[nearest]->size();
    next[nearest] = text.find(*marks[nearest], begin);
  }
}

// A vocabulary looks tokens up by their text even if special ones are not parsed. A character that is also a
// control token is spelled by its bytes, or left out where these have no tokens.
std::vector<llama_token> WithoutControl(const llama_vocab* vocab, const ByteTokens& bytes,
                                        const std::string& character, std::vector<llama_token>&& tokens) {
  const bool has_control = std::any_of(tokens.begin(), tokens.end(), [vocab](llama_token token) {
    return (llama_vocab_get_attr(vocab, token) & (LLAMA_TOKEN_ATTR_CONTROL | LLAMA_TOKEN_ATTR_UNKNOWN)) != 0;
  });
  if (!has_control) return std::move(tokens);
  std::vector<llama_token> spelled;
  for (const char byte : character) spelled.push_back(bytes[static_cast<uint8_t>(byte)]);
  return std::count(spelled.begin(), spelled.end(), -1) == 0 ? spelled : std::vector<llama_token>();
}

}  // namespace

ByteTokens FindByteTokens(const llama_vocab* vocab) {
  ByteTokens bytes;
  bytes.fill(-1);
  constexpr size_t kLongestSpelling = 4;  // \xe4
  const enum llama_vocab_type type = llama_vocab_type(vocab);
  const bool spells = type == LLAMA_VOCAB_TYPE_BPE || type == LLAMA_VOCAB_TYPE_RWKV;
  const int wanted = LLAMA_TOKEN_ATTR_BYTE | (spells ? LLAMA_TOKEN_ATTR_NORMAL : 0);
  for (llama_token token = 0; token < llama_vocab_n_tokens(vocab); token++) {
    const int attributes = llama_vocab_get_attr(vocab, token);
    const bool is_long = spells && std::strlen(llama_vocab_get_text(vocab, token)) > kLongestSpelling;
    if ((attributes & wanted) == 0 || is_long) continue;
    const std::string byte = TokenBytes(vocab, token, true);
    if (byte.size() == 1) bytes[static_cast<uint8_t>(byte[0])] = token;
  }
  return bytes;
}

std::vector<llama_token> Tokenize(const llama_vocab* vocab, const ByteTokens& bytes,
                                  const MarkedText& marked) {
  std::vector<llama_token> tokens;
  bool begins = marked.begins;
  const size_t known = marked.anchor.empty() ? 0 : Tokenize(vocab, marked.anchor, false, false).size();
  ForEachPiece(marked, [&](const std::string& piece, bool literal) {
    Checkpoint();
    if (begins && literal) {
      tokens = Tokenize(vocab, std::string(), marked.add_special, false);
      begins = false;
    }
    const bool parse = marked.parse_special && !literal;
    auto added = begins ? Tokenize(vocab, piece, marked.add_special, parse)
                        : Tokenize(vocab, marked.anchor + piece, false, parse);
    const size_t skipped = begins ? 0 : std::min(known, added.size());
    added.erase(added.begin(), added.begin() + static_cast<ptrdiff_t>(skipped));
    if (literal) added = WithoutControl(vocab, bytes, piece, std::move(added));
    tokens.insert(tokens.end(), added.begin(), added.end());
    begins = false;
  });
  // An empty text has start and end tokens as well.
  return begins ? Tokenize(vocab, std::string(), marked.add_special, false) : tokens;
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
