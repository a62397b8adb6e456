// Jepsen's bank: money moves between accounts, and every read shows all of it (jepsen.tests.bank).
// As in elle-cli the accounts, and the total unless an option says it, are those of the first read.
#include <fmt/format.h>

#include "checkers/workload/models.h"
#include "checkers/workload/support.h"

namespace gameday::workload {
namespace {

class Bank {
 public:
  explicit Bank(const ModelInput& input) : report_(input), accounts_(input.events.values()) {}

  CheckResult run() {
    const Events& events = report_.events;
    const Name read = events.find_name("read");
    if (read == Events::kNoName && events.find_name("transfer") == Events::kNoName)
      return unfit(report_.input, ":transfer and :read");
    for (std::size_t i = 0; i < events.size(); ++i) {
      if (report_.expired()) break;
      if (events.f(i) != read || events.type(i) != OpType::ok) continue;
      if (events.value(i).kind() == Value::Kind::map) {
        on_read(static_cast<std::int64_t>(i), report_.values.items(events.value(i)));
      } else {
        report_.unknown(fmt::format("{} shows no map of accounts to balances",
                                    report_.call(static_cast<std::int64_t>(i))));
      }
    }
    if (reads_ == 0) report_.unknown("no :read is :ok, so nothing shows the balances");
    report_.stats["read-count"] = reads_;
    report_.stats["error-count"] = report_.count();
    report_.stats["total-amount"] = total_;
    report_.stats["errors"] = std::move(errors_);
    return std::move(report_).result(
        fmt::format("each of {} reads shows a total of {}", reads_, total_));
  }

 private:
  void on_read(std::int64_t row, std::span<const Value> items) {
    if (reads_++ == 0) {
      for (std::size_t i = 0; i + 1 < items.size(); i += 2) accounts_.id(items[i]);
      total_ = report_.input.options.total_amount.value_or(0);
      if (!report_.input.options.total_amount) (void)sum(row, items, total_);
    }
    std::vector<Value> strange, nils, negative;
    for (std::size_t i = 0; i + 1 < items.size(); i += 2) {
      if (accounts_.find(items[i]) < 0) strange.push_back(items[i]);
      if (items[i + 1].is_nil()) nils.push_back(items[i]);
      if (items[i + 1].is_integer() && items[i + 1].as_integer() < 0) negative.push_back(items[i]);
    }
    // One error a read, the most serious first, as Jepsen.
    std::int64_t total = 0;
    if (!strange.empty()) {
      if (Anomaly* a = error("unexpected-key", row))
        a->summary = fmt::format("a read{} shows account {}, which the first read does not know",
                                 report_.when(row), report_.show(strange[0]));
    } else if (!nils.empty()) {
      if (Anomaly* a = error("nil-balance", row))
        a->summary = fmt::format("a read{} shows no balance (nil) of account {}", report_.when(row),
                                 report_.show(nils[0]));
    } else if (!sum(row, items, total)) {
      return;
    } else if (total != total_) {
      wrong_total(row, total);
    } else if (!report_.input.options.negative_balances && !negative.empty()) {
      if (Anomaly* a = error("negative-value", row)) {
        a->summary =
            fmt::format("a read{} shows account {} with a negative balance of {}",
                        report_.when(row), report_.show(negative[0]), balance(items, negative[0]));
        a->explanation.push_back(
            "a transfer must not take more than the account holds (--negative-balances allows it)");
      }
    }
  }

  void wrong_total(std::int64_t row, std::int64_t total) {
    Anomaly* a = error("wrong-total", row);
    Json& figures = errors_["wrong-total"];
    if (!figures.contains("lowest") || figures["lowest"] > total) figures["lowest"] = total;
    if (!figures.contains("highest") || figures["highest"] < total) figures["highest"] = total;
    if (a != nullptr) {
      a->summary =
          fmt::format("a read{} shows a total of {} instead of {}: {} {}", report_.when(row), total,
                      total_, total > total_ ? "too much by" : "missing",
                      total > total_ ? total - total_ : total_ - total);
      a->explanation.push_back(
          "transfers move money and neither make nor lose it: the read saw a part of one only");
      a->detail["total"] = total;
    }
  }

  Anomaly* error(const char* type, std::int64_t row) {
    Json& count = errors_[type]["count"];
    count = count.is_number() ? count.get<std::size_t>() + 1 : std::size_t{1};
    Anomaly* a = report_.add(type, {report_.events.other(static_cast<std::size_t>(row)), row});
    if (a != nullptr)
      a->explanation = {
          fmt::format("{} shows {}", report_.call(row),
                      report_.show(report_.events.value(static_cast<std::size_t>(row))))};
    return a;
  }

  std::int64_t balance(std::span<const Value> items, Value account) const {
    for (std::size_t i = 0; i + 1 < items.size(); i += 2)
      if (items[i] == account) return items[i + 1].as_integer();
    return 0;
  }

  bool sum(std::int64_t row, std::span<const Value> items, std::int64_t& total) {
    total = 0;
    for (std::size_t i = 0; i + 1 < items.size(); i += 2) {
      if (items[i + 1].is_nil()) continue;
      const auto n = integer(items[i + 1]);
      if (n && !__builtin_add_overflow(total, *n, &total)) continue;
      report_.unknown(fmt::format("{} shows a balance of {}, which is no integer or too large",
                                  report_.call(row), report_.show(items[i + 1])));
      return false;
    }
    return true;
  }

  Report report_;
  Dense accounts_;
  std::size_t reads_ = 0;
  std::int64_t total_ = 0;
  Json errors_ = Json::object();
};

}  // namespace

CheckResult check_bank(const ModelInput& input) { return Bank(input).run(); }

}  // namespace gameday::workload
