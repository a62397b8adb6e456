#include "sut/postgres/driver.h"

#include <libpq-fe.h>
#include <poll.h>

#include <algorithm>

namespace gameday::postgres {
namespace {

using Clock = std::chrono::steady_clock;
using sut::SqlError;
using sut::SqlRows;

// The server was told to stop: it may have committed and given up waiting for its standbys.
constexpr const char* kShutDown = "57P01";
constexpr const char* kCrashShutDown = "57P02";

class Driver final : public sut::SqlDriver {
 public:
  Driver(const std::string& address, Session session)
      : where_(fmt::format("hostaddr={} port={} user={} dbname=postgres sslmode=disable "
                           "gssencmode=disable application_name=gameday target_session_attrs={}",
                           address, kPort, kSuperuser,
                           session == Session::primary ? "primary" : "any")) {}

  tl::expected<SqlRows, SqlError> execute(const std::string& sql, Deadline deadline) override {
    if (!connection_ && !connect(deadline)) return broken(false);
    PGconn* const c = connection_.get();
    if (PQsendQuery(c, sql.c_str()) == 0) return broken(false);
    for (int left = 1; left != 0;) {
      left = PQflush(c);
      if (left < 0 || (left > 0 && !wait(POLLIN | POLLOUT, deadline))) return broken(true);
      if (left > 0 && PQconsumeInput(c) == 0) return broken(true);
    }
    std::unique_ptr<PGresult, decltype(&PQclear)> last(nullptr, PQclear);
    while (true) {
      while (PQisBusy(c) != 0)
        if (!wait(POLLIN, deadline) || PQconsumeInput(c) == 0) return broken(true);
      PGresult* const next = PQgetResult(c);
      if (next == nullptr) break;
      last.reset(next);
    }
    return answer(last.get());
  }

  bool connected() const override { return connection_ != nullptr; }
  void close() override { connection_.reset(); }

 private:
  // False: the deadline.
  bool wait(short events, Deadline deadline) {
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline - Clock::now()).count();
    pollfd fd{PQsocket(connection_.get()), events, 0};
    return left > 0 && ::poll(&fd, 1, static_cast<int>(left)) > 0;
  }

  bool connect(Deadline deadline) {
    connection_.reset(PQconnectStart(where_.c_str()));
    for (auto state = PGRES_POLLING_WRITING; state != PGRES_POLLING_OK;) {
      if (PQstatus(connection_.get()) == CONNECTION_BAD) return false;
      if (!wait(state == PGRES_POLLING_READING ? POLLIN : POLLOUT, deadline)) return false;
      state = PQconnectPoll(connection_.get());
    }
    PQsetNoticeProcessor(
        connection_.get(), [](void*, const char*) {}, nullptr);
    return PQsetnonblocking(connection_.get(), 1) == 0;
  }

  tl::unexpected<SqlError> broken(bool perhaps) {
    std::string message = PQerrorMessage(connection_.get());
    std::ranges::replace(message, '\n', ' ');
    close();
    return tl::make_unexpected(SqlError{perhaps, "", message.empty() ? "no answer" : message});
  }

  tl::expected<SqlRows, SqlError> answer(const PGresult* result) {
    const auto status = PQresultStatus(result);
    if (status != PGRES_COMMAND_OK && status != PGRES_TUPLES_OK) {
      const char* code = PQresultErrorField(result, PG_DIAG_SQLSTATE);
      if (code == nullptr) return broken(true);
      const std::string state = code;
      const char* primary = PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY);
      SqlError error{state == kShutDown || state == kCrashShutDown, state,
                     fmt::format("{} ({})", primary == nullptr ? "" : primary, state)};
      if (PQstatus(connection_.get()) == CONNECTION_BAD) close();
      return tl::make_unexpected(std::move(error));
    }
    SqlRows rows;
    rows.affected = std::strtoll(PQcmdTuples(const_cast<PGresult*>(result)), nullptr, 10);
    for (int i = 0; i < PQntuples(result); ++i) {
      auto& row = rows.rows.emplace_back();
      for (int k = 0; k < PQnfields(result); ++k)
        if (PQgetisnull(result, i, k) != 0)
          row.emplace_back(std::nullopt);
        else
          row.emplace_back(PQgetvalue(result, i, k));
    }
    return rows;
  }

  struct Finish {
    void operator()(PGconn* c) const { PQfinish(c); }
  };
  std::string where_;
  std::unique_ptr<PGconn, Finish> connection_;
};

}  // namespace

std::unique_ptr<sut::SqlDriver> make_driver(const std::string& address, Session session) {
  return std::make_unique<Driver>(address, session);
}

sut::SqlDialect dialect(const std::string& isolation) {
  std::string level = isolation;
  std::ranges::replace(level, '-', ' ');
  const std::string insert =
      "INSERT INTO {table} AS t VALUES ({k}, {v}) ON CONFLICT (k) DO UPDATE SET v = ";
  const std::string append =
      "INSERT INTO {table} AS t VALUES ({k}, '{v}') ON CONFLICT (k) DO UPDATE SET v = ";
  return {{"BEGIN ISOLATION LEVEL " + level}, insert + "{v}", append + "t.v || ',{v}'"};
}

}  // namespace gameday::postgres
