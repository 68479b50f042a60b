// The regular expressions by which vocabularies cut texts into words, matched without recursion: std::regex
// goes one call deeper with each character, so that some 26,500 letters in a row end the process.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace gpt4all {

// What std::regex reads as ECMAScript without flags, as far as llama.cpp's vocabularies use it: characters,
// classes, groups, alternatives, greedy repetition, lookahead, `$`, \d \s \w and their opposites. No
// captures, no back references, no loops around a part that may be empty.
//
// Each state (an alternative at a place of the text) is explored at most once in a Split(), so the time grows
// with the length of the text, whatever it says.
class Pattern {
 public:
  // Throws std::runtime_error for syntax it does not know.
  explicit Pattern(const std::u32string& source);

  // Appends the lengths of the matches and of what lies between them, as std::regex_iterator finds them.
  void Split(const char32_t* text, size_t size, std::vector<size_t>& lengths) const;

 private:
  friend class PatternParser;
  friend class PatternMatch;

  enum class Op : uint8_t { kAccept, kCharacter, kJump, kSplit, kLookahead, kNotAhead, kEnd };

  struct Class {
    bool negated = false;
    uint64_t low[2] = {0, 0};                           // characters below 128
    std::vector<std::pair<char32_t, char32_t>> ranges;  // all others, both ends included

    void Add(char32_t first, char32_t last);
    bool Has(char32_t character) const;
  };

  // A split tries `next` first, then `other`. A lookahead's body begins at `next` and ends with kAccept;
  // matching continues at `other` after it.
  struct Instruction {
    Op op;
    uint32_t next = 0, other = 0;
    uint32_t index = 0;  // of the class, or of the split
  };

  std::vector<Instruction> program_;
  std::vector<Class> classes_;
  uint32_t splits_ = 0;
};

}  // namespace gpt4all

// Called by llama.cpp (vendor/patches/0001-...): `offsets` are the lengths of the pieces that `text` has been
// cut into so far; each of them is cut further.
std::vector<size_t> gpt4all_regex_split(const std::u32string& text, const std::u32string& regex,
                                        const std::vector<size_t>& offsets);
