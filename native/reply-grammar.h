// Splits a model's answer into its parts, as the template that made the prompt prescribes.
#pragma once

#include <memory>
#include <string>

struct common_chat_params;

namespace gpt4all {

struct ParsedReply {
  std::string reasoning;
  std::string content;
};

// Does not change: several threads may use one.
class ReplyGrammar {
 public:
  // Made from what llama.cpp found out when it made the prompt.
  explicit ReplyGrammar(const common_chat_params& rendered);
  ~ReplyGrammar();

  // Whether answers have no parts, judged by a short answer of a few words.
  bool TakesAllAsContent() const;

  // `partial`: more is to come, so text that may begin a tag is held back. Throws Failure (ERR_TEMPLATE).
  ParsedReply Parse(const std::string& output, bool partial) const;

 private:
  struct Params;
  const std::unique_ptr<const Params> params_;
};

}  // namespace gpt4all
