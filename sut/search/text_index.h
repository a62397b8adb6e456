// Full-text search over the documents, on Xapian. The index is derived data: it is built anew at
// every start and never synced. Strings and scalars at the top level, and strings in lists, are
// indexed; lists of numbers are not, so that a document with a long one stays cheap.
#pragma once

#include <cstddef>
#include <filesystem>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "harness/core/error.h"
#include "harness/core/json.h"

namespace gameday::search {

struct SearchQuery {
  std::string text;  // words, all of which must occur; the last one may be the start of a word;
                     // empty: every document
  std::size_t hits_per_page = 20;
  std::size_t page = 0;
  // {attribute, value}: the attribute, or an element of the list in it, is exactly this string,
  // number or boolean (as JSON writes it), whatever its case.
  std::vector<std::pair<std::string, std::string>> filters;
};

struct SearchHits {
  std::vector<std::string> objects;  // the page's objectIDs, best first
  std::size_t total = 0;
};

class TextIndex {
 public:
  // Replaces whatever is in the directory.
  static Result<std::unique_ptr<TextIndex>> open(const std::filesystem::path& directory);
  ~TextIndex();

  // One writer thread. Changes are visible to searches after commit().
  void put(const std::string& index, const std::string& object, const Json& document);
  void remove(const std::string& index, const std::string& object);
  void commit();

  // One reader thread, which may be another one, but not during commit() (Xapian keeps only the
  // last revisions of a block). A word that occurs nowhere is corrected to a similar one.
  SearchHits search(const std::string& index, const SearchQuery& query);

 private:
  struct Impl;
  explicit TextIndex(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace gameday::search
