// The strings of a GGUF array as they come in windows: first the rule and the sizes of the windows, then the bytes.
#include "string-rules.h"

#include <algorithm>
#include <cstring>

#include "target.h"

namespace {

using gpt4all::StringRules;

constexpr size_t kHead = 4;

std::string Strings(char rule, const std::vector<std::string>& strings) {
  std::string seed = {rule, 40, 7, 3};
  for (const std::string& string : strings) {
    const uint64_t length = string.size();
    seed.append(reinterpret_cast<const char*>(&length), sizeof length);
    seed += string;
  }
  return seed;
}

}  // namespace

std::vector<std::string> Seeds() {
  return {Strings(0, {"a", "b", "", "", "c d", std::string("x\0y", 3)}), Strings(1, {"a b", "c d", "\xff \xff"}),
          Strings(0, {"same", "other", "same"}), Strings(1, {" a", "ab"})};
}

// In windows, what is taken is what one window takes.
int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size < kHead) return 0;
  const auto rule = data[0] % 2 == 0 ? StringRules::Rule::kDistinct : StringRules::Rule::kPairs;
  const uint64_t count = data[1], max_bytes = data[2] * 8;
  const size_t window = 1 + data[3] * 16;
  const std::vector<uint8_t> bytes(data + kHead, data + size);
  StringRules whole(rule, count, max_bytes), parts(rule, count, max_bytes);
  const StringRules::Scanned at_once = whole.Scan(bytes.data(), bytes.size());
  if (at_once.bytes > bytes.size() || whole.index() > count) Fault("more than there is");
  size_t taken = 0;
  for (size_t end = 0; end < bytes.size();) {
    end = std::min(bytes.size(), end + window);
    // A window of its own, so that a byte beyond it is one beyond its allocation.
    const std::vector<uint8_t> shown(bytes.begin() + static_cast<ptrdiff_t>(taken),
                                     bytes.begin() + static_cast<ptrdiff_t>(end));
    const StringRules::Scanned scanned = parts.Scan(shown.data(), shown.size());
    taken += scanned.bytes;
    if (scanned.problem == nullptr) continue;
    if (at_once.problem == nullptr || std::strcmp(scanned.problem, at_once.problem) != 0) Fault("another problem");
    break;
  }
  if (taken != at_once.bytes || parts.index() != whole.index()) Fault("windows change what is taken");
  return 0;
}
