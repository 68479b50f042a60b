// The texts that users must not forge: where one comes about in a text with a part that users wrote, marks
// are put into it, and pieces between marks are tokenized apart.
#pragma once

#include <bitset>
#include <optional>
#include <string>
#include <vector>

#include "jinja/mixed-text.h"
#include "spelling.h"
#include "text-set.h"

namespace gpt4all {

// A range of UTF-16 units. An empty one is a place: only texts that span it are looked at.
struct UnitRange {
  size_t begin, end;
};

// `cut` breaks a text; a character between `open` and `close` is no control token. Private-use characters.
struct Marks {
  std::u16string cut, open, close;
};

// Private-use characters that occur in texts.
class PrivateUse {
 public:
  void Add(const std::u16string& text);
  void Add(const std::string& text);
  void Add(const PrivateUse& other) { units_ |= other.units_; }
  bool Has(char16_t unit) const { return units_[unit - kFirst]; }

  static constexpr char16_t kFirst = 0xe000, kLast = 0xf8ff;

 private:
  std::bitset<kLast - kFirst + 1> units_;
};

// Undoes Marked().
std::string WithoutMarks(const std::string& text, const Marks& marks);

// Does not change: several threads may use one.
class ControlTexts {
 public:
  ControlTexts(std::vector<std::u16string> texts, Spelling spelling);

  // Marks that occur neither in these texts nor in those that `used` has seen.
  Marks UnusedMarks(PrivateUse used) const;

  // The text with marks: a control text that begins with what users wrote is cut after its first character,
  // one that users wrote a later part of is cut before that part, and single characters are put between
  // `open` and `close`. `users` are ascending. Throws Failure (ERR_ABORTED).
  std::u16string Marked(std::u16string text, std::vector<UnitRange> users, const Marks& marks) const;
  std::string Marked(const jinja::MixedText& mixed, const Marks& marks) const;

  // The indices of the texts that occur, ascending.
  std::vector<uint32_t> Occurring(const std::u16string& text) const { return texts_->Occurring(text); }

 private:
  // Calls `put` with each place, ascending, and the mark that belongs there.
  template <typename Put>
  void PutMarks(const std::u16string& text, const std::vector<UnitRange>& users, const Marks& marks,
                const Put& put) const;

  std::optional<TextSet> texts_;
  // The bytes of texts that are not whole characters, in vocabularies of bytes: a character with one of them
  // may become part of such a text.
  std::bitset<256> partial_bytes_;
  PrivateUse used_;
};

}  // namespace gpt4all
