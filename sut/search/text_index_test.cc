#include "sut/search/text_index.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <set>

namespace gameday::search {
namespace {

class TextIndexTest : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string name = "/tmp/text_index_test.XXXXXX";
    directory_ = ::mkdtemp(name.data());
    reopen();
  }
  void TearDown() override {
    index_.reset();
    std::filesystem::remove_all(directory_);
  }

  void reopen() {
    index_.reset();
    auto opened = TextIndex::open(directory_ / "index");
    ASSERT_TRUE(opened) << opened.error().message;
    index_ = *std::move(opened);
  }
  void put(const std::string& object, const std::string& json, const std::string& index = "i") {
    index_->put(index, object, Json::parse(json));
  }
  std::vector<std::string> search(SearchQuery query, const std::string& index = "i") {
    auto objects = index_->search(index, query).objects;
    std::sort(objects.begin(), objects.end());
    return objects;
  }
  using Objects = std::vector<std::string>;

  std::filesystem::path directory_;
  std::unique_ptr<TextIndex> index_;
};

SearchQuery words(const std::string& text) {
  SearchQuery query;
  query.text = text;
  return query;
}

SearchQuery filter(const std::string& attribute, const std::string& value) {
  SearchQuery query;
  query.filters.emplace_back(attribute, value);
  return query;
}

TEST_F(TextIndexTest, FindsWordsPrefixesAndNumbers) {
  put("m", R"({"title":"The Matrix Reloaded","year":2003,"cast":["Keanu Reeves"]})");
  put("w", R"({"title":"The Mummy","year":1999})");
  put("m", R"({"title":"The Matrix Reloaded","year":2003})", "other");
  index_->commit();
  EXPECT_EQ(search(words("matrix")), Objects{"m"});
  EXPECT_EQ(search(words("the m")), (Objects{"m", "w"}));
  EXPECT_EQ(search(words("RELOADED matr")), Objects{"m"});
  EXPECT_EQ(search(words("keanu")), Objects{"m"});
  EXPECT_EQ(search(words("1999")), Objects{"w"});
  EXPECT_EQ(search(words("matrx")), Objects{"m"});  // corrected
  EXPECT_EQ(search(words("casablanca")), Objects{});
  EXPECT_EQ(search(words("keanu"), "other"), Objects{});
  EXPECT_EQ(search(words("")), (Objects{"m", "w"}));
  EXPECT_EQ(search(words("\"AND ( NOT *")), Objects{});
}

TEST_F(TextIndexTest, Filters) {
  put("a", R"({"tags":["Action","SciFi"],"year":2003,"ok":true,"ints":[1,2,3]})");
  put("b", R"({"tags":"drama","year":-5})");
  index_->commit();
  EXPECT_EQ(search(filter("tags", "action")), Objects{"a"});
  EXPECT_EQ(search(filter("year", "-5")), Objects{"b"});
  EXPECT_EQ(search(filter("ok", "true")), Objects{"a"});
  EXPECT_EQ(search(filter("ints", "2")), Objects{});  // lists of numbers are not indexed
  SearchQuery both = filter("tags", "action");
  both.filters.emplace_back("year", "-5");
  EXPECT_EQ(search(both), Objects{});
}

TEST_F(TextIndexTest, ReplacesAndRemoves) {
  put("a", R"({"w":"red"})");
  put("a", R"({"w":"green"})");
  EXPECT_EQ(search(words("")), Objects{});  // not committed
  index_->commit();
  EXPECT_EQ(search(words("red")), Objects{});
  EXPECT_EQ(search(words("green")), Objects{"a"});
  index_->remove("i", "a");
  index_->remove("i", "never there");
  index_->commit();
  EXPECT_EQ(search(words("green")), Objects{});
  put("a", R"({"w":"blue"})");
  index_->commit();
  EXPECT_EQ(search(words("blue")), Objects{"a"});
  reopen();
  EXPECT_EQ(search(words("blue")), Objects{});
}

TEST_F(TextIndexTest, Pages) {
  for (int i = 0; i < 25; ++i) put("o" + std::to_string(i), R"({"w":"same"})");
  index_->commit();
  SearchQuery query = words("same");
  query.hits_per_page = 10;
  std::set<std::string> seen;
  for (query.page = 0; query.page < 4; ++query.page) {
    const SearchHits hits = index_->search("i", query);
    EXPECT_EQ(hits.total, 25u);
    EXPECT_EQ(hits.objects.size(), query.page < 2 ? 10u : query.page == 2 ? 5u : 0u);
    seen.insert(hits.objects.begin(), hits.objects.end());
  }
  EXPECT_EQ(seen.size(), 25u);
}

TEST_F(TextIndexTest, TakesAnyText) {
  put(std::string("zero\0byte", 9), R"({"a\u0000b":"\u0000 \u00e9t\u00e9 )" +
                                        std::string(5000, 'x') +
                                        R"(","":"","n":1.5,"o":{"p":1},"z":null})");
  index_->commit();
  EXPECT_EQ(search(words("\xc3\xa9t")).size(), 1u);
  index_->remove("i", std::string("zero\0byte", 9));
  index_->commit();
  EXPECT_EQ(search(words("")).size(), 0u);
}

}  // namespace
}  // namespace gameday::search
