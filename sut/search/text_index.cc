#include "sut/search/text_index.h"

#include <xapian.h>

#include <algorithm>
#include <unordered_map>

#include "sut/search/job.h"

namespace gameday::search {
namespace {

constexpr std::size_t max_term_bytes = 200;  // Xapian allows 245, and escapes zero bytes

// A term for exact matches; a long one by its hash.
std::string exact_term(char prefix, std::string text) {
  std::transform(text.begin(), text.end(), text.begin(), [](char c) {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  });
  if (text.size() > max_term_bytes || text.find('\0') != std::string::npos) {
    text = fmt::format("#{:016x}", Hasher().add(text).value());
  }
  return prefix + text;
}

std::string index_term(const std::string& index) {
  // Names differ by case, so that exact_term would not do.
  return "I" + (index.find('\0') == std::string::npos
                    ? index
                    : fmt::format("#{:016x}", Hasher().add(index).value()));
}

std::string filter_term(const std::string& attribute, const std::string& value) {
  return exact_term('F', attribute + ":" + value);
}

std::string text_of(const Json& scalar) {
  return scalar.is_string() ? scalar.get_ref<const std::string&>() : scalar.dump();
}

void add_scalar(Xapian::TermGenerator& generator, Xapian::Document& target,
                const std::string& attribute, const Json& value) {
  const std::string text = text_of(value);
  if (!text.empty()) target.add_boolean_term(filter_term(attribute, text));
  if (value.is_string()) {
    generator.index_text_without_positions(text);
  } else if (value.is_number_integer()) {
    target.add_term(text);  // by itself a word, and never worth a spelling correction
  }
}

}  // namespace

struct TextIndex::Impl {
  explicit Impl(const std::string& path)
      : writer(path,
               Xapian::DB_CREATE_OR_OVERWRITE | Xapian::DB_BACKEND_GLASS | Xapian::DB_NO_SYNC),
        reader(path) {
    generator.set_database(writer);
    generator.set_flags(Xapian::TermGenerator::FLAG_SPELLING);
  }

  Xapian::WritableDatabase writer;
  Xapian::Database reader;
  Xapian::TermGenerator generator;
  std::unordered_map<std::string, Xapian::docid> ids;  // by index, zero byte, objectID
};

TextIndex::TextIndex(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
TextIndex::~TextIndex() = default;

Result<std::unique_ptr<TextIndex>> TextIndex::open(const std::filesystem::path& directory) {
  try {
    std::filesystem::create_directories(directory);
    auto impl = std::make_unique<Impl>(directory.string());
    return std::unique_ptr<TextIndex>(new TextIndex(std::move(impl)));
  } catch (const Xapian::Error& error) {
    return fail("text index in {}: {}", directory.string(), error.get_description());
  } catch (const std::filesystem::filesystem_error& error) {
    return fail("text index: {}", error.what());
  }
}

void TextIndex::put(const std::string& index, const std::string& object, const Json& document) {
  Xapian::Document target;
  target.set_data(object);
  target.add_boolean_term(index_term(index));
  impl_->generator.set_document(target);
  for (const auto& [attribute, value] : document.items()) {
    if (attribute == "objectID") continue;
    if (value.is_array()) {
      for (const Json& element : value) {
        if (element.is_string()) add_scalar(impl_->generator, target, attribute, element);
      }
    } else if (!value.is_object() && !value.is_null()) {
      add_scalar(impl_->generator, target, attribute, value);
    }
  }
  const auto [known, is_new] = impl_->ids.emplace(index + '\0' + object, 0);
  if (is_new) {
    known->second = impl_->writer.add_document(target);
  } else {
    impl_->writer.replace_document(known->second, target);
  }
}

void TextIndex::remove(const std::string& index, const std::string& object) {
  const auto known = impl_->ids.find(index + '\0' + object);
  if (known == impl_->ids.end()) return;
  impl_->writer.delete_document(known->second);
  impl_->ids.erase(known);
}

void TextIndex::commit() { impl_->writer.commit(); }

SearchHits TextIndex::search(const std::string& index, const SearchQuery& query) {
  Xapian::Database& reader = impl_->reader;
  reader.reopen();
  Xapian::QueryParser parser;
  parser.set_database(reader);
  parser.set_default_op(Xapian::Query::OP_AND);

  std::vector<Xapian::Query> must{Xapian::Query(index_term(index))};
  for (const auto& [attribute, value] : query.filters) {
    must.emplace_back(filter_term(attribute, value));
  }
  const Xapian::Query filter(Xapian::Query::OP_AND, must.begin(), must.end());
  const auto run = [&](const Xapian::Query& words) {
    Xapian::Enquire enquire(reader);
    enquire.set_query(words.empty() ? Xapian::Query(Xapian::Query::OP_SCALE_WEIGHT, filter, 0)
                                    : Xapian::Query(Xapian::Query::OP_FILTER, words, filter));
    const auto per_page = static_cast<Xapian::doccount>(query.hits_per_page);
    const auto first = static_cast<Xapian::doccount>(query.page * query.hits_per_page);
    return enquire.get_mset(first, per_page, reader.get_doccount());
  };

  Xapian::MSet matches = run(parser.parse_query(query.text, Xapian::QueryParser::FLAG_PARTIAL));
  if (matches.get_matches_estimated() == 0) {
    // The parser does not correct a word that may be only the start of one: it is whole this time.
    parser.parse_query(query.text, Xapian::QueryParser::FLAG_SPELLING_CORRECTION);
    const std::string corrected = parser.get_corrected_query_string();
    if (!corrected.empty()) {
      matches = run(parser.parse_query(corrected, Xapian::QueryParser::FLAG_PARTIAL));
    }
  }
  SearchHits hits;
  hits.total = matches.get_matches_estimated();
  for (auto hit = matches.begin(); hit != matches.end(); ++hit) {
    hits.objects.push_back(hit.get_document().get_data());
  }
  return hits;
}

}  // namespace gameday::search
