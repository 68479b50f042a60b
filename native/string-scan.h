// StringScan: checks the strings of one GGUF array while they stream past in windows, and keeps none of them.
// There may be 256,000 tokens and as many merges: JavaScript that V8 has not compiled yet would take a fifth
// of the time in which llama.cpp opens a small model.
#pragma once

#include <napi.h>

#include <cstddef>
#include <cstdint>
#include <vector>

namespace gpt4all {

// A set of byte strings that keeps 64 bits of each. That two different ones of 256,000 share them has a
// chance of one in 500 million.
class Fingerprints {
 public:
  // Makes room for as many more; it must be made before they are added.
  void Reserve(size_t more);
  // False where these bytes are in it already.
  bool Add(const uint8_t* bytes, size_t length);

 private:
  // Where `fingerprint` is, or belongs.
  uint64_t& Slot(uint64_t fingerprint);

  std::vector<uint64_t> slots_;  // open addressing; 0 = free
  size_t used_ = 0;
};

class StringScan : public Napi::ObjectWrap<StringScan> {
 public:
  static Napi::Function Init(Napi::Env env);

  explicit StringScan(const Napi::CallbackInfo& info);

 private:
  Napi::Value Scan(const Napi::CallbackInfo& info);
  // What is wrong with a string; nullptr = nothing.
  const char* Problem(const uint8_t* bytes, size_t length);

  bool pairs_ = false;  // else distinct
  uint64_t count_ = 0;
  uint64_t max_bytes_ = 0;
  uint64_t index_ = 0;  // of the next string
  Fingerprints seen_;
};

}  // namespace gpt4all
