#include "checkers/events/value.h"

#include <sys/mman.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstring>
#include <new>

namespace gameday {
namespace {

constexpr std::size_t kCommit = std::size_t{1} << 17;      // cells: 1 MiB; all but the first few
constexpr std::size_t kLarge = std::size_t{1} << 20;       // come so many at a time, in huge pages
constexpr std::size_t kWriterBlock = std::size_t{1} << 12;  // cells: 32 KiB
constexpr std::size_t kTextBlock = std::size_t{1} << 16;

std::size_t mix(std::size_t h) {  // the finaliser of MurmurHash3 (Appleby, public domain)
  h ^= h >> 33;
  h *= 0xff51afd7ed558ccdULL;
  h ^= h >> 33;
  h *= 0xc4ceb9fe1a85ec53ULL;
  return h ^ h >> 33;
}

// Items of sets and maps in any order must hash alike.
bool ordered(Value v) { return v.kind() != Value::Kind::set && v.kind() != Value::Kind::map; }

}  // namespace

Values::Values() {
  // Address space costs nothing until it is written to. A limit on it (ulimit -v) gives less.
  for (std::size_t bytes = std::size_t{1} << 40; bytes >= (std::size_t{1} << 24); bytes /= 2) {
    void* at = mmap(nullptr, bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (at == MAP_FAILED) continue;
    cells_ = static_cast<Value*>(at);
    reserved_ = bytes / sizeof(Value);
    return;
  }
  throw std::bad_alloc();
}

Values::~Values() { munmap(cells_, reserved_ * sizeof(Value)); }

std::size_t Values::bytes() const { return committed_ * sizeof(Value); }

std::int64_t Values::take_cells(std::size_t n) {
  const std::scoped_lock lock(mutex_);
  if (taken_ + n > committed_) {
    const std::size_t step = committed_ < kLarge ? kCommit : kLarge;
    const std::size_t more = (taken_ + n - committed_ + step - 1) / step * step;
    if (committed_ + more > reserved_ ||
        mprotect(cells_ + committed_, more * sizeof(Value), PROT_READ | PROT_WRITE) != 0)
      throw std::bad_alloc();
    if (step == kLarge)  // where there are none, small ones do
      (void)madvise(cells_ + committed_, more * sizeof(Value), MADV_HUGEPAGE);
    committed_ += more;
  }
  const auto at = static_cast<std::int64_t>(taken_);
  taken_ += n;
  return at;
}

std::int64_t Values::intern(std::string_view text) {
  const std::scoped_lock lock(mutex_);
  if (const auto known = text_ids_.find(text); known != text_ids_.end()) return known->second;
  if (text.size() > text_left_) {
    const std::size_t size = std::max(kTextBlock, text.size());
    text_blocks_.push_back(std::make_unique<char[]>(size));
    text_next_ = text_blocks_.back().get();
    text_left_ = size;
  }
  if (!text.empty()) std::memcpy(text_next_, text.data(), text.size());
  const std::string_view kept(text_next_, text.size());
  text_next_ += text.size();
  text_left_ -= text.size();
  const auto id = static_cast<std::int64_t>(text_count_++);
  const std::size_t n = static_cast<std::size_t>(id) + kFirstTexts;
  if (std::has_single_bit(n)) {  // the first of its table
    const auto table = static_cast<std::size_t>(std::bit_width(n)) - std::bit_width(kFirstTexts);
    texts_[table] = std::make_unique<std::string_view[]>(n);
  }
  text_slot(static_cast<std::size_t>(id)) = kept;
  text_ids_.emplace(kept, id);
  return id;
}

Values::Writer& Values::writer() {
  if (!writer_) writer_ = std::make_unique<Writer>(*this);
  return *writer_;
}

double Values::real(Value v) const {
  switch (v.kind()) {
    case Value::Kind::integer: return static_cast<double>(v.as_integer());
    case Value::Kind::real: {
      double d = 0;
      std::memcpy(&d, cells_ + v.payload(), sizeof d);
      return d;
    }
    case Value::Kind::big: {
      double d = 0;
      const auto t = text(v);
      std::from_chars(t.data(), t.data() + t.size(), d);
      return d;
    }
    default: return std::nan("");
  }
}

bool Values::says(Value v, std::string_view t) const {
  return v.kind() >= Value::Kind::string && v.kind() <= Value::Kind::symbol && text(v) == t;
}

Value Values::get(Value map, std::string_view key) const {
  if (map.kind() != Value::Kind::map) return {};
  const auto all = items(map);
  for (std::size_t i = 0; i + 1 < all.size(); i += 2)
    if (says(all[i], key)) return all[i + 1];
  return {};
}

bool Values::equal(Value a, Value b) const {
  if (a == b) return true;
  if (a.is_sequence() ? !b.is_sequence() : a.kind() != b.kind()) return false;
  if (a.kind() == Value::Kind::real) return real(a) == real(b);
  if (!a.is_collection()) return false;
  const auto x = items(a), y = items(b);
  if (x.size() != y.size()) return false;
  if (ordered(a)) {
    for (std::size_t i = 0; i < x.size(); ++i)
      if (!equal(x[i], y[i])) return false;
    return true;
  }
  const std::size_t step = a.kind() == Value::Kind::map ? 2 : 1;
  for (std::size_t i = 0; i < x.size(); i += step) {
    bool found = false;
    for (std::size_t j = 0; j < y.size() && !found; j += step)
      found = equal(x[i], y[j]) && (step == 1 || equal(x[i + 1], y[j + 1]));
    if (!found) return false;
  }
  return true;
}

std::size_t Values::hash(Value v) const {
  if (v.kind() == Value::Kind::real) {
    const double d = real(v);
    return d == 0 ? 7 : mix(std::hash<double>{}(d));
  }
  if (!v.is_collection()) return mix(v.bits());
  const auto all = items(v);
  std::size_t h = v.is_sequence() ? 1 : static_cast<std::size_t>(v.kind()) + 1;
  const std::size_t step = v.kind() == Value::Kind::map ? 2 : 1;
  for (std::size_t i = 0; i < all.size(); i += step) {
    std::size_t item = hash(all[i]);
    if (step == 2) item = mix(item * 31 + hash(all[i + 1]));
    h = ordered(v) ? mix(h * 31 + item) : h + mix(item);
  }
  return h;
}

namespace {

std::string shortest(double d) {
  if (std::isnan(d)) return "##NaN";
  if (std::isinf(d)) return d > 0 ? "##Inf" : "##-Inf";
  char text[40];
  const auto end = std::to_chars(text, text + sizeof text, d).ptr;
  std::string s(text, end);
  if (s.find_first_of(".e") == std::string::npos) s += ".0";
  return s;
}

void quote(std::string& out, std::string_view t) {
  out += '"';
  for (const char c : t) {
    switch (c) {
      case '"': out += "\\\""; break;
      case '\\': out += "\\\\"; break;
      case '\n': out += "\\n"; break;
      case '\r': out += "\\r"; break;
      case '\t': out += "\\t"; break;
      default: out += c;
    }
  }
  out += '"';
}

void print(const Values& values, Value v, std::string& out) {
  const auto items = [&](std::string_view open, char close) {
    out += open;
    const auto all = values.items(v);
    for (std::size_t i = 0; i < all.size(); ++i) {
      if (i > 0) out += v.kind() == Value::Kind::map && i % 2 == 0 ? ", " : " ";
      print(values, all[i], out);
    }
    out += close;
  };
  switch (v.kind()) {
    case Value::Kind::nil: out += "nil"; break;
    case Value::Kind::boolean: out += v.payload() != 0 ? "true" : "false"; break;
    case Value::Kind::integer: out += std::to_string(v.as_integer()); break;
    case Value::Kind::real: out += shortest(values.real(v)); break;
    case Value::Kind::big: case Value::Kind::symbol: out += values.text(v); break;
    case Value::Kind::string: quote(out, values.text(v)); break;
    case Value::Kind::keyword: out.append(":").append(values.text(v)); break;
    case Value::Kind::character: out.append("\\").append(values.text(v)); break;
    case Value::Kind::vector: items("[", ']'); break;
    case Value::Kind::list: items("(", ')'); break;
    case Value::Kind::set: items("#{", '}'); break;
    case Value::Kind::map: items("{", '}'); break;
    case Value::Kind::tagged:
      out += '#';
      print(values, values.items(v)[0], out);
      out += ' ';
      print(values, values.items(v)[1], out);
      break;
  }
}

}  // namespace

std::string Values::edn(Value v) const {
  std::string out;
  print(*this, v, out);
  return out;
}

Json Values::json(Value v) const {
  switch (v.kind()) {
    case Value::Kind::nil: return nullptr;
    case Value::Kind::boolean: return v.payload() != 0;
    case Value::Kind::integer: return v.as_integer();
    case Value::Kind::real: return real(v);
    case Value::Kind::big: {
      const auto t = text(v);
      std::int64_t n = 0;
      const auto [end, error] = std::from_chars(t.data(), t.data() + t.size(), n);
      if (error == std::errc() && end == t.data() + t.size()) return n;
      return std::string(t);
    }
    case Value::Kind::string: case Value::Kind::keyword: case Value::Kind::symbol:
    case Value::Kind::character: return std::string(text(v));
    case Value::Kind::tagged: return json(items(v)[1]);
    case Value::Kind::map: {
      Json object = Json::object();
      const auto all = items(v);
      for (std::size_t i = 0; i + 1 < all.size(); i += 2)
        object[all[i].is_text() ? std::string(text(all[i])) : edn(all[i])] = json(all[i + 1]);
      return object;
    }
    default: {
      Json array = Json::array();
      for (const Value item : items(v)) array.push_back(json(item));
      return array;
    }
  }
}

std::int64_t Values::Writer::intern(std::string_view t) {
  if (t.size() > 8) return intern_long(t);
  std::uint64_t word = 0;
  if (t.size() >= 4) {
    std::uint32_t low, high;
    std::memcpy(&low, t.data(), 4);
    std::memcpy(&high, t.data() + t.size() - 4, 4);
    word = low | std::uint64_t{high} << (8 * (t.size() - 4));  // what both have is the same
  } else {
    for (std::size_t i = 0; i < t.size(); ++i)
      word |= std::uint64_t{static_cast<unsigned char>(t[i])} << (8 * i);
  }
  return intern_short(word, t.size(), t.data());
}

std::int64_t Values::Writer::intern_long(std::string_view t) {
  if (const auto known = seen_.find(t); known != seen_.end()) return known->second;
  const std::int64_t id = values_.intern(t);
  seen_.emplace(values_.text_slot(static_cast<std::size_t>(id)), id);
  return id;
}

Value Values::Writer::integer(std::int64_t n) {
  return Value::fits(n) ? Value::integer(n) : big(std::to_string(n));
}

Value Values::Writer::real(double d) {
  const Value cell = collection(Value::Kind::real, {});
  static_assert(sizeof d == sizeof(Value));
  std::memcpy(static_cast<void*>(values_.cells_ + cell.payload()), &d, sizeof d);
  return cell;
}

Value Values::Writer::collection_elsewhere(Value::Kind kind, std::span<const Value> items) {
  const std::size_t n = items.size() + 1;
  if (n > kWriterBlock / 4) {  // a big one has its own block, and the small one goes on
    const std::int64_t at = values_.take_cells(n);
    values_.cells_[at] = Value::integer(static_cast<std::int64_t>(items.size()));
    std::copy(items.begin(), items.end(), values_.cells_ + at + 1);
    return {kind, at};
  }
  next_ = values_.take_cells(kWriterBlock);
  left_ = kWriterBlock;
  return collection(kind, items);
}

Value Values::Writer::from_json(const Json& json) {
  switch (json.type()) {
    case Json::value_t::boolean: return Value::boolean(json.get<bool>());
    case Json::value_t::number_integer: return integer(json.get<std::int64_t>());
    case Json::value_t::number_unsigned: {
      const auto n = json.get<std::uint64_t>();
      return n >> 62 == 0 ? integer(static_cast<std::int64_t>(n)) : big(std::to_string(n));
    }
    case Json::value_t::number_float: return real(json.get<double>());
    case Json::value_t::string: return string(json.get_ref<const std::string&>());
    case Json::value_t::array: case Json::value_t::object: {
      std::vector<Value> all;
      for (const auto& [key, item] : json.items()) {
        if (json.is_object()) all.push_back(string(key));
        all.push_back(from_json(item));
      }
      return collection(json.is_object() ? Value::Kind::map : Value::Kind::vector, all);
    }
    default: return {};
  }
}

std::int32_t Dense::find(Value v) const {
  if (v.is_integer() && v.as_integer() >= 0 &&
      static_cast<std::size_t>(v.as_integer()) < small_.size()) {
    if (const auto id = small_[static_cast<std::size_t>(v.as_integer())]; id != 0) return id - 1;
  }
  return table_.empty() ? -1 : table_[slot(v)] - 1;
}

std::int32_t Dense::id(Value v) {
  if (v.is_integer() && v.as_integer() >= 0) {
    const auto n = static_cast<std::size_t>(v.as_integer());
    if (n >= small_.size() && n < 1024 + 8 * seen_.size()) {
      // Dense enough. Integers that went to the table before stay there: find() looks at both.
      small_.resize(std::max(n + 1, small_.size() * 2), 0);
    }
    if (n < small_.size()) {
      if (small_[n] != 0) return small_[n] - 1;
      if (!table_.empty())
        if (const auto known = table_[slot(v)]; known != 0) {
          small_[n] = known;
          return known - 1;
        }
      seen_.push_back(v);
      return (small_[n] = static_cast<std::int32_t>(seen_.size())) - 1;
    }
  }
  if (table_.size() < 2 * (seen_.size() + 1)) grow(std::max<std::size_t>(64, 4 * seen_.size()));
  const std::size_t at = slot(v);
  if (table_[at] == 0) {
    seen_.push_back(v);
    table_[at] = static_cast<std::int32_t>(seen_.size());
  }
  return table_[at] - 1;
}

std::size_t Dense::slot(Value v) const {
  const std::size_t mask = table_.size() - 1;
  std::size_t at = values_.hash(v) & mask;
  while (table_[at] != 0 && !values_.equal(seen_[static_cast<std::size_t>(table_[at] - 1)], v))
    at = (at + 1) & mask;
  return at;
}

void Dense::grow(std::size_t slots) {
  std::size_t size = 64;
  while (size < slots) size *= 2;
  const std::vector<std::int32_t> old = std::exchange(table_, std::vector<std::int32_t>(size, 0));
  for (const std::int32_t entry : old)
    if (entry != 0) table_[slot(seen_[static_cast<std::size_t>(entry - 1)])] = entry;
}

void Dense::reserve(std::size_t n) {
  seen_.reserve(n);
  small_.reserve(n);
}

}  // namespace gameday
