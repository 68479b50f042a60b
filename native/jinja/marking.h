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
  using Mark = std::function<std::string(MixedText)>;

  explicit Marking(Mark mark);
  ~Marking();
  Marking(const Marking&) = delete;
  Marking& operator=(const Marking&) = delete;

  // Null where nothing is marked.
  static const Marking* Current();

  const Mark mark;

 private:
  const Marking* const outer_;
};

}  // namespace jinja
