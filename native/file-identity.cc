#include "file-identity.h"

#ifdef _WIN32
#include <filesystem>
#include <system_error>
#else
#include <sys/stat.h>
#endif

#include <cstdio>
#include <vector>

#include "llama.h"

namespace gpt4all {

#ifdef _WIN32

std::string FileIdentity(const std::string& path) {
  std::error_code error;
  const auto file = std::filesystem::canonical(std::filesystem::u8path(path), error);
  if (error) return "";
  const auto size = std::filesystem::file_size(file, error);
  if (error) return "";
  const auto written = std::filesystem::last_write_time(file, error);
  if (error) return "";
  return file.u8string() + ' ' + std::to_string(size) + ' ' +
         std::to_string(written.time_since_epoch().count());
}

#else

namespace {
std::string Text(const timespec& time) {
  return std::to_string(time.tv_sec) + '.' + std::to_string(time.tv_nsec);
}
}  // namespace

std::string FileIdentity(const std::string& path) {
  struct stat file;
  if (stat(path.c_str(), &file) != 0) return "";
  // The time of the last change of the inode too: a copy may keep the time of the last write.
#ifdef __APPLE__
  const std::string times = Text(file.st_mtimespec) + ' ' + Text(file.st_ctimespec);
#else
  const std::string times = Text(file.st_mtim) + ' ' + Text(file.st_ctim);
#endif
  return std::to_string(file.st_dev) + ' ' + std::to_string(file.st_ino) + ' ' +
         std::to_string(file.st_size) + ' ' + times;
}

#endif

// llama.cpp derives the names of the other parts from the first, and refuses a split model with other names.
std::string ModelIdentity(const std::string& path) {
  std::string identity = FileIdentity(path);
  constexpr size_t kEnding = sizeof "-00001-of-00002.gguf" - 1;
  const std::string ending = path.size() > kEnding ? path.substr(path.size() - kEnding) : "";
  int parts = 0;
  if (std::sscanf(ending.c_str(), "-00001-of-%5d.gguf", &parts) != 1) return identity;
  const std::string prefix = path.substr(0, path.size() - kEnding);
  std::vector<char> part(path.size() + 1);
  for (int i = 1; i < parts; i++) {
    llama_split_path(part.data(), part.size(), prefix.c_str(), i, parts);
    const std::string next = FileIdentity(part.data());
    if (next.empty()) break;  // it will not load, or is no split model
    identity += '\n' + next;
  }
  return identity;
}

}  // namespace gpt4all
