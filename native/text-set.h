// Finds where any of a set of texts stands in another text, in time that grows with the length of that text
// alone, whatever the set is (Aho and Corasick, 1975). Plain computation, in UTF-16 units.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace gpt4all {

class TextSet {
 public:
  // Only the first units of long texts count: the first 32, or fewer where the texts are very many. A text is
  // found wherever these stand. U+2581, which SentencePiece writes for a space, is a space.
  explicit TextSet(const std::vector<std::u16string>& texts);

  // For each unit of `in` the length of the shortest text that begins there; 0 = none does.
  std::vector<uint8_t> Beginnings(std::u16string_view in) const;

  // Which of the `places`, ascending, lie within a text that stands in `in` and begins before them: the first
  // place of each such text.
  std::vector<bool> Spanned(std::u16string_view in, const std::vector<size_t>& places) const;

  // Which of the texts occur at all, by their index, ascending.
  std::vector<uint32_t> Occurring(std::u16string_view in) const;

 private:
  using Node = uint32_t;  // a beginning of texts; 0 = the empty one

  Node Find(Node from, char16_t unit) const;
  Node Add(Node from, char16_t unit);
  void Link();
  // The longest beginning with which the text up to `unit` ends, if `node` is that of the text before it.
  Node Next(Node node, char16_t unit) const;

  // Most nodes have one edge. The further edges of the others are in a table of (node, unit) with open
  // addressing, at most half full.
  struct Edge {
    uint64_t key = 0;  // node, unit and 1; 0 = empty
    Node to = 0;
  };
  std::vector<Edge> edges_;
  std::vector<bool> begins_;  // by unit: whether there is an edge from the empty beginning

  std::vector<Node> firsts_;      // where the first edge of each leads; 0 = there is none
  std::vector<bool> has_others_;  // whether there are more

  std::vector<Node> parents_, fallbacks_;
  std::vector<char16_t> units_;          // the last of each beginning
  std::vector<uint8_t> depths_;          // its length
  std::vector<bool> is_text_;            // whether it is a text
  std::vector<uint32_t> ends_;           // bit n: a text of n + 1 units ends here
  std::vector<uint32_t> shortest_ends_;  // the same of those that begin with no shorter one
  std::vector<Node> nodes_;              // by the index of a text; 0 = it is empty
  std::vector<size_t> whole_lengths_;    // the longest text that continues this beginning; 0 = none does
  size_t most_units_ = 0;                // of a text that count
};

}  // namespace gpt4all
