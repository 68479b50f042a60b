#include "hash.h"

#include <cstring>
#include <random>

namespace jinja {

namespace {

struct Key {
  uint64_t first, second;
};

const Key& ProcessKey() {
  static const Key key = [] {
    std::random_device device;
    const auto draw = [&device] { return (static_cast<uint64_t>(device()) << 32) | device(); };
    return Key{draw(), draw()};
  }();
  return key;
}

uint64_t Rotate(uint64_t bits, int by) {
  return (bits << by) | (bits >> (64 - by));
}

// SipHash-1-3, which is made for this: without the key, texts of the same hash cannot be found.
class SipHash {
 public:
  explicit SipHash(const Key& key)
      : a_(key.first ^ 0x736f6d6570736575),
        b_(key.second ^ 0x646f72616e646f6d),
        c_(key.first ^ 0x6c7967656e657261),
        d_(key.second ^ 0x7465646279746573) {}

  void Add(uint64_t word) {
    d_ ^= word;
    Round();
    a_ ^= word;
  }

  uint64_t Finish() {
    c_ ^= 0xff;
    for (int i = 0; i < 3; i++) Round();
    return a_ ^ b_ ^ c_ ^ d_;
  }

 private:
  void Round() {
    a_ += b_;
    b_ = Rotate(b_, 13) ^ a_;
    a_ = Rotate(a_, 32);
    c_ += d_;
    d_ = Rotate(d_, 16) ^ c_;
    a_ += d_;
    d_ = Rotate(d_, 21) ^ a_;
    c_ += b_;
    b_ = Rotate(b_, 17) ^ c_;
    c_ = Rotate(c_, 32);
  }

  uint64_t a_, b_, c_, d_;
};

}  // namespace

size_t HashInteger(int64_t number) {
  SipHash hash(ProcessKey());
  hash.Add(static_cast<uint64_t>(number));
  return static_cast<size_t>(hash.Finish());
}

size_t HashText(std::string_view text) {
  SipHash hash(ProcessKey());
  for (; text.size() >= 8; text.remove_prefix(8)) {
    uint64_t word = 0;
    std::memcpy(&word, text.data(), 8);
    hash.Add(word);
  }
  uint64_t rest = 0;
  if (!text.empty()) std::memcpy(&rest, text.data(), text.size());
  hash.Add(rest | (static_cast<uint64_t>(text.size() + 8) << 56));
  return static_cast<size_t>(hash.Finish());
}

}  // namespace jinja
