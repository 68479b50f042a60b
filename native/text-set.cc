#include "text-set.h"

#include <algorithm>

namespace gpt4all {

namespace {

constexpr size_t kMostUnits = 32;  // bits of TextSet::ends_
constexpr size_t kMostNodes = 1 << 20;
constexpr char16_t kSpaceMark = 0x2581;

char16_t Fold(char16_t unit) {
  return unit == kSpaceMark ? u' ' : unit;
}

// How many units of each text count, so that the texts together do not take too much memory.
size_t UnitsThatCount(const std::vector<std::u16string>& texts) {
  for (size_t most = kMostUnits;; most /= 2) {
    size_t total = 0;
    for (const std::u16string& text : texts) total += std::min(text.size(), most);
    if (total <= kMostNodes || most == 2) return most;  // a character is no longer than that
  }
}

uint64_t KeyOf(uint32_t node, char16_t unit) {
  return (static_cast<uint64_t>(node) << 17) | (static_cast<uint64_t>(unit) << 1) | 1;
}

size_t Hash(uint64_t key) {
  return static_cast<size_t>((key * 0x9e3779b97f4a7c15u) >> 20);
}

}  // namespace

TextSet::TextSet(const std::vector<std::u16string>& texts)
    : begins_(65536),
      firsts_{0},
      has_others_{false},
      parents_{0},
      fallbacks_{0},
      units_{0},
      depths_{0},
      is_text_{false},
      ends_{0},
      shortest_ends_{0},
      whole_lengths_{0} {
  const size_t most = most_units_ = UnitsThatCount(texts);
  size_t total = 1;
  for (const std::u16string& text : texts) total += std::min(text.size(), most);
  size_t capacity = 16;
  while (capacity < 2 * total) capacity *= 2;
  edges_.resize(capacity);
  for (const std::u16string& text : texts) {
    Node node = 0;
    for (const char16_t unit : text.substr(0, most)) node = Add(node, Fold(unit));
    if (node != 0) is_text_[node] = true;
    if (text.size() > most) whole_lengths_[node] = std::max(whole_lengths_[node], text.size());
    nodes_.push_back(node);
  }
  Link();
}

TextSet::Node TextSet::Find(Node from, char16_t unit) const {
  if (from == 0 && !begins_[unit]) return 0;
  const Node first = firsts_[from];
  if (first == 0 || units_[first] == unit) return first;
  if (!has_others_[from]) return 0;
  const uint64_t key = KeyOf(from, unit);
  for (size_t at = Hash(key) & (edges_.size() - 1); edges_[at].key != 0;
       at = (at + 1) & (edges_.size() - 1)) {
    if (edges_[at].key == key) return edges_[at].to;
  }
  return 0;
}

TextSet::Node TextSet::Add(Node from, char16_t unit) {
  if (const Node known = Find(from, unit)) return known;
  const auto node = static_cast<Node>(parents_.size());
  if (firsts_[from] == 0) {
    firsts_[from] = node;
  } else {
    const uint64_t key = KeyOf(from, unit);
    size_t at = Hash(key) & (edges_.size() - 1);
    while (edges_[at].key != 0) at = (at + 1) & (edges_.size() - 1);
    edges_[at] = {key, node};
    has_others_[from] = true;
  }
  if (from == 0) begins_[unit] = true;
  firsts_.push_back(0);
  has_others_.push_back(false);
  parents_.push_back(from);
  fallbacks_.push_back(0);
  units_.push_back(unit);
  depths_.push_back(static_cast<uint8_t>(depths_[from] + 1));
  is_text_.push_back(false);
  ends_.push_back(0);
  shortest_ends_.push_back(0);
  whole_lengths_.push_back(0);
  return node;
}

// Shorter beginnings first: a longer one builds on them.
void TextSet::Link() {
  std::vector<Node> order(parents_.size());
  for (Node node = 0; node < order.size(); node++) order[node] = node;
  std::stable_sort(order.begin(), order.end(),
                   [&](Node one, Node other) { return depths_[one] < depths_[other]; });
  std::vector<bool> follows_text(parents_.size());
  for (const Node node : order) {
    if (node == 0) continue;
    const Node parent = parents_[node];
    if (parent != 0) fallbacks_[node] = Next(fallbacks_[parent], units_[node]);
    follows_text[node] = follows_text[parent] || is_text_[parent];
    const uint32_t end = is_text_[node] ? uint32_t{1} << (depths_[node] - 1) : 0;
    ends_[node] = ends_[fallbacks_[node]] | end;
    shortest_ends_[node] = shortest_ends_[fallbacks_[node]] | (follows_text[node] ? 0 : end);
  }
}

TextSet::Node TextSet::Next(Node node, char16_t unit) const {
  for (;;) {
    if (const Node next = Find(node, unit)) return next;
    if (node == 0) return 0;
    node = fallbacks_[node];
  }
}

std::vector<uint8_t> TextSet::Beginnings(std::u16string_view in) const {
  std::vector<uint8_t> lengths(in.size());
  Node node = 0;
  for (size_t at = 0; at < in.size(); at++) {
    node = Next(node, Fold(in[at]));
    size_t length = 1;
    for (uint32_t ends = shortest_ends_[node]; ends != 0; ends >>= 1, length++) {
      if ((ends & 1) != 0) lengths[at + 1 - length] = static_cast<uint8_t>(length);
    }
  }
  return lengths;
}

std::vector<bool> TextSet::Spanned(std::u16string_view in, const std::vector<size_t>& places) const {
  std::vector<bool> spanned(places.size());
  size_t next = 0;  // the first place after the beginning of the longest text that ends here
  Node node = 0;
  for (size_t at = 0; at < in.size(); at++) {
    node = Next(node, Fold(in[at]));
    const size_t end = at + 1, earliest = end - std::min(end, most_units_);
    while (next < places.size() && places[next] <= earliest) next++;
    if (next == places.size()) break;
    // Of a text that is longer than what counts of it, more is to come.
    if (places[next] < earliest + whole_lengths_[node]) spanned[next] = true;
    size_t length = 1;
    for (uint32_t ends = places[next] < end ? ends_[node] : 0; ends != 0; ends >>= 1, length++) {
      if ((ends & 1) == 0) continue;
      size_t first = next;
      while (first < places.size() && places[first] <= end - length) first++;
      if (first < places.size() && places[first] < end) spanned[first] = true;
    }
  }
  return spanned;
}

std::vector<uint32_t> TextSet::Occurring(std::u16string_view in) const {
  std::vector<bool> seen(parents_.size());
  Node node = 0;
  for (const char16_t unit : in) {
    node = Next(node, Fold(unit));
    seen[node] = true;
  }
  std::vector<uint32_t> found;
  // Where a beginning was seen, so were the shorter ones with which it ends. The loop walks down to the first
  // that is marked already.
  for (Node one = 1; one < seen.size(); one++) {
    if (!seen[one]) continue;
    for (Node end = fallbacks_[one]; end != 0 && !seen[end]; end = fallbacks_[end]) seen[end] = true;
  }
  for (uint32_t i = 0; i < nodes_.size(); i++) {
    if (nodes_[i] != 0 && seen[nodes_[i]]) found.push_back(i);
  }
  return found;
}

}  // namespace gpt4all
