// The rules for the strings of one GGUF array, checked while they stream past in windows; none of them is
// kept. Plain computation on a stranger's bytes, no N-API.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace gpt4all {

// A set of byte strings that keeps 64 bits of each. The chance that two different ones of 256,000 share them
// is one in 500 million.
class Fingerprints {
 public:
  // Makes room for `more` strings; to be called before they are added.
  void Reserve(size_t more);
  // Returns false if the set has these bytes already.
  bool Add(const uint8_t* bytes, size_t length);

 private:
  // The place of `fingerprint`, or the free one where it belongs.
  uint64_t& Slot(uint64_t fingerprint);

  std::vector<uint64_t> slots_;  // open addressing; 0 = free
  size_t used_ = 0;
};

class StringRules {
 public:
  enum class Rule { kDistinct, kPairs };

  StringRules(Rule rule, uint64_t count, uint64_t max_bytes)
      : rule_(rule), count_(count), max_bytes_(max_bytes) {}

  struct Scanned {
    size_t bytes;         // of the window: those that were taken
    const char* problem;  // of the next string; nullptr = nothing
  };
  // NativeStringScan.scan() of src/native/contract.ts.
  Scanned Scan(const uint8_t* window, size_t size);
  // The index of the next string.
  uint64_t index() const { return index_; }

 private:
  // What is wrong with a string; nullptr = nothing.
  const char* Problem(const uint8_t* bytes, size_t length);

  Rule rule_;
  uint64_t count_;
  uint64_t max_bytes_;
  uint64_t index_ = 0;
  Fingerprints seen_;
};

}  // namespace gpt4all
