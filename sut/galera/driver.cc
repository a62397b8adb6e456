#include "sut/galera/driver.h"

#include <errmsg.h>
#include <mysql.h>
#include <mysqld_error.h>
#include <poll.h>
#include <sys/socket.h>

#include <algorithm>

namespace gameday::galera {
namespace {

using Clock = std::chrono::steady_clock;
using sut::SqlError;
using sut::SqlRows;

// A monitor is answered at once, whatever the node is
// (https://mariadb.com/kb/en/galera-cluster-system-variables/).
constexpr const char* kMonitor = "SET SESSION wsrep_sync_wait = 0, SESSION wsrep_dirty_reads = ON";

// Errors of a statement that was rolled back: what the client did, a conflict (1213 and 1020), or
// a node that is not in the primary component (1047). All others leave in doubt what the cluster
// did.
bool nothing_came_of_it(unsigned error, const std::string& state) {
  for (const char* of : {"22", "23", "40", "42"})
    if (state.starts_with(of)) return true;
  return error == ER_CHECKREAD || error == ER_LOCK_WAIT_TIMEOUT || error == ER_UNKNOWN_COM_ERROR;
}

class Driver final : public sut::SqlDriver {
 public:
  Driver(std::string address, Session session) : address_(std::move(address)), session_(session) {
    static const int once = mysql_library_init(0, nullptr, nullptr);
    (void)once;
  }

  tl::expected<SqlRows, SqlError> execute(const std::string& sql, Deadline deadline) override {
    if (!connection_ && !connect(deadline)) return broken(false);
    MYSQL* const c = connection_.get();
    int failed = 0;
    wait(mysql_real_query_start(&failed, c, sql.data(), sql.size()), deadline,
         [&](int seen) { return mysql_real_query_cont(&failed, c, seen); });
    if (failed != 0) return error();
    SqlRows rows;
    if (mysql_field_count(c) == 0) {
      rows.affected = static_cast<std::int64_t>(mysql_affected_rows(c));
      return rows;
    }
    MYSQL_RES* stored = nullptr;
    wait(mysql_store_result_start(&stored, c), deadline,
         [&](int seen) { return mysql_store_result_cont(&stored, c, seen); });
    const std::unique_ptr<MYSQL_RES, decltype(&mysql_free_result)> result(stored,
                                                                          mysql_free_result);
    if (!result) return error();
    while (const MYSQL_ROW row = mysql_fetch_row(result.get())) {
      const unsigned long* const lengths = mysql_fetch_lengths(result.get());
      auto& to = rows.rows.emplace_back();
      for (unsigned i = 0; i < mysql_num_fields(result.get()); ++i)
        if (row[i] == nullptr)
          to.emplace_back(std::nullopt);
        else
          to.emplace_back(std::string(row[i], lengths[i]));
    }
    return rows;
  }

  bool connected() const override { return connection_ != nullptr; }
  // Its farewell must not wait for a node that does not read.
  void close() override {
    if (connection_ && mysql_get_socket(connection_.get()) != MARIADB_INVALID_SOCKET)
      ::shutdown(mysql_get_socket(connection_.get()), SHUT_RDWR);
    connection_.reset();
  }
  ~Driver() override { close(); }

 private:
  // Goes on with what has begun until it has ended; after the deadline it is told of a timeout.
  template <typename Continue>
  void wait(int wanted, Deadline deadline, Continue&& proceed) {
    while (wanted != 0) {
      const auto left =
          std::chrono::ceil<std::chrono::milliseconds>(deadline - Clock::now()).count();
      pollfd fd{mysql_get_socket(connection_.get()), 0, 0};
      if ((wanted & MYSQL_WAIT_READ) != 0) fd.events |= POLLIN;
      if ((wanted & MYSQL_WAIT_WRITE) != 0) fd.events |= POLLOUT;
      int seen = 0;
      if (left > 0 && ::poll(&fd, 1, static_cast<int>(left)) > 0) {
        if ((fd.revents & POLLOUT) != 0) seen |= MYSQL_WAIT_WRITE;
        if ((fd.revents & ~POLLOUT) != 0) seen |= wanted & MYSQL_WAIT_READ;
        if (seen == 0) seen = wanted & MYSQL_WAIT_WRITE;
      }
      wanted = proceed(seen != 0 ? seen : MYSQL_WAIT_TIMEOUT);
    }
  }

  bool connect(Deadline deadline) {
    connection_.reset(mysql_init(nullptr));
    MYSQL* const c = connection_.get();
    const unsigned longest = 60;  // the deadline is ours; without one it would not take a timeout
    mysql_optionsv(c, MYSQL_OPT_NONBLOCK, nullptr);
    for (const auto option :
         {MYSQL_OPT_CONNECT_TIMEOUT, MYSQL_OPT_READ_TIMEOUT, MYSQL_OPT_WRITE_TIMEOUT})
      mysql_optionsv(c, option, &longest);
    const bool client = session_ == Session::client;
    if (!client) mysql_optionsv(c, MYSQL_INIT_COMMAND, kMonitor);
    MYSQL* done = nullptr;
    wait(mysql_real_connect_start(&done, c, address_.c_str(), kUser, "",
                                  client ? kDatabase : nullptr, kPort, nullptr, 0),
         deadline, [&](int seen) { return mysql_real_connect_cont(&done, c, seen); });
    return done != nullptr;
  }

  tl::unexpected<SqlError> broken(bool perhaps) {
    std::string message = mysql_error(connection_.get());
    close();
    return tl::make_unexpected(SqlError{perhaps, "", std::move(message)});
  }

  tl::unexpected<SqlError> error() {
    const unsigned number = mysql_errno(connection_.get());
    // Gone: while it was sent.
    if (number >= CR_MIN_ERROR && number <= CR_MAX_ERROR)
      return broken(number != CR_SERVER_GONE_ERROR);
    const std::string state = mysql_sqlstate(connection_.get());
    return tl::make_unexpected(
        SqlError{!nothing_came_of_it(number, state), state,
                 fmt::format("{} ({})", mysql_error(connection_.get()), number)});
  }

  struct Close {
    void operator()(MYSQL* c) const { mysql_close(c); }
  };
  const std::string address_;
  const Session session_;
  std::unique_ptr<MYSQL, Close> connection_;
};

}  // namespace

std::unique_ptr<sut::SqlDriver> make_driver(const std::string& address, Session session) {
  return std::make_unique<Driver>(address, session);
}

sut::SqlDialect dialect() {
  return {{"START TRANSACTION"},
          "INSERT INTO {table} VALUES ({k}, {v}) ON DUPLICATE KEY UPDATE v = {v}",
          "INSERT INTO {table} VALUES ({k}, '{v}') ON DUPLICATE KEY UPDATE v = CONCAT(v, ',{v}')"};
}

}  // namespace gameday::galera
