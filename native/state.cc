#include "state.h"

#include <algorithm>
#include <cstdint>
#include <cstring>

#include "error.h"

namespace gpt4all {

namespace {

constexpr size_t kChecksumSize = sizeof(uint64_t);

uint8_t* Bytes(std::string& text) {
  return reinterpret_cast<uint8_t*>(text.data());
}

// FNV-1a, eight bytes at a time. llama.cpp believes what a state says of itself: a damaged one makes it
// allocate without bound, or fills the cache with positions that no step fits.
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

}  // namespace

std::string SaveState(llama_context* context, llama_seq_id sequence) {
  const size_t most = llama_state_seq_get_size(context, sequence);
  std::string state(kChecksumSize + most, '\0');
  const size_t size = llama_state_seq_get_data(context, Bytes(state) + kChecksumSize, most, sequence);
  state.resize(kChecksumSize + size);
  const uint64_t checksum = Checksum(state.data() + kChecksumSize, size);
  std::memcpy(state.data(), &checksum, kChecksumSize);
  return state;
}

void RestoreState(llama_context* context, llama_seq_id sequence, const std::string& state) {
  if (state.size() <= kChecksumSize) throw Failure("ERR_STATE", "the saved state is cut off");
  const size_t size = state.size() - kChecksumSize;
  const char* data = state.data() + kChecksumSize;
  uint64_t checksum;
  std::memcpy(&checksum, state.data(), kChecksumSize);
  if (checksum != Checksum(data, size)) throw Failure("ERR_STATE", "the saved state is damaged");
  llama_memory_seq_rm(llama_get_memory(context), sequence, -1, -1);
  if (llama_state_seq_set_data(context, reinterpret_cast<const uint8_t*>(data), size, sequence) != 0) return;
  llama_memory_seq_rm(llama_get_memory(context), sequence, -1, -1);
  throw Failure("ERR_STATE", "the saved state does not fit this context");
}

}  // namespace gpt4all
