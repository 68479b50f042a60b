#include "state.h"

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <new>
#include <vector>

#include "failure.h"

namespace gpt4all {

namespace {

constexpr size_t kChecksumSize = sizeof(uint64_t);

uint8_t* Bytes(std::string& text) {
  return reinterpret_cast<uint8_t*>(text.data());
}

// FNV-1a, eight bytes at a time: against accidents. A forger writes the right one.
uint64_t Checksum(const char* bytes, size_t size) {
  uint64_t hash = 14695981039346656037u ^ size;
  for (size_t i = 0; i < size; i += sizeof hash) {
    uint64_t word = 0;
    std::memcpy(&word, bytes + i, std::min(sizeof word, size - i));
    hash = (hash ^ word) * 1099511628211u;
    hash ^= hash >> 32;
  }
  return hash;
}

// What llama.cpp writes: a magic number, the sequence, the number of streams, and for each stream the number
// of cells with what they hold.
constexpr size_t kStreamsAt = kChecksumSize + 2 * sizeof(uint32_t);
constexpr size_t kFirstAt = kStreamsAt + sizeof(uint32_t);

uint32_t Word(const std::string& state, size_t at) {
  uint32_t word;
  std::memcpy(&word, state.data() + at, sizeof word);
  return word;
}

void SetWord(std::string& state, size_t at, uint32_t word) {
  std::memcpy(state.data() + at, &word, sizeof word);
}

// Leaves out the streams that hold nothing, so that a context of another number of sequences can read the
// state.
void KeepOneStream(std::string& state) {
  const uint32_t streams = Word(state, kStreamsAt);
  uint32_t before = 0;
  while (before + 1 < streams && Word(state, kFirstAt + before * sizeof(uint32_t)) == 0) before++;
  state.resize(state.size() - (streams - 1 - before) * sizeof(uint32_t));
  state.erase(kFirstAt, before * sizeof(uint32_t));
  SetWord(state, kStreamsAt, 1);
}

// The reverse; which of the streams holds something makes no difference.
void AddStreams(std::string& state, uint32_t streams) {
  if (state.size() < kFirstAt || Word(state, kStreamsAt) != 1) return;
  SetWord(state, kStreamsAt, streams);
  state.resize(state.size() + (streams - 1) * sizeof(uint32_t), '\0');
}

void Empty(llama_context* context, llama_seq_id sequence) {
  llama_memory_seq_rm(llama_get_memory(context), sequence, -1, -1);
}

std::string Save(llama_context* context, llama_seq_id sequence) {
  const size_t size = llama_state_seq_get_size(context, sequence);
  std::string state(kChecksumSize + size, '\0');
  const size_t written = llama_state_seq_get_data(context, Bytes(state) + kChecksumSize, size, sequence);
  if (size == 0 || written != size) throw Failure("ERR_STATE", "llama.cpp could not save the state");
  return state;
}

void Restore(llama_context* context, llama_seq_id sequence, std::string& state) {
  const size_t size = state.size() - kChecksumSize;
  Empty(context, sequence);
  if (llama_state_seq_set_data(context, Bytes(state) + kChecksumSize, size, sequence) == size) return;
  Empty(context, sequence);
  throw Failure("ERR_STATE", "the saved state does not fit this context");
}

// Attention reads so many cells at once, whether they are used or not.
constexpr uint32_t kCellsRead = 256;

// False if the state is not of this layout.
bool Fill(llama_context* context, llama_seq_id sequence, const std::string& blank) {
  const auto* bytes = reinterpret_cast<const uint8_t*>(blank.data());
  return !blank.empty() && llama_state_seq_set_data(context, bytes, blank.size(), sequence) == blank.size();
}

// llama.cpp fills cells from the first free one on: those of a sequence are the first of its stream, without
// gaps, and a blank state of the same number of cells takes the same ones.
bool FillCells(llama_context* context, llama_seq_id sequence, const StateLayout& layout) {
  llama_memory_t memory = llama_get_memory(context);
  const llama_pos last = llama_memory_seq_pos_max(memory, sequence);
  if (last < 0) return true;
  llama_memory_seq_rm(memory, sequence, 0, last);  // a small state shows as much
  const std::string state = Save(context, sequence).substr(kChecksumSize);
  const auto* bytes = reinterpret_cast<const uint8_t*>(state.data());
  const uint32_t read = GGML_PAD(static_cast<uint32_t>(last) + 1, kCellsRead);
  const uint32_t cells = std::min(llama_n_ctx_seq(context), read);
  Empty(context, sequence);
  if (!Fill(context, sequence, layout.Blank(bytes, state.size(), cells))) return false;
  if (!layout.has_recurrent()) return true;

  // Each sequence has one cell of a recurrent memory, whichever was free: with all of them filled it is among
  // them.
  const std::string blank = layout.Blank(bytes, state.size(), 1);
  std::vector<llama_seq_id> filled;
  bool is_done = true;
  for (llama_seq_id other = 0; is_done && other < static_cast<llama_seq_id>(llama_n_seq_max(context));
       other++) {
    if (llama_memory_seq_pos_max(memory, other) >= 0) continue;
    is_done = Fill(context, other, blank);
    filled.push_back(other);
  }
  for (const llama_seq_id other : filled) Empty(context, other);
  return is_done;
}

}  // namespace

std::string SaveState(llama_context* context, llama_seq_id sequence, const StateLayout& layout) {
  std::string state = Save(context, sequence);
  if (layout.is_plain() && state.size() > kFirstAt) KeepOneStream(state);
  SealState(state);
  return state;
}

void SealState(std::string& state) {
  const uint64_t checksum = Checksum(state.data() + kChecksumSize, state.size() - kChecksumSize);
  std::memcpy(state.data(), &checksum, kChecksumSize);
}

void RestoreState(llama_context* context, llama_seq_id sequence, std::string& state,
                  const StateLayout& layout) {
  Empty(context, sequence);
  if (state.size() <= kChecksumSize) throw Failure("ERR_STATE", "the saved state is cut off");
  uint64_t checksum;
  std::memcpy(&checksum, state.data(), kChecksumSize);
  if (checksum != Checksum(state.data() + kChecksumSize, state.size() - kChecksumSize))
    throw Failure("ERR_STATE", "the saved state is damaged");
  if (layout.is_plain()) AddStreams(state, llama_n_seq_max(context));
  if (!layout.Fits(Bytes(state) + kChecksumSize, state.size() - kChecksumSize))
    throw Failure("ERR_STATE", "the saved state does not fit this context");
  Restore(context, sequence, state);
}

void CopyState(llama_context* context, llama_seq_id from, llama_seq_id to) {
  std::string state = Save(context, from);
  Restore(context, to, state);
}

void EraseState(llama_context* context, llama_seq_id sequence, const StateLayout& layout) {
  bool is_done = false;
  try {
    is_done = FillCells(context, sequence, layout);
  } catch (const Failure&) {
  } catch (const std::bad_alloc&) {
  }
  if (is_done) {
    Empty(context, sequence);
  } else {
    llama_memory_clear(llama_get_memory(context), true);
  }
}

}  // namespace gpt4all
