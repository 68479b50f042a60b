// How vocabularies write the bytes of their tokens.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace gpt4all {

// As they are, by GPT-2's characters, or escaped as RWKV does.
enum class Spelling { kPlain, kCharacters, kEscapes };

// The bytes that the text of a token stands for; empty where that is plain, or has characters that stand for
// none.
std::vector<uint8_t> BytesOf(const std::u16string& text, Spelling spelling);

}  // namespace gpt4all
