#include "marking.h"

#include <utility>

namespace jinja {

namespace {

thread_local const Marking* current = nullptr;

}  // namespace

Marking::Marking(Mark mark) : mark(std::move(mark)), outer_(std::exchange(current, this)) {
}

Marking::~Marking() {
  current = outer_;
}

const Marking* Marking::Current() {
  return current;
}

}  // namespace jinja
