// What went wrong, off the JavaScript thread too; error.h makes a JavaScript error of it. No N-API.
#pragma once

#include <stdexcept>
#include <string>

namespace gpt4all {

class Failure : public std::runtime_error {
 public:
  Failure(const char* code, const std::string& message) : std::runtime_error(message), code_(code) {}
  const char* code() const { return code_; }

 private:
  const char* code_;  // a string literal
};

}  // namespace gpt4all
