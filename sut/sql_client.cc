#include "sut/sql_client.h"

#include <cstdlib>

#include "sut/kv_client.h"

namespace gameday::sut {
namespace {

constexpr const char* kTables[]{
    "CREATE TABLE IF NOT EXISTS registers (k BIGINT PRIMARY KEY, v BIGINT)",
    "CREATE TABLE IF NOT EXISTS lists (k BIGINT PRIMARY KEY, v TEXT)",
    "CREATE TABLE IF NOT EXISTS elements (k BIGINT PRIMARY KEY)",
    "CREATE TABLE IF NOT EXISTS counters (k BIGINT PRIMARY KEY, v BIGINT)",
    "CREATE TABLE IF NOT EXISTS accounts (k BIGINT PRIMARY KEY, v BIGINT)",
    "INSERT INTO counters VALUES (0, 0)"};

Json number(const std::optional<std::string>& text) {
  return text ? Json(std::strtoll(text->c_str(), nullptr, 10)) : Json();
}

// The only value of the only row.
Json number(const SqlRows& answer) {
  return answer.rows.empty() ? Json() : number(answer.rows[0].at(0));
}

Json list(const SqlRows& answer) {
  if (answer.rows.empty() || !answer.rows[0].at(0)) return nullptr;
  return Json::parse("[" + *answer.rows[0][0] + "]", nullptr, false);
}

Completion failed(const SqlError& error) { return {OpType::fail, nullptr, error.message}; }

}  // namespace

bool create_tables(SqlDriver& driver, Deadline deadline) {
  std::string accounts;
  const Json opening = opening_balances();
  for (const auto& [account, balance] : opening.items())
    accounts += fmt::format("{}({}, {})", accounts.empty() ? "" : ", ", account, balance.dump());
  std::vector<std::string> statements(std::begin(kTables), std::end(kTables));
  statements.push_back("INSERT INTO accounts VALUES " + accounts);
  for (const auto& sql : statements)
    if (const auto done = driver.execute(sql, deadline);
        !done && !done.error().sqlstate.starts_with("23"))  // class 23: they are there already
      return false;
  return true;
}

Completion SqlClient::invoke(const Op& op, Deadline deadline) {
  deadline_ = deadline;
  const Json& v = op.value;
  if (op.f == "txn") return mops(v);
  if (op.f == "read") return read(v);
  if (op.f == "write") {
    const Answer done = put(dialect_.upsert, "registers", v.at(0), v.at(1));
    if (done) return {OpType::ok, nullptr, ""};
    return {done.error().perhaps ? OpType::info : OpType::fail, nullptr, done.error().message};
  }
  if (op.f == "cas")
    return update(fmt::format("UPDATE registers SET v = {} WHERE k = {} AND v = {}",
                              v.at(1).at(1).dump(), v.at(0).dump(), v.at(1).at(0).dump()));
  if (op.f == "add" && workload_ == "counter") return increment(v);
  if (op.f == "add") return update(fmt::format("INSERT INTO elements VALUES ({})", v.dump()));
  if (op.f == "transfer") return transfer(v);
  return {OpType::fail, nullptr, "the SQL client does not know " + op.f};
}

SqlClient::Answer SqlClient::value_of(const char* table, const Json& key) {
  return run(fmt::format("SELECT v FROM {} WHERE k = {}", table, key.dump()));
}

SqlClient::Answer SqlClient::put(const std::string& statement, const char* table, const Json& key,
                                 const Json& value) {
  return run(fmt::format(fmt::runtime(statement), fmt::arg("table", table),
                         fmt::arg("k", key.dump()), fmt::arg("v", value.dump())));
}

// A single statement that changes one row or none.
Completion SqlClient::update(const std::string& sql) {
  const Answer done = run(sql);
  if (!done)
    return {done.error().perhaps ? OpType::info : OpType::fail, nullptr, done.error().message};
  if (done->affected == 0) return {OpType::fail, nullptr, "it holds another value"};
  return {OpType::ok, nullptr, ""};
}

Completion SqlClient::read(const Json& what) {
  if (what.is_array()) {
    const Answer seen = value_of("registers", what.at(0));
    return seen ? Completion{OpType::ok, {what.at(0), number(*seen)}, ""} : failed(seen.error());
  }
  if (workload_ == "counter") {
    const Answer seen = value_of("counters", 0);
    return seen ? Completion{OpType::ok, number(*seen), ""} : failed(seen.error());
  }
  const bool set = workload_ == "set";
  const Answer seen = run(set ? "SELECT k FROM elements" : "SELECT k, v FROM accounts");
  if (!seen) return failed(seen.error());
  Json all = set ? Json::array() : Json::object();
  for (const auto& row : seen->rows)
    if (set)
      all.push_back(number(row.at(0)));
    else
      all[row.at(0).value_or("")] = number(row.at(1));
  return {OpType::ok, std::move(all), ""};
}

// Only the answer to the commit can leave in doubt what became of it: without one nothing happens.
Completion SqlClient::transaction(const std::function<Completion()>& body) {
  for (const auto& sql : dialect_.begin)
    if (const Answer begun = run(sql); !begun) {
      driver_->close();
      return failed(begun.error());
    }
  Completion done = body();
  if (done.type != OpType::ok) {
    if (driver_->connected() && !run("ROLLBACK")) driver_->close();
    return done;
  }
  if (const Answer committed = run("COMMIT"); !committed) {
    driver_->close();
    return {committed.error().perhaps ? OpType::info : OpType::fail, nullptr,
            committed.error().message};
  }
  return done;
}

Completion SqlClient::mops(Json mops) {
  const bool lists = workload_ == "list-append";
  const char* const table = lists ? "lists" : "registers";
  bool writes = false;
  Completion done = transaction([&]() -> Completion {
    for (Json& mop : mops) {
      const bool reads = mop.at(0) == "r";
      writes |= !reads;
      const Answer answer =
          reads ? value_of(table, mop.at(1))
                : put(lists ? dialect_.append : dialect_.upsert, table, mop.at(1), mop.at(2));
      if (!answer) return failed(answer.error());
      if (reads) mop.at(2) = lists ? list(*answer) : number(*answer);
    }
    return {OpType::ok, mops, ""};
  });
  if (done.type == OpType::info && !writes) done.type = OpType::fail;
  return done;
}

Completion SqlClient::increment(const Json& amount) {
  return transaction([&]() -> Completion {
    const Answer seen = value_of("counters", 0);
    if (!seen) return failed(seen.error());
    const std::int64_t sum = number(*seen).get<std::int64_t>() + amount.get<std::int64_t>();
    const Answer written = run(fmt::format("UPDATE counters SET v = {} WHERE k = 0", sum));
    return written ? Completion{OpType::ok, nullptr, ""} : failed(written.error());
  });
}

Completion SqlClient::transfer(const Json& what) {
  return transaction([&]() -> Completion {
    const auto amount = what.at("amount").get<std::int64_t>();
    for (const auto& [key, sign] : {std::pair{"from", -1}, std::pair{"to", 1}}) {
      const Answer seen = value_of("accounts", what.at(key));
      if (!seen) return failed(seen.error());
      const std::int64_t balance = number(*seen).get<std::int64_t>() + sign * amount;
      if (balance < 0) return {OpType::fail, nullptr, "not so much there"};
      const Answer written =
          run(fmt::format("UPDATE accounts SET v = {} WHERE k = {}", balance, what.at(key).dump()));
      if (!written) return failed(written.error());
    }
    return {OpType::ok, nullptr, ""};
  });
}

}  // namespace gameday::sut
