// Linux only. Where programs get huge pages on request (the default of most distributions), this requests
// them for llama.cpp's largest buffers: repacked weights, long KV caches. These are read from end to end for
// every token, which then misses the TLB less often. ggml has no setting for it, so the linker redirects its
// allocations to this file (--wrap, CMakeLists.txt).
#ifdef __linux__
#include <sys/mman.h>

#include <cstddef>
#include <cstdint>

// The linker's names.
// NOLINTBEGIN(bugprone-reserved-identifier)
extern "C" int __real_posix_memalign(void** address, size_t alignment, size_t size);

extern "C" int __wrap_posix_memalign(void** address, size_t alignment, size_t size) {
  constexpr size_t kHugePage = size_t{2} << 20;
  // Smaller ones open faster from the small pages that were free a moment ago: hypervisors take free huge
  // pages away.
  constexpr size_t kLeast = 32 * kHugePage;
  if (size < kLeast || alignment > kHugePage) return __real_posix_memalign(address, alignment, size);
  const int status = __real_posix_memalign(address, kHugePage, size);
  // Whole pages only: the memory after the end belongs to others. A kernel without huge pages refuses, which
  // does no harm.
  if (status == 0) madvise(*address, size & ~(kHugePage - 1), MADV_HUGEPAGE);
  return status;
}
// NOLINTEND(bugprone-reserved-identifier)
#endif
