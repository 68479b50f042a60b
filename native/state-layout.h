// What the states of a context's sequences look like. llama.cpp trusts a state's own numbers: a crafted one
// makes it allocate without bound, abort, or hold positions that no step fits. Plain computation, no N-API.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "llama.h"

namespace gpt4all {

class StateLayout {
 public:
  // `context` is new and empty: the state of an empty sequence shows the parts of its memory.
  explicit StateLayout(llama_context* context);

  // One KV cache, and nothing after it.
  bool is_plain() const { return is_plain_; }

  // Whether llama.cpp can read these bytes into a sequence and go on from there: known parts, no more cells
  // than the context has, each position once and within the context, the same last position in all parts,
  // finite numbers, and nothing after them. llama.cpp itself checks that types and rows are the model's.
  bool Fits(const uint8_t* state, size_t size) const;

  // A recurrent memory, alone or beside KV caches.
  bool has_recurrent() const { return has_recurrent_; }

  // A state of the same parts with zeros for all numbers: each KV cache has `cells` cells at the first
  // positions. `state` has a cell in each part. Empty if `state` is not of this layout.
  std::string Blank(const uint8_t* state, size_t size, uint32_t cells) const;

 private:
  class Reader;
  // A type of numbers and the bytes of a cell's row of them.
  struct Row {
    int32_t type;
    uint64_t bytes;
  };
  // A state has the row sizes of its KV caches; the one state of a recurrent memory has these.
  struct Part {
    bool is_recurrent;
    uint32_t layers = 0;
    std::vector<Row> rows;
  };
  // What the parts read so far have in common.
  struct Found {
    bool is_known = false;
    int32_t last = -1;  // position; -1 = empty
  };

  bool Learn(Reader& in);
  bool FitsFrom(size_t part, Reader& in, Found found) const;
  bool ReadRecurrent(const Part& part, Reader& in, Found& found) const;
  bool ReadCache(bool has_values, Reader& in, Found& found) const;
  bool ReadCells(uint32_t count, Reader& in, int32_t& last) const;

  uint32_t streams_;
  uint32_t cells_;  // of a sequence
  int32_t vocab_size_;
  bool has_extension_;  // of each cell
  bool has_values_;     // beside keys; for caches after the first only llama.cpp knows
  bool is_known_ = false;
  bool is_plain_ = false;
  bool has_recurrent_ = false;
  std::vector<Part> parts_;
};

}  // namespace gpt4all
