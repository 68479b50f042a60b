#include "string-rules.h"

#include <algorithm>
#include <cstring>
#include <random>

namespace gpt4all {

namespace {

constexpr size_t kLengthBytes = 8;

// GGUF is little-endian, as is every platform that this is built for.
uint64_t ReadU64(const uint8_t* bytes) {
  uint64_t value;
  std::memcpy(&value, bytes, sizeof(value));
  return value;
}

// The end of splitmix64; a bijection, so strings of the same length up to 8 bytes never share a fingerprint.
uint64_t Mix(uint64_t x) {
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9;
  x = (x ^ (x >> 27)) * 0x94d049bb133111eb;
  return x ^ (x >> 31);
}

// A stranger who knew it could write strings that all want the same place, each of which then walks past all
// before it.
uint64_t Seed() {
  static const uint64_t seed = [] {
    std::random_device device;
    return uint64_t{device()} << 32 | device();
  }();
  return seed;
}

uint64_t Fingerprint(const uint8_t* bytes, size_t length) {
  uint64_t hash = Mix(length ^ Seed());
  size_t at = 0;
  for (; at + 8 <= length; at += 8) hash = Mix(hash ^ ReadU64(bytes + at));
  uint64_t rest = 0;
  std::memcpy(&rest, bytes + at, length - at);
  hash = Mix(hash ^ rest);
  return hash == 0 ? 1 : hash;
}

}  // namespace

void Fingerprints::Reserve(size_t more) {
  size_t size = std::max<size_t>(slots_.size(), 64);
  while (4 * (used_ + more) > 3 * size) size *= 2;
  if (size == slots_.size()) return;
  std::vector<uint64_t> before(size);
  slots_.swap(before);
  for (const uint64_t fingerprint : before) {
    if (fingerprint != 0) Slot(fingerprint) = fingerprint;
  }
}

bool Fingerprints::Add(const uint8_t* bytes, size_t length) {
  const uint64_t fingerprint = Fingerprint(bytes, length);
  uint64_t& slot = Slot(fingerprint);
  if (slot == fingerprint) return false;
  slot = fingerprint;
  used_++;
  return true;
}

uint64_t& Fingerprints::Slot(uint64_t fingerprint) {
  const size_t mask = slots_.size() - 1;
  size_t at = static_cast<size_t>(fingerprint) & mask;
  while (slots_[at] != 0 && slots_[at] != fingerprint) at = (at + 1) & mask;
  return slots_[at];
}

const char* StringRules::Problem(const uint8_t* bytes, size_t length) {
  if (length > max_bytes_) return "long";
  if (rule_ == Rule::kPairs) {
    const bool pair = length > 1 && std::memchr(bytes + 1, ' ', length - 1) != nullptr;
    return pair ? nullptr : "single";
  }
  // llama.cpp ends a token at its first zero byte, and gives empty ones names of their own.
  const void* zero = length > 0 ? std::memchr(bytes, 0, length) : nullptr;
  if (zero != nullptr) length = static_cast<const uint8_t*>(zero) - bytes;
  return length == 0 || seen_.Add(bytes, length) ? nullptr : "repeated";
}

StringRules::Scanned StringRules::Scan(const uint8_t* window, size_t size) {
  size_t at = 0;
  const char* problem = nullptr;
  // Room for what the window may hold, not for what the file claims.
  if (rule_ == Rule::kDistinct) {
    seen_.Reserve(static_cast<size_t>(std::min<uint64_t>(count_ - index_, size / kLengthBytes)));
  }
  while (index_ < count_ && size - at >= kLengthBytes) {
    const uint64_t length = ReadU64(window + at);
    if (length > size - at - kLengthBytes) break;
    problem = Problem(window + at + kLengthBytes, static_cast<size_t>(length));
    if (problem != nullptr) break;
    at += kLengthBytes + static_cast<size_t>(length);
    index_++;
  }
  return {at, problem};
}

}  // namespace gpt4all
