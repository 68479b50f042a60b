#include "marking.h"

#include <utility>

namespace jinja {

namespace {

thread_local const Marking* current = nullptr;

}  // namespace

Marking::Marking(Mark mark, std::u32string marks)
    : mark(std::move(mark)), marks_(std::move(marks)), outer_(std::exchange(current, this)) {
}

Marking::~Marking() {
  current = outer_;
}

bool Marking::IsMark(char32_t character) {
  return current != nullptr && current->marks_.find(character) != std::u32string::npos;
}

const Marking* Marking::Current() {
  return current;
}

}  // namespace jinja
