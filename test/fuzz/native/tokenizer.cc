// Texts to tokens and back: first the vocabulary and whether control tokens are read, then the text.
#include "tokenizer.h"

#include <iterator>

#include "target.h"

namespace {

constexpr const char* kVocabularies[] = {"bert-bge",   "command-r",    "deepseek-coder", "deepseek-llm", "falcon",
                                         "gpt-2",      "gpt-neox",     "llama-bpe",      "llama-spm",    "mpt",
                                         "phi-3",      "qwen2",        "refact",         "starcoder"};
constexpr size_t kMostText = 4096;

// The bytes of the character that begins there; 0 where none does.
size_t Character(const uint8_t* bytes, size_t left) {
  const uint8_t first = bytes[0];
  const size_t length = first < 0x80 ? 1 : first < 0xc2 ? 0 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : first < 0xf5 ? 4 : 0;
  if (length == 0 || length > left) return 0;
  for (size_t i = 1; i < length; i++) {
    if ((bytes[i] & 0xc0) != 0x80) return 0;
  }
  const bool is_long = (first == 0xe0 && bytes[1] < 0xa0) || (first == 0xf0 && bytes[1] < 0x90);
  const bool is_none = (first == 0xed && bytes[1] >= 0xa0) || (first == 0xf4 && bytes[1] >= 0x90);
  return is_long || is_none ? 0 : length;
}

// As texts come from JavaScript: what is no UTF-8 becomes U+FFFD.
std::string Text(const uint8_t* bytes, size_t size) {
  std::string text;
  for (size_t at = 0; at < size;) {
    const size_t length = Character(bytes + at, size - at);
    if (length == 0) {
      text += "\xef\xbf\xbd";
    } else {
      text.append(reinterpret_cast<const char*>(bytes + at), length);
    }
    at += length == 0 ? 1 : length;
  }
  return text;
}

}  // namespace

std::vector<std::string> Seeds() {
  std::vector<std::string> seeds;
  const std::string text =
      "Hello, world's 3.14 tests!\n\n\t \xc3\xa4\xe4\xbd\xa0\xe5\xa5\xbd\xf0\x9f\x98\x80 <|im_start|><s> aaaaaaaa";
  for (size_t i = 0; i < std::size(kVocabularies); i++) seeds.push_back(static_cast<char>(i) + ("\1" + text));
  return seeds;
}

int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size < 2 || size > kMostText) return 0;
  const llama_vocab* vocab = Vocabulary(kVocabularies[data[0] % std::size(kVocabularies)]);
  const std::string text = Text(data + 2, size - 2);
  const std::vector<llama_token> tokens = gpt4all::Tokenize(vocab, text, (data[1] & 2) != 0, (data[1] & 1) != 0);
  for (const llama_token token : tokens) {
    if (token < 0 || token >= llama_vocab_n_tokens(vocab)) Fault("a token that there is not");
    gpt4all::TokenBytes(vocab, token, true);
  }
  gpt4all::Detokenize(vocab, tokens, (data[1] & 4) != 0);
  return 0;
}
