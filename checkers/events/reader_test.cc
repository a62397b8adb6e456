#include <gtest/gtest.h>
#include <zlib.h>
#include <zstd.h>

#include <filesystem>
#include <fstream>
#include <random>
#include <set>

#include "checkers/events/read.h"
#include "checkers/events/read_fuzz.h"

namespace gameday {
namespace {

namespace fs = std::filesystem;

std::string slurp(const fs::path& file) {
  std::ifstream in(file, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

std::vector<fs::path> cases() {
  std::vector<fs::path> files;
  for (const auto& entry : fs::directory_iterator(TESTDATA))
    if (entry.path().extension() != ".expected") files.push_back(entry.path());
  std::sort(files.begin(), files.end());
  return files;
}

std::string error_of(std::string_view text, Format format = Format::automatic) {
  ReadOptions options;
  options.format = format;
  const auto events = parse_events(text, "h", options);
  return events ? "no error" : events.error().message;
}

TEST(Reader, ReadsEveryFormat) {
  ASSERT_GE(cases().size(), 9u);
  for (const auto& file : cases()) {
    const auto events = read_events(file);
    const std::string got = events ? reading::dump(*events) : events.error().message + "\n";
    EXPECT_EQ(got, slurp(file.string() + ".expected")) << file;
  }
}

TEST(Reader, SaysWhereAndWhatIsWrong) {
  const std::string good = R"({"process":0,"type":"invoke","f":"r"})";
  EXPECT_EQ(error_of(good + "\n{\"process\":1,\"ty"),
            "h:2:17: expected the end of the string that began before, found the end of the file");
  EXPECT_EQ(error_of(good + "\n{\"process\":1 \"type\":\"ok\"}"),
            "h:2:14: expected a comma or '}', found '\"'");
  EXPECT_EQ(error_of(good + "\r\n  [1]"), "h:2:3: expected an op: an object, found '['");
  EXPECT_EQ(error_of("{:process 0, :type :maybe}"),
            "h:1:20: expected the type invoke, ok, fail or info, found ':maybe'");
  EXPECT_EQ(error_of("\n {:process 0 :f :read}"), "h:2:2: expected an op with a :type, found '{'");
  EXPECT_EQ(error_of("{:process 1.5, :type :ok}"),
            "h:1:11: expected a process: a number from 0 to 2147483647, a name or nil, found '1.5'");
  EXPECT_EQ(error_of("{:process 3, :type :ok, :f :read}"),
            "h:1:1: a completion without an invocation: {:process 3, :type :ok, :f :read, :value nil, "
            ":index 0}");
  EXPECT_EQ(error_of(good + "\n" + good),
            "h:2:1: process 0 invokes again while its call {:process 0, :type :invoke, :f :r, :value nil, "
            ":index 0} is open: {:process 0, :type :invoke, :f :r, :value nil, :index 1}");
  EXPECT_EQ(error_of("{:process 0, :type :info, :f :a}\n{:type :invoke, :f :a}\n"
                     "{:process 0, :type :ok, :f :a}\n{:type :ok, :f :b}"),
            error_of("{:process 0, :type :info, :f :a}"))
      << "the first in the text, not the first that is looked for";
  EXPECT_EQ(error_of("[" + good), "h:1:39: expected a comma or ']', found the end of the file");
  EXPECT_EQ(error_of("[{:type :info}] x"),
            "h:1:17: expected nothing behind the end of the history, found 'x'");
  EXPECT_EQ(error_of("{:type :info :value #{1 1}}"),
            "h:1:22: expected a set without duplicates, found '{'");
  EXPECT_EQ(error_of("{:type :info :value 1.2.3}"), "h:1:21: expected a number, found '1.2.3'");
  EXPECT_EQ(error_of("{:type :info :value \"\xff\"}"), "h:1:22: expected UTF-8, found the byte 0xff");
  EXPECT_EQ(error_of("0\t:invoke\t:read\tnil\n0\t:ok\t:read\t[1 2\n", Format::text),
            "h:2:17: expected a value or ']', found the end of the line");
  EXPECT_EQ(error_of("hello"),
            "h:1:1: expected a history: op maps of EDN or JSON, lines of process, type, f and value, or "
            "transactions of AWDIT, found 'hello'");
  EXPECT_EQ(error_of(std::string(9, '\0')),
            "h:1:1: expected a history: op maps of EDN or JSON, lines of process, type, f and value, or "
            "transactions of AWDIT, found the byte 0x00");
  EXPECT_EQ(error_of(std::string_view("\0{\0}", 4)),
            "h:1:1: expected text in UTF-8, not in UTF-16, found the byte 0x00");
  EXPECT_EQ(error_of("w 0 a\n"), "h:1:5: expected a value: a number, found 'a'");
  EXPECT_EQ(error_of("w 0 1\n---\nr 0\n"), "h:3:4: expected a value: a number, found the end of the line");
  EXPECT_EQ(error_of("w 0 1\n---\nx 0 1"),
            "h:3:1: expected r or w with a key and a value, or a line of '-' or '=', found 'x'");
  EXPECT_EQ(error_of("[{\"type\":\"info\",\"value\":[[\"r\",1,],2]}]"),
            "h:1:33: expected a value, found ']'");
  const std::string deep = "{\"type\":\"info\",\"value\":" + std::string(300, '[');
  EXPECT_EQ(error_of(deep), "h:1:223: expected at most 200 levels of nesting, found '['");
}

TEST(Reader, NothingIsAnEmptyHistory) {
  for (const char* text : {"", "\n\n", "[]", "()", " [ ] ", "; nothing\n"}) {
    const auto events = parse_events(text);
    ASSERT_TRUE(events) << text << events.error().message;
    EXPECT_EQ(events->size(), 0u);
  }
}

TEST(Reader, TakesAByteOrderMarkAndOtherLineEnds) {
  EXPECT_EQ(error_of("\xef\xbb\xbf{\"type\":\"info\"}\r\n{\"type\":\"info\"}\r\n"), "no error");
  EXPECT_EQ(error_of("\xef\xbb\xbf{:type :info}\r\n0 "), "h:2:1: expected an op: a map, found '0'");
}

std::string gzip(std::string_view text) {
  std::string out(compressBound(text.size()) + 64, 0);
  z_stream stream{};
  deflateInit2(&stream, 6, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY);
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(text.data()));
  stream.avail_in = static_cast<uInt>(text.size());
  stream.next_out = reinterpret_cast<Bytef*>(out.data());
  stream.avail_out = static_cast<uInt>(out.size());
  deflate(&stream, Z_FINISH);
  out.resize(stream.total_out);
  deflateEnd(&stream);
  return out;
}

std::string zstd(std::string_view text) {
  std::string out(ZSTD_compressBound(text.size()), 0);
  out.resize(ZSTD_compress(out.data(), out.size(), text.data(), text.size(), 3));
  return out;
}

std::string many_ops(int calls) {
  std::string text;
  for (int i = 0; i < calls; ++i)
    for (const char* type : {"invoke", "ok"})
      text += fmt::format(
          "{{\"index\":{},\"time\":{},\"process\":{},\"type\":\"{}\",\"f\":\"txn\","
          "\"value\":[[\"append\",{},{}],[\"r\",{},null]]{}}}\n",
          2 * i + (type[0] == 'o' ? 1 : 0), 1000 * i, i % 7, type, i % 5, i, i % 3,
          i % 100 == 0 ? ",\"node\":\"n1\"" : "");
  return text;
}

TEST(Reader, UnpacksArchivesOfSeveralMembers) {
  const std::string text = many_ops(3000);
  const std::string expected = reading::dump(*parse_events(text));
  const std::size_t half = text.size() / 2;
  for (const auto pack : {gzip, zstd}) {
    const std::string packed = pack(text.substr(0, half)) + pack(text.substr(half));
    const auto events = parse_events(packed);
    ASSERT_TRUE(events) << events.error().message;
    EXPECT_EQ(reading::dump(*events), expected);
    const std::string cut = error_of(packed.substr(0, packed.size() - 20));
    EXPECT_NE(cut.find("cut off"), std::string::npos) << cut;
    std::string damaged = packed;
    for (std::size_t i = 60; i < 90; ++i) damaged[i] = static_cast<char>(damaged[i] ^ 0x5a);
    const std::string error = error_of(damaged);
    EXPECT_TRUE(error.find("damaged") != error.npos || error.find("expected") != error.npos) << error;
  }
}

TEST(Reader, BlocksOnThreadsGiveTheSameAsReadingAtOnce) {
  std::string text = many_ops(400);
  const std::string edn =
      "{:process 9, :type :invoke, :value \"a\n{:type :ok}\"}\n{:process 9\n :type :ok}\n";
  for (const std::string& t :
       {text, text + "{\"process\":50,\"type\":\"ok\"}\n" + text, text + "{\"x", edn + edn + edn}) {
    const Format format = t[1] == ':' ? Format::edn : Format::jsonl;
    const std::string expected = reading::read_dump(t, format, 1, {});
    for (const std::size_t block : {64, 100, 333, 1000, 5000})
      for (const unsigned threads : {1u, 2u, 4u})
        EXPECT_EQ(reading::read_dump(t, format, threads, {block, 1}), expected) << block << " " << threads;
  }
}

TEST(Reader, ObeysLimitsAndInterruption) {
  const std::string text = many_ops(20000);
  ReadOptions options;
  options.memory_bytes = 1 << 20;
  auto events = parse_events(text, "h", options);
  ASSERT_FALSE(events);
  EXPECT_NE(events.error().message.find("takes more memory than the 1 MB that it may use"), std::string::npos)
      << events.error().message;
  const std::atomic<bool> stop = true;
  options = {};
  options.stop = &stop;
  events = parse_events(text, "h", options);
  ASSERT_FALSE(events);
  EXPECT_EQ(events.error().message, "interrupted");
}

Json random_json(std::mt19937_64& rng, int depth) {
  switch (rng() % (depth > 0 ? 9 : 7)) {
    case 0: return nullptr;
    case 1: return rng() % 2 == 0;
    case 2: return static_cast<std::int64_t>(rng()) >> rng() % 64;
    case 3: return static_cast<std::int64_t>(rng() % 100);
    case 4: return std::bit_cast<double>(rng() >> 2 | 1);
    case 5: case 6: {
      static constexpr std::string_view pieces[] = {"a", "\"", "\\", "\n", "\x01", "é",
                                                    "😀", "/",  "zz", " ",  "{",    "\x7f"};
      std::string text;
      for (auto n = rng() % 8; n > 0; --n) text += pieces[rng() % std::size(pieces)];
      return text;
    }
    case 7: {
      Json array = Json::array();
      for (auto n = rng() % 5; n > 0; --n) array.push_back(random_json(rng, depth - 1));
      return array;
    }
    default: {
      Json object = Json::object();
      for (auto n = rng() % 5; n > 0; --n) object[random_json(rng, 0).dump()] = random_json(rng, depth - 1);
      return object;
    }
  }
}

TEST(Reader, ReadsJsonAsNlohmannDoes) {
  std::mt19937_64 rng(7);
  for (int i = 0; i < 5000; ++i) {
    const Json value = random_json(rng, 4);
    const bool ascii = i % 2 == 0;
    const Json op = {{"type", "invoke"}, {"process", 0}, {"value", value}};
    const auto events = parse_events(op.dump(i % 3 == 0 ? 2 : -1, ' ', ascii));
    ASSERT_TRUE(events) << events.error().message;
    ASSERT_EQ(events->values().json(events->value(0)), value) << op.dump();
  }
  const auto events = parse_events(R"({"type":"info","value":[18446744073709551616, 1e999, -0, 1E+2]})");
  ASSERT_TRUE(events) << events.error().message;
  EXPECT_EQ(events->values().edn(events->value(0)), "[18446744073709551616 1e999 0 100.0]");
}

TEST(Reader, RefusesWhatIsNoJson) {
  for (const char* value :
       {"01", "1.", ".5", "-", "+1", "1e", "tru", "nul", "'a'", "[1,]", "{\"a\":1,}", "{a:1}", "\"\\x\"",
        "\"\\ud800\"", "\"\\udc00\"", "\"\t\"", "[1 2]", "NaN", "//"}) {
    const std::string text = fmt::format(R"({{"type":"info","value":{}}})", value);
    EXPECT_FALSE(Json::accept(text)) << text;
    EXPECT_NE(error_of(text, Format::jsonl).find(": expected "), std::string::npos) << text;
  }
}

Value random_edn(Values::Writer& w, std::mt19937_64& rng, int depth) {
  using Kind = Value::Kind;
  const auto some = [&](std::size_t step) {
    std::vector<Value> items;
    for (auto n = static_cast<std::int64_t>(rng() % 12); n > 0; --n) {
      if (step > 0) items.push_back(w.vector({Value::integer(n)}));  // distinct
      if (step != 1) items.push_back(random_edn(w, rng, depth - 1));
    }
    return items;
  };
  switch (rng() % (depth > 0 ? 15 : 9)) {
    case 0: return {};
    case 1: return Value::boolean(rng() % 2 == 0);
    case 2: return w.integer(static_cast<std::int64_t>(rng()) >> rng() % 64);
    case 3: return w.real(std::bit_cast<double>(rng() >> 2 | 1));
    case 4: return w.string(random_json(rng, 0).dump());
    case 5: return w.keyword(rng() % 2 == 0 ? "a/b-c" : "été!");
    case 6: return w.symbol(rng() % 2 == 0 ? "x.y/z" : "->a'");
    case 7: return w.character(rng() % 2 == 0 ? "newline" : "é");
    case 8: return w.big(rng() % 2 == 0 ? "-123456789012345678901234567890" : "22/7");
    case 9: return w.collection(Kind::set, some(1));
    case 10: return w.collection(Kind::map, some(2));
    case 11:
      return w.collection(Kind::tagged, std::array{w.symbol("a.b/C"), random_edn(w, rng, depth - 1)});
    case 12: return w.collection(Kind::list, some(0));
    default: return w.vector(some(0));
  }
}

TEST(Reader, ReadsWhatValuesPrint) {
  std::mt19937_64 rng(11);
  Values values;
  for (int i = 0; i < 5000; ++i) {
    const std::string printed = values.edn(random_edn(values.writer(), rng, 4));
    const auto events = parse_events("{:type :invoke, :process 0, :value " + printed + "}");
    ASSERT_TRUE(events) << events.error().message << "\n" << printed;
    ASSERT_EQ(events->values().edn(events->value(0)), printed);
  }
}

TEST(Reader, ForgetsWhatIsWrongWithTheValueOfANemesis) {
  std::string text;
  for (int i = 0; i < 300; ++i) text += ":nemesis\t:info\t:start\t[[[ cut \"off\n";
  EXPECT_EQ(error_of(text, Format::text), "no error");
  EXPECT_EQ(error_of(text + "1led\t:invoke\t:read\tnil\n", Format::text),
            "h:301:1: expected a number, found '1led'");
}

// The first op is read the slow way, one of the same shape behind it the quick way.
TEST(Reader, ReadsAnOpLikeTheOneBeforeAsItReadsTheFirst) {
  static constexpr std::string_view kParts[] = {
      "[", "[", "[", "]", "]", "]", ",", ",", " ", " ", "\"w\"", "\"r\"", "\"\"", "\"append\"",
      "\"\\n\"", "\"tooooolong\"", "\"\xc3\xa9\"", "\"a b\"", ":w", ":r", ":append", ":a/b", ":x1",
      "nil", "null", "true", "0", "7", "-3", "00", "12", "345", "6789", "12345", "99999999",
      "123456789012345678", "1.5", "{}", "(", ")", "{", "}", "x", "-"};
  std::mt19937_64 rng(3);
  std::size_t good = 0;
  for (int i = 0; i < 8000; ++i) {
    const bool json = i % 2 == 0;
    std::string value = "[[";
    for (auto n = rng() % 8; n > 0; --n) {
      value += kParts[rng() % std::size(kParts)];
      if (rng() % 4 > 0) value += json ? "," : " ";
    }
    value += rng() % 2 == 0 ? "]]" : "] [1]]";
    const auto op = [&](std::string_view v) {
      return json ? fmt::format("{{\"type\":\"info\",\"value\":{}}}\n", v)
                  : fmt::format("{{:type :info, :value {}}}\n", v);
    };
    const Format format = json ? Format::jsonl : Format::edn;
    ReadOptions options;
    options.format = format;
    const auto first = parse_events(op(value) + op("1"), "h", options);
    const auto second = parse_events(op("1") + op(value), "h", options);
    ASSERT_EQ(first.has_value(), second.has_value()) << value;
    if (first) {
      ++good;
      const Values& a = first->values();
      ASSERT_EQ(a.edn(first->value(0)), second->values().edn(second->value(1))) << value;
    } else {
      std::string moved = second.error().message;
      ASSERT_TRUE(moved.starts_with("h:")) << moved;
      if (moved.starts_with("h:2:")) moved[2] = '1';
      ASSERT_EQ(first.error().message, moved) << value;
    }
  }
  EXPECT_GT(good, 500u);
}

// The fuzzer's property on the test data and on mutations of it, where there is no fuzzer.
TEST(Reader, MutationsNeitherCrashNorDependOnBlocks) {
  std::mt19937_64 rng(1);
  std::vector<std::string> seeds;
  for (const auto& file : cases()) seeds.push_back(slurp(file));
  seeds.push_back(gzip(seeds[0]));
  seeds.push_back(zstd(seeds[0]));
  const auto run = [](const std::string& text) {
    LLVMFuzzerTestOneInput(reinterpret_cast<const unsigned char*>(text.data()), text.size());
  };
  for (const auto& seed : seeds) run(seed);
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(1);
  for (int i = 0; i < 2000 && std::chrono::steady_clock::now() < deadline; ++i) {
    std::string text = seeds[rng() % seeds.size()];
    for (auto n = 1 + rng() % 3; n > 0 && !text.empty(); --n) {
      const std::size_t at = rng() % text.size();
      const std::size_t length = std::min<std::size_t>(rng() % 12, text.size() - at);
      static constexpr std::string_view kSigns = "{}[]()\"\\:;,#_ \n\t09-.eNMrx/^~@\xff";
      switch (rng() % 5) {
        case 0: text[at] = kSigns[rng() % kSigns.size()]; break;
        case 1: text.erase(at, length); break;
        case 2: text.insert(at, text.substr(rng() % text.size(), length)); break;
        case 3: text.insert(at, 1, kSigns[rng() % kSigns.size()]); break;
        default: text.resize(at); break;
      }
    }
    run(text);
  }
}

}  // namespace
}  // namespace gameday
