// The workloads, on any SQL database: what is left to an adapter is a driver that carries out a
// statement, and the few words in which dialects differ.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "harness/core/error.h"
#include "harness/core/system.h"

namespace gameday::sut {

struct SqlRows {
  std::vector<std::vector<std::optional<std::string>>> rows;  // as text; nullopt: NULL
  std::int64_t affected = 0;                                  // by an update
};

struct SqlError {
  // It was sent, and the server did not say that nothing came of it.
  bool perhaps = false;
  std::string sqlstate;  // five characters; empty: not the server's error
  std::string message;
};

// A connection to one server, used by one thread.
class SqlDriver {
 public:
  virtual ~SqlDriver() = default;
  // One statement, connecting if need be (not within a transaction: that ended with its
  // connection). Returns by the deadline. After an error that is not the server's the connection is
  // closed.
  virtual tl::expected<SqlRows, SqlError> execute(const std::string& sql, Deadline deadline) = 0;
  virtual bool connected() const = 0;
  virtual void close() = 0;
};

struct SqlDialect {
  std::vector<std::string> begin;  // starts a transaction at the isolation level that was chosen
  // Inserts {k} with {v} into {table} or, where there is a row with this {k}, ...
  std::string upsert;  // ... sets its v
  std::string append;  // ... adds a comma and {v} to its v, a text
};

// Tables and first rows, as often as one likes: true when all are there.
bool create_tables(SqlDriver& driver, Deadline deadline);

// Serves register, set, list-append, rw-register, counter and bank. Single reads and writes are
// single statements outside of a transaction. A list is a text with commas, as in Jepsen's test of
// PostgreSQL; a counter is read and written back in a transaction, as applications do it.
class SqlClient final : public Client {
 public:
  SqlClient(std::string workload, SqlDialect dialect, std::unique_ptr<SqlDriver> driver)
      : workload_(std::move(workload)), dialect_(std::move(dialect)), driver_(std::move(driver)) {}
  Completion invoke(const Op& op, Deadline deadline) override;

 private:
  using Answer = tl::expected<SqlRows, SqlError>;
  Answer run(const std::string& sql) { return driver_->execute(sql, deadline_); }
  Answer value_of(const char* table, const Json& key);
  Answer put(const std::string& statement, const char* table, const Json& key, const Json& value);
  Completion update(const std::string& sql);
  Completion read(const Json& what);
  Completion transaction(const std::function<Completion()>& body);
  Completion mops(Json mops);
  Completion increment(const Json& amount);
  Completion transfer(const Json& what);

  std::string workload_;
  SqlDialect dialect_;
  std::unique_ptr<SqlDriver> driver_;
  Deadline deadline_{};
};

}  // namespace gameday::sut
