// Linux only. Where huge pages are for those who ask (the default of most distributions), this asks for llama.cpp's large
// buffers: KV caches, compute buffers, repacked weights. A page fault for 2 MiB instead of 4 KiB, and fewer misses of the
// TLB while they are read. ggml has no setting for it, so the linker sends its allocations here (--wrap, CMakeLists.txt).
#ifdef __linux__
#include <sys/mman.h>

#include <cstddef>
#include <cstdint>

// The linker's names.
// NOLINTBEGIN(bugprone-reserved-identifier)
extern "C" int __real_posix_memalign(void** address, size_t alignment, size_t size);

extern "C" int __wrap_posix_memalign(void** address, size_t alignment, size_t size) {
  constexpr size_t kHugePage = size_t{2} << 20;
  if (size < 2 * kHugePage || alignment > kHugePage) return __real_posix_memalign(address, alignment, size);
  const int status = __real_posix_memalign(address, kHugePage, size);
  // Whole pages only: what lies behind the end belongs to others. A kernel without them refuses, which is no harm.
  if (status == 0) madvise(*address, size & ~(kHugePage - 1), MADV_HUGEPAGE);
  return status;
}
// NOLINTEND(bugprone-reserved-identifier)
#endif
