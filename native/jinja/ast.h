// A template's text as a tree. The tree does not change once it is made: several threads may render it.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "context.h"

namespace jinja {

// How rendering continues after a node: with the next one, after the loop around it, or with its next item.
enum class Flow { kOn, kBreak, kContinue };

// Part of a template. Rendering it is counted and guarded, and errors have its position.
struct Node {
  virtual ~Node() = default;

  // Appends the node's output. Output from before a break or continue stays.
  Flow Render(Context& context, MixedText& out) const;
  virtual void ForEachChild(const std::function<void(const Node&)>& visit) const = 0;

  size_t position = 0;  // in the source
  size_t depth = 1;     // nodes within one another, this one among them

 protected:
  virtual Flow DoRender(Context& context, MixedText& out) const = 0;
};

using NodePtr = std::unique_ptr<Node>;
using Body = std::vector<NodePtr>;

Flow RenderBody(const Body& body, Context& context, MixedText& out);

// Appends to the output, which is counted like what values hold until its Writing ends.
void Write(MixedText& out, std::string_view text);  // the template's
void Write(MixedText& out, const MixedView& text);

struct Writing {
  Writing() = default;
  Writing(const Writing&) = delete;
  Writing& operator=(const Writing&) = delete;
  ~Writing();

  MixedText Take();

  MixedText out;
};

struct Expression : Node {
  ValuePtr Evaluate(Context& context) const;

 protected:
  virtual ValuePtr DoEvaluate(Context& context) const = 0;
  Flow DoRender(Context& context, MixedText& out) const override;
};

using ExpressionPtr = std::unique_ptr<Expression>;
using Expressions = std::vector<ExpressionPtr>;

// Visits the nodes that are not null.
template <typename... Parts>
void VisitAll(const std::function<void(const Node&)>& visit, const Parts&... parts) {
  const auto one = [&visit](const auto& part) {
    if (part) visit(*part);
  };
  (one(parts), ...);
}

template <typename T>
void VisitEach(const std::function<void(const Node&)>& visit, const std::vector<std::unique_ptr<T>>& parts) {
  for (const auto& part : parts) VisitAll(visit, part);
}

using Visitor = std::function<void(const Node&)>;

}  // namespace jinja
