#include "state-layout.h"

#include <algorithm>
#include <cstring>
#include <limits>
#include <type_traits>
#include <utility>

#include "metadata.h"

namespace gpt4all {

namespace {

// Whether no number is larger than `most`, which has the same type and no sign: as bits, infinities and NaN
// are larger than all other numbers.
template <typename Number>
bool AreWithin(const uint8_t* bytes, uint64_t size, Number most) {
  constexpr Number kUnsigned = std::numeric_limits<std::make_signed_t<Number>>::max();
  bool found = false;
  for (uint64_t at = 0; at + sizeof most <= size; at += sizeof most) {
    Number number;
    std::memcpy(&number, bytes + at, sizeof number);
    found |= static_cast<Number>(number & kUnsigned) > most;
  }
  return !found;
}

// The largest number that a cache of halves can hold; the limit for all types.
constexpr uint16_t kMostHalf = 0x7bff;  // 65504
constexpr uint16_t kMostBrain = 0x477f;
constexpr uint32_t kMostFloat = 0x477fe000;

// A block begins with its scale, or with its scale and its offset.
bool AreBlocksWithin(const uint8_t* bytes, uint64_t size, size_t block, size_t numbers) {
  for (uint64_t at = 0; at + block <= size; at += block) {
    if (!AreWithin(bytes + at, numbers * sizeof kMostHalf, kMostHalf)) return false;
  }
  return true;
}

// A number that is infinite or NaN, or becomes so in the next product, stays in the cache when its sequence
// is long gone, and spoils the next sequence in its cell.
bool AreSound(int32_t type, const uint8_t* bytes, uint64_t size) {
  switch (type) {
    case GGML_TYPE_F32:
      return AreWithin(bytes, size, kMostFloat);
    case GGML_TYPE_BF16:
      return AreWithin(bytes, size, kMostBrain);
    case GGML_TYPE_F16:
      return AreWithin(bytes, size, kMostHalf);
    case GGML_TYPE_Q4_1:
    case GGML_TYPE_Q5_1:
      return AreBlocksWithin(bytes, size, ggml_type_size(static_cast<ggml_type>(type)), 2);
    case GGML_TYPE_Q8_0:
    case GGML_TYPE_Q5_0:
    case GGML_TYPE_Q4_0:
    case GGML_TYPE_IQ4_NL:
      return AreBlocksWithin(bytes, size, ggml_type_size(static_cast<ggml_type>(type)), 1);
    default:
      return false;  // no type of a cache
  }
}

bool HasExtension(const llama_model* model) {
  const llama_rope_type type = llama_model_rope_type(model);
  return type == LLAMA_ROPE_TYPE_MROPE || type == LLAMA_ROPE_TYPE_IMROPE;
}

// Latent attention makes the values of the keys.
bool HasValues(const llama_model* model) {
  return MetaNumber(model, "attention.key_length_mla", 0) == 0;
}

// All parts hold the same text.
bool Agree(bool& is_known, int32_t& known, int32_t last) {
  if (is_known && known != last) return false;
  is_known = true;
  known = last;
  return true;
}

}  // namespace

// Checks the bytes that it reads; with `blank_cells` it writes a blank state of the same layout instead.
class StateLayout::Reader {
 public:
  Reader(const uint8_t* bytes, size_t size, uint32_t blank_cells = 0)
      : bytes_(bytes), left_(size), blank_cells_(blank_cells) {}

  size_t left() const { return left_; }
  const std::string& blank() const { return blank_; }

  template <typename T>
  bool Read(T& value) {
    if (left_ < sizeof value) return false;
    std::memcpy(&value, bytes_, sizeof value);
    Skip(sizeof value);
    if (blank_cells_ > 0) Write(value);
    return true;
  }

  // Of a recurrent memory, whose one cell stays the only one.
  bool ReadRow(int32_t type, uint64_t row) { return ReadRows(type, row, 1, 1); }

  bool ReadRows(int32_t type, uint64_t row, uint64_t count) {
    return ReadRows(type, row, count, blank_cells_);
  }

  // After the first `size` bytes, blank cells of a KV cache replace those that were read.
  void WriteBlankCells(size_t size, bool has_extension) {
    if (blank_cells_ == 0) return;
    blank_.resize(size);
    Write(blank_cells_);
    for (uint32_t position = 0; position < blank_cells_; position++) {
      Write(position);
      Write(uint32_t{1});
      if (has_extension) blank_.append(3 * sizeof(int32_t), '\0');
      Write(int32_t{0});
    }
  }

 private:
  template <typename T>
  void Write(T value) {
    blank_.append(reinterpret_cast<const char*>(&value), sizeof value);
  }

  bool ReadRows(int32_t type, uint64_t row, uint64_t count, uint64_t blank_count) {
    if (row == 0) return true;
    if (count > left_ / row) return false;
    if (blank_cells_ > 0) {
      blank_.append(row * blank_count, '\0');
    } else if (!AreSound(type, bytes_, row * count)) {
      return false;
    }
    Skip(row * count);
    return true;
  }

  void Skip(size_t size) {
    bytes_ += size;
    left_ -= size;
  }

  const uint8_t* bytes_;
  size_t left_;
  uint32_t blank_cells_;
  std::string blank_;
};

StateLayout::StateLayout(llama_context* context)
    : streams_(llama_n_seq_max(context)),
      cells_(llama_n_ctx_seq(context)),
      vocab_size_(llama_vocab_n_tokens(llama_model_get_vocab(llama_get_model(context)))),
      has_extension_(HasExtension(llama_get_model(context))),
      has_values_(HasValues(llama_get_model(context))) {
  std::vector<uint8_t> empty(llama_state_seq_get_size(context, 0));
  empty.resize(llama_state_seq_get_data(context, empty.data(), empty.size(), 0));
  Reader in(empty.data(), empty.size());
  is_known_ = Learn(in);
  is_plain_ = is_known_ && parts_.size() == 1 && !parts_[0].is_recurrent &&
              llama_model_n_swa(llama_get_model(context)) == 0;
}

// For an empty sequence a KV cache writes the number of its streams and zero cells for each, and a recurrent
// memory writes zero cells and the sizes of its rows.
bool StateLayout::Learn(Reader& in) {
  uint32_t magic, first;
  int32_t sequence;
  if (!in.Read(magic) || !in.Read(sequence)) return false;
  while (in.Read(first)) {
    Part part{first == 0, 0, {}};
    if (part.is_recurrent) {
      uint32_t transposed;
      if (!in.Read(transposed) || transposed != 0 || !in.Read(part.layers)) return false;
      for (Row row; in.left() >= sizeof row.type + sizeof row.bytes;) {
        if (!in.Read(row.type) || !in.Read(row.bytes)) return false;
        part.rows.push_back(row);
      }
    } else {
      if (first != streams_) return false;
      for (uint32_t i = 0, cells; i < streams_; i++) {
        if (!in.Read(cells) || cells != 0) return false;
      }
    }
    has_recurrent_ |= part.is_recurrent;
    parts_.push_back(std::move(part));
  }
  return in.left() == 0 && !parts_.empty();
}

bool StateLayout::Fits(const uint8_t* state, size_t size) const {
  Reader in(state, size);
  uint32_t magic;
  int32_t sequence;
  return is_known_ && in.Read(magic) && in.Read(sequence) && FitsFrom(0, in, {});
}

std::string StateLayout::Blank(const uint8_t* state, size_t size, uint32_t cells) const {
  Reader in(state, size, cells);
  uint32_t magic;
  int32_t sequence;
  const bool fits = is_known_ && in.Read(magic) && in.Read(sequence) && FitsFrom(0, in, {});
  return fits ? in.blank() : std::string();
}

bool StateLayout::FitsFrom(size_t part, Reader& in, Found found) const {
  if (part == parts_.size()) return in.left() == 0;
  if (parts_[part].is_recurrent) {
    return ReadRecurrent(parts_[part], in, found) && FitsFrom(part + 1, in, found);
  }
  for (const bool has_values : {has_values_, !has_values_}) {
    Reader ahead = in;
    Found more = found;
    if (ReadCache(has_values, ahead, more) && FitsFrom(part + 1, ahead, more)) {
      in = std::move(ahead);
      return true;
    }
    if (part == 0) return false;
  }
  return false;
}

bool StateLayout::ReadRecurrent(const Part& part, Reader& in, Found& found) const {
  uint32_t count, sequences, transposed, layers;
  int32_t last = -1;
  if (!in.Read(count) || count > 1) return false;
  if (count == 1) {
    if (!in.Read(last) || last < 0 || static_cast<uint32_t>(last) >= cells_) return false;
    if (!in.Read(sequences) || sequences != 0) return false;
  }
  if (!in.Read(transposed) || transposed != 0 || !in.Read(layers) || layers != part.layers) return false;
  for (const Row& known : part.rows) {
    Row row;
    if (!in.Read(row.type) || !in.Read(row.bytes)) return false;
    if (row.type != known.type || row.bytes != known.bytes) return false;
    if (count == 1 && !in.ReadRow(row.type, row.bytes)) return false;
  }
  return Agree(found.is_known, found.last, last);
}

bool StateLayout::ReadCache(bool has_values, Reader& in, Found& found) const {
  uint32_t streams, count;
  int32_t last = -1;
  if (!in.Read(streams) || streams != streams_) return false;
  for (uint32_t stream = 0; stream < streams; stream++) {
    const size_t blank_before = in.blank().size();
    if (!in.Read(count)) return false;
    if (count == 0) continue;
    if (last >= 0 || count > cells_ || !ReadCells(count, in, last)) return false;
    in.WriteBlankCells(blank_before, has_extension_);
    uint32_t transposed, layers;
    if (!in.Read(transposed) || transposed > 1 || !in.Read(layers)) return false;
    Row row;
    for (uint32_t layer = 0; layer < layers; layer++) {
      if (!in.Read(row.type) || !in.Read(row.bytes) || !in.ReadRows(row.type, row.bytes, count)) return false;
    }
    for (uint32_t layer = 0; has_values && layer < layers; layer++) {
      uint32_t number, numbers;
      if (!in.Read(row.type)) return false;
      if (transposed == 0) {
        if (!in.Read(row.bytes)) return false;
      } else {
        if (!in.Read(number) || !in.Read(numbers)) return false;
        row.bytes = static_cast<uint64_t>(number) * numbers;
      }
      if (!in.ReadRows(row.type, row.bytes, count)) return false;
    }
  }
  return Agree(found.is_known, found.last, last);
}

bool StateLayout::ReadCells(uint32_t count, Reader& in, int32_t& last) const {
  std::vector<bool> seen(cells_);
  for (uint32_t i = 0; i < count; i++) {
    int32_t position, column, row, token, sequence;
    uint32_t sequences;
    if (!in.Read(position) || position < 0 || static_cast<uint32_t>(position) >= cells_) return false;
    if (seen[static_cast<size_t>(position)]) return false;
    seen[static_cast<size_t>(position)] = true;
    last = std::max(last, position);
    if (!in.Read(sequences) || sequences != 1) return false;
    if (has_extension_) {
      if (!in.Read(column) || !in.Read(row) || !in.Read(token)) return false;
      if (token < -1 || token >= vocab_size_) return false;
    }
    if (!in.Read(sequence)) return false;  // whichever it was
  }
  return true;
}

}  // namespace gpt4all
