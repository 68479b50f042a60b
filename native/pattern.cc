#include "pattern.h"

#include <memory>
#include <mutex>
#include <unordered_map>

std::vector<size_t> gpt4all_regex_split(const std::u32string& text, const std::u32string& regex,
                                        const std::vector<size_t>& offsets) {
  // As many as llama.cpp knows.
  static std::mutex mutex;
  static auto* known = new std::unordered_map<std::u32string, std::unique_ptr<const gpt4all::Pattern>>();
  const gpt4all::Pattern* pattern = [&] {
    const std::lock_guard<std::mutex> lock(mutex);
    auto& kept = (*known)[regex];
    if (!kept) kept = std::make_unique<gpt4all::Pattern>(regex);
    return kept.get();
  }();
  std::vector<size_t> lengths;
  lengths.reserve(offsets.size());
  size_t start = 0;
  for (const size_t size : offsets) {
    pattern->Split(text.data() + start, size, lengths);
    start += size;
  }
  return lengths;
}
