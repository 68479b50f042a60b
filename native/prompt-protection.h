// Keeps the parts of a prompt that users wrote from making up control texts.
#pragma once

#include <string>

#include "chat.h"
#include "jinja/marking.h"
#include "jinja/utf8.h"

namespace gpt4all {

// For one rendering.
class PromptProtection {
 public:
  // Breaks control texts in the messages, except single characters, so that the template does not take them
  // for its own.
  PromptProtection(RenderRequest& request, const std::string& source);

  // `work()`, which renders the request.
  template <typename Work>
  auto Render(const Work& work) {
    if (!request_.control) return work();
    const auto mark = [this](const jinja::MixedText& text) { return Mark(text); };
    const jinja::Marking marking(mark, jinja::DecodeUtf8(hidden_));
    return work();
  }

  // The marks in the first text that was rendered.
  const Marks& marks() const { return marks_; }

 private:
  std::string Mark(const jinja::MixedText& rendered);

  const RenderRequest& request_;
  std::string hidden_;  // what breaks control texts in messages
  Marks marks_;
};

}  // namespace gpt4all
