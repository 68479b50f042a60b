// What becomes of the parts of a rendered text that users wrote.
#pragma once

#include <functional>
#include <string>

#include "mixed-text.h"

namespace jinja {

// While one lives, templates on its thread tell what users wrote from what is their own, and `mark` makes of
// what they render whatever whoever renders them needs.
class Marking {
 public:
  using Mark = std::function<std::string(const MixedText&)>;

  // `marks` are characters that users' texts may hold already, put there by whoever renders: they stay what
  // they are where others are escaped.
  Marking(Mark mark, std::u32string marks);
  ~Marking();
  Marking(const Marking&) = delete;
  Marking& operator=(const Marking&) = delete;

  // Null where nothing is marked.
  static const Marking* Current();

  // Whether it is one of the marks of this thread.
  static bool IsMark(char32_t character);

  const Mark mark;

 private:
  const std::u32string marks_;
  const Marking* const outer_;
};

}  // namespace jinja
