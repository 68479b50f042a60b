// Texts to tokens and back: first the vocabulary and whether control tokens are read, then the text.
#include "tokenizer.h"

#include <iterator>

#include "target.h"

namespace {

constexpr const char* kVocabularies[] = {"bert-bge",   "command-r",    "deepseek-coder", "deepseek-llm", "falcon",
                                         "gpt-2",      "gpt-neox",     "llama-bpe",      "llama-spm",    "mpt",
                                         "phi-3",      "qwen2",        "refact",         "starcoder"};
constexpr size_t kMostText = 4096;

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
  const std::string text(data + 2, data + size);
  const std::vector<llama_token> tokens = gpt4all::Tokenize(vocab, text, (data[1] & 2) != 0, (data[1] & 1) != 0);
  for (const llama_token token : tokens) {
    if (token < 0 || token >= llama_vocab_n_tokens(vocab)) Fault("a token that there is not");
    gpt4all::TokenBytes(vocab, token, true);
  }
  gpt4all::Detokenize(vocab, tokens, (data[1] & 4) != 0);
  return 0;
}
