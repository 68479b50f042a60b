// Linux only. llama.cpp writes zeros over every new cache of keys and values, which makes the system find all
// of its pages, 45 MiB for SmolLM2 and 2,048 tokens, before the first token needs one. This gives the pages
// back instead: the next access to each of them finds zeros. So a context opens sooner, and takes only the
// memory that its conversations fill. ggml has no setting for it, so the linker redirects its calls to this
// file (--wrap, CMakeLists.txt).
#ifdef __linux__
#include <sys/mman.h>
#include <unistd.h>

#include <cstdint>
#include <cstring>

#include "ggml-backend.h"

namespace {

constexpr size_t kLeast = size_t{1} << 20;  // smaller ones are faster written than given back

// Memory from malloc(): other buffers map files, or belong to a device.
bool HasPlainMemory(ggml_backend_buffer_t buffer) {
  return ggml_backend_buffer_get_type(buffer) == ggml_backend_cpu_buffer_type();
}

// False where the kernel refuses, as for locked memory.
bool GiveBack(uint8_t* begin, uint8_t* end) {
  const auto page = static_cast<uintptr_t>(sysconf(_SC_PAGESIZE));
  uint8_t* const first = begin + (page - reinterpret_cast<uintptr_t>(begin) % page) % page;
  uint8_t* const last = end - reinterpret_cast<uintptr_t>(end) % page;
  if (madvise(first, static_cast<size_t>(last - first), MADV_DONTNEED) != 0) return false;
  std::memset(begin, 0, static_cast<size_t>(first - begin));
  std::memset(last, 0, static_cast<size_t>(end - last));
  return true;
}

}  // namespace

// The linker's names.
// NOLINTBEGIN(bugprone-reserved-identifier)
extern "C" void __real_ggml_backend_buffer_clear(ggml_backend_buffer_t buffer, uint8_t value);

extern "C" void __wrap_ggml_backend_buffer_clear(ggml_backend_buffer_t buffer, uint8_t value) {
  const size_t size = ggml_backend_buffer_get_size(buffer);
  if (value == 0 && size >= kLeast && HasPlainMemory(buffer)) {
    auto* const begin = static_cast<uint8_t*>(ggml_backend_buffer_get_base(buffer));
    if (GiveBack(begin, begin + size)) return;
  }
  __real_ggml_backend_buffer_clear(buffer, value);
}
// NOLINTEND(bugprone-reserved-identifier)
#endif
