// Marks the parts of a rendered text that users wrote.
#pragma once

#include <functional>
#include <string>

#include "mixed-text.h"

namespace jinja {

// While a Marking exists, templates on its thread distinguish what users wrote from their own text, and
// `mark` turns what they render into what the caller needs.
class Marking {
 public:
  using Mark = std::function<std::string(const MixedText&)>;

  // `marks` are characters that the caller may have put into users' texts: they stay as they are where others
  // are escaped.
  Marking(Mark mark, std::u32string marks);
  ~Marking();
  Marking(const Marking&) = delete;
  Marking& operator=(const Marking&) = delete;

  // Null if nothing is marked.
  static const Marking* Current();

  // Whether `character` is one of the marks of this thread.
  static bool IsMark(char32_t character);

  const Mark mark;

 private:
  const std::u32string marks_;
  const Marking* const outer_;
};

}  // namespace jinja
