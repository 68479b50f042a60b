// The texts that users must not forge: where they come about in a text with a part that users wrote, marks
// are put into it, and what stands apart by marks is tokenized apart.
#pragma once

#include <bitset>
#include <optional>
#include <string>
#include <vector>

#include "jinja/mixed-text.h"
#include "text-set.h"

namespace gpt4all {

// Of UTF-16 units.
struct UnitRange {
  size_t begin, end;
};

// `cut` breaks a text; a character between `open` and `close` is no control token.
struct Marks {
  std::u16string cut, open, close;
};

// The text again.
std::string WithoutMarks(const std::string& text, const Marks& marks);

// With U+FFFD for halves of characters, as JavaScript makes UTF-8 of it.
std::u16string WellFormed(std::u16string text);

// Does not change: several threads may use one.
class ControlTexts {
 public:
  // `spelled`: they are those of a vocabulary, which may write all bytes in a way of its own.
  ControlTexts(std::vector<std::u16string> texts, bool spelled);

  // The text, which is well formed, with marks: a text that begins with what users wrote is cut behind its
  // first character, one that only goes on so before that, and single characters are put between `open` and
  // `close`. `users` are ascending, apart, and of whole characters.
  std::u16string Marked(const std::u16string& text, const std::vector<UnitRange>& users,
                        const Marks& marks) const;
  std::string Marked(jinja::MixedText mixed, const Marks& marks) const;

  // Which of them occur, by their index, ascending.
  std::vector<uint32_t> Occurring(const std::u16string& text) const { return texts_->Occurring(text); }

 private:
  // Calls `put` with each place, ascending, and the mark that belongs there.
  template <typename Put>
  void PutMarks(const std::u16string& text, const std::vector<UnitRange>& users, const Marks& marks,
                const Put& put) const;

  std::optional<TextSet> texts_;
  // Of texts that are no characters but parts of such, in vocabularies of bytes: a character with one of them
  // may become such a text.
  std::bitset<256> partial_bytes_;
};

}  // namespace gpt4all
