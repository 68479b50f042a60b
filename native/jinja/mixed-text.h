// Texts of which users may have written parts. What users write must not become a control token, whatever a
// template makes of it: so a text knows the origin of each byte.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace jinja {

// The bytes of a text that users wrote.
class UserBytes {
 public:
  struct Range {
    size_t begin, end;
  };

  static UserBytes All(size_t size);

  bool Any() const { return !ranges_.empty(); }
  // Ascending, with gaps between them.
  const std::vector<Range>& ranges() const { return ranges_; }
  size_t MemorySize() const { return ranges_.size() * sizeof(Range); }

  // Adds the ranges of `other` from `begin` to `end`, moved to `at`, which is after all ranges so far.
  void Append(const UserBytes& other, size_t begin, size_t end, size_t at);

 private:
  std::vector<Range> ranges_;
};

struct MixedText {
  MixedText() = default;
  // A text of the template's own.
  explicit MixedText(std::string text) : text(std::move(text)) {}
  MixedText(std::string text, UserBytes users) : text(std::move(text)), users(std::move(users)) {}

  size_t MemorySize() const { return text.size() + users.MemorySize(); }

  std::string text;
  UserBytes users;
};

// A text, or a part of one, that another object owns.
class MixedView {
 public:
  MixedView(const MixedText& whole) : MixedView(whole.text, whole.users) {}  // NOLINT: a view of it
  MixedView(std::string_view whole, const UserBytes& users) : MixedView(whole, users, 0) {}

  std::string_view text;

  // `part` is a part of `text`.
  MixedView Part(std::string_view part) const;
  MixedText Copy() const;
  bool HasUsers() const;
  bool IsUsers() const;  // wholly
  // The parts in order, each wholly the users' or the template's.
  std::vector<MixedView> Parts() const;
  // A text made of this one in a way that loses the origin of its bytes: all of it is the users' if any part
  // of this one is.
  MixedText Made(std::string made) const;

 private:
  friend void AppendText(MixedText& out, const MixedView& piece);

  MixedView(std::string_view text, const UserBytes& users, size_t begin)
      : text(text), users_(&users), begin_(begin) {}

  const UserBytes* users_;  // of the whole text
  size_t begin_;            // where in it `text` begins
};

// The text without the `mark`s in its users' parts; `mark` may be empty.
MixedText WithoutUsers(const MixedText& text, std::string_view mark);

// Appends to a text and counts its growth.
void AppendText(std::string& out, std::string_view piece);
void AppendText(MixedText& out, std::string_view piece);  // the template's
void AppendText(MixedText& out, const MixedView& piece);

}  // namespace jinja
