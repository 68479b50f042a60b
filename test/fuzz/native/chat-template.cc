// A chat template, what a user says and what a model answers, parted by a byte that none of llama.cpp's templates
// has: rendered, with marks and without, found out about, and the answer parsed.
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>

#include "chat.h"
#include "error.h"
#include "target.h"

namespace {

using gpt4all::ChatFormat;
using gpt4all::Effort;
using gpt4all::Failure;

constexpr char kPart = '\x1e';

std::string Next(std::string& text) {
  const size_t end = text.find(kPart);
  const std::string part = text.substr(0, end);
  text.erase(0, end == std::string::npos ? end : end + 1);
  return part;
}

}  // namespace

std::vector<std::string> Seeds() {
  const std::string rest = std::string(1, kPart) + "Hello, <|im_start|>" + kPart + "<think>\nHm.\n</think>\n\nGood day.";
  std::vector<std::string> seeds;
  const std::filesystem::path templates = std::filesystem::path(std::getenv("FUZZ_VOCABULARIES")) / "templates";
  for (const auto& entry : std::filesystem::directory_iterator(templates)) {
    std::ifstream file(entry.path(), std::ios::binary);
    if (entry.path().extension() != ".jinja") continue;
    seeds.push_back(std::string(std::istreambuf_iterator<char>(file), {}) + rest);
  }
  return seeds;
}

int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static const bool is_silent = (ChatFormat::InstallLog(), true);
  if (!is_silent) return 0;
  std::string text(reinterpret_cast<const char*>(data), size);
  const std::string source = Next(text), said = Next(text), answer = Next(text);
  if (source.empty()) return 0;
  static const auto control = std::make_shared<const gpt4all::ControlTexts>(
      std::vector<std::u16string>{u"<|im_start|>", u"<|im_end|>", u"a", u"<think>", u"\u00e2"}, gpt4all::Spelling::kCharacters);
  try {
    ChatFormat format(nullptr, source);
    const gpt4all::RenderedChat first = format.Render({{{"user", said, ""}}}, Effort::kQuick);
    const gpt4all::ParsedReply parsed = first.grammar->Parse(answer, true);
    const std::vector<gpt4all::ChatMessage> turns{
        {"system", said, ""}, {"user", said, ""}, {"assistant", parsed.content, parsed.reasoning}, {"user", answer, ""}};
    format.Render({turns, true, false, true, control, u"\ue001"}, Effort::kQuick);
    first.grammar->Parse(answer, false);
  } catch (const Failure& failure) {
    const std::string code = failure.code();
    if (code != "ERR_TEMPLATE" && code != "ERR_EFFORT") Fault(failure.what());
  }
  return 0;
}
