#include "checkers/txn/other_model.h"

#include <gtest/gtest.h>

#include "checkers/events/read.h"
#include "checkers/model.h"

namespace gameday::txn {
namespace {

struct Kind {
  std::string_view history, model;
};

// Every model of transactions answers to the history of another one with the model that fits.
TEST(OtherModel, IsNamedByEachModel) {
  constexpr Kind kKinds[] = {
      {"{:process 0, :type :invoke, :f :cas, :value [1 2]}\n{:process 0, :type :ok, :f :cas, "
       ":value [1 2]}",
       "cas-register"},
      {"{:process 0, :type :invoke, :f :write, :value 1}\n{:process 0, :type :ok, :f :write, "
       ":value 1}",
       "register"},
      {"{:process 0, :type :invoke, :f :txn, :value [[:append :x 1]]}\n"
       "{:process 0, :type :ok, :f :txn, :value [[:append :x 1]]}",
       "list-append"},
      {"{:process 0, :type :invoke, :f :txn, :value [[:w :x 1] [:delete :x]]}\n"
       "{:process 0, :type :ok, :f :txn, :value [[:w :x 1] [:delete :x]]}",
       "closed-predicate"},
      {"{:process 0, :type :invoke, :f :txn, :value [[:w :x 1]]}\n"
       "{:process 0, :type :ok, :f :txn, :value [[:w :x 1]]}",
       "rw-register"}};
  for (const Kind& kind : kKinds) {
    const auto events = parse_events(kind.history);
    ASSERT_TRUE(events) << events.error().message;
    const std::string named = "; --model " + std::string(kind.model) + " would fit";
    EXPECT_EQ(other_model(*events), named);
    for (const Model& model : transaction_models()) {
      std::string said;
      try {
        const CheckResult result = model.check({*events, {}, {}});
        // Writes of registers are writes of rows, too, and what the weak levels are about.
        if (kind.model == "rw-register") continue;
        said = result.summary;
      } catch (const std::exception& e) {
        said = e.what();
      }
      if (model.name == kind.model) continue;
      EXPECT_NE(said.find(named), std::string::npos) << model.name << ": " << said;
    }
  }
}

}  // namespace
}  // namespace gameday::txn
