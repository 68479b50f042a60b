#include "mixed-text.h"

#include <algorithm>

#include "limits.h"

namespace jinja {

UserBytes UserBytes::All(size_t size) {
  UserBytes all;
  if (size > 0) all.ranges_.push_back({0, size});
  return all;
}

void UserBytes::Append(const UserBytes& other, size_t begin, size_t end, size_t at) {
  const auto is_before = [](size_t place, const Range& range) { return place < range.end; };
  auto range = std::upper_bound(other.ranges_.begin(), other.ranges_.end(), begin, is_before);
  for (; range != other.ranges_.end() && range->begin < end; ++range) {
    const size_t first = std::max(range->begin, begin) - begin + at,
                 last = std::min(range->end, end) - begin + at;
    if (!ranges_.empty() && ranges_.back().end == first) {
      ranges_.back().end = last;
      continue;
    }
    Spend(1);
    EnsureRoom(MemorySize() + sizeof(Range));
    ranges_.push_back({first, last});
  }
}

MixedView MixedView::Part(std::string_view part) const {
  if (part.empty()) return {part, *users_, begin_};
  return {part, *users_, begin_ + static_cast<size_t>(part.data() - text.data())};
}

MixedText MixedView::Copy() const {
  MixedText copy{std::string(text)};
  copy.users.Append(*users_, begin_, begin_ + text.size(), 0);
  return copy;
}

bool MixedView::HasUsers() const {
  const size_t end = begin_ + text.size();
  const auto& ranges = users_->ranges();
  return std::any_of(ranges.begin(), ranges.end(),
                     [&](const auto& range) { return range.end > begin_ && range.begin < end; });
}

bool MixedView::IsUsers() const {
  const size_t end = begin_ + text.size();
  const auto& ranges = users_->ranges();
  return std::any_of(ranges.begin(), ranges.end(),
                     [&](const auto& range) { return range.begin <= begin_ && range.end >= end; });
}

std::vector<MixedView> MixedView::Parts() const {
  std::vector<MixedView> parts;
  size_t copied = 0;
  const auto add = [&](size_t end) {
    if (end > copied) parts.push_back(Part(text.substr(copied, end - copied)));
    copied = std::max(copied, end);
  };
  for (const UserBytes::Range& users : users_->ranges()) {
    if (users.end <= begin_) continue;
    if (users.begin >= begin_ + text.size()) break;
    add(std::max(users.begin, begin_) - begin_);
    add(std::min(users.end - begin_, text.size()));
  }
  add(text.size());
  SpendOnItems(parts.size());
  return parts;
}

MixedText MixedView::Made(std::string made) const {
  UserBytes users = HasUsers() ? UserBytes::All(made.size()) : UserBytes();
  return {std::move(made), std::move(users)};
}

MixedText WithoutUsers(const MixedText& text, std::string_view mark) {
  if (mark.empty() || text.text.find(mark) == std::string::npos) return text;
  MixedText left;
  const MixedView whole = text;
  size_t copied = 0;
  for (const UserBytes::Range& users : text.users.ranges()) {
    for (size_t at = users.begin; (at = whole.text.find(mark, at)) < users.end; at = copied) {
      AppendText(left, whole.Part(whole.text.substr(copied, at - copied)));
      copied = at + mark.size();
    }
  }
  AppendText(left, whole.Part(whole.text.substr(copied)));
  return left;
}

void AppendText(std::string& out, std::string_view piece) {
  SpendOnCopying(piece.size());
  EnsureRoom(out.size() + piece.size());
  out += piece;
}

void AppendText(MixedText& out, std::string_view piece) {
  AppendText(out.text, piece);
}

void AppendText(MixedText& out, const MixedView& piece) {
  out.users.Append(*piece.users_, piece.begin_, piece.begin_ + piece.text.size(), out.text.size());
  AppendText(out.text, piece.text);
}

}  // namespace jinja
