// A correct object under concurrent clients: each op takes effect at a random instant between its
// invocation and its completion, so the history is right by construction.
#pragma once

#include <cstdint>
#include <string_view>
#include <utility>
#include <vector>

#include "checkers/bench/text.h"

namespace gameday::bench {

struct Plan {
  std::uint64_t ops = 1000;
  std::uint32_t clients = 10;
  std::uint32_t keys = 0;    // 0: the kind's own
  std::uint32_t values = 0;  // 0: the kind's own, or every write another one
  double infos = 0;          // share of the ops
  std::uint64_t seed = 1;
  bool bad = false;
};

// An object has
//   struct Call                      an op and what it answered;
//   Call invoke(Random&)             what a client asks next;
//   bool changes(const Call&)        it may end as info (others would just be tried again);
//   bool apply(Call&)                it takes effect, and gets its answer; false: it fails;
//   std::string_view f(const Call&), void value(Text&, const Call&, bool answered)  its line;
//   void violate(Simulation&)        records calls, in order, of which one is a violation;
//   void finish(Simulation&)         records calls after everything has ended.
template <class Object>
class Simulation {
 public:
  using Call = typename Object::Call;

  Simulation(Object& object, Text& text, const Plan& plan)
      : object_(object), text_(text), plan_(plan), random_(plan.seed), clients_(plan.clients) {
    for (std::uint32_t i = 0; i < plan.clients; ++i) clients_[i].process = i;
  }

  void run() {
    const std::uint64_t turn = plan_.bad ? plan_.ops / 10 * 9 : plan_.ops;
    advance(turn);
    if (plan_.bad) {
      object_.violate(*this);
      advance(plan_.ops);
    }
    object_.finish(*this);
    text_.flush();
  }

  // A call at a time when no other is open but the infos, with the answer that it has.
  void record(const Call& call) {
    line(clients_[0].process, "invoke", call, false);
    line(clients_[0].process, "ok", call, true);
  }
  Random& random() { return random_; }

 private:
  enum class State { idle, open, applied };
  enum class Fate { ok, lost, early, late };  // the last three end as info
  struct Client {
    std::uint64_t process = 0;
    State state = State::idle;
    Fate fate = Fate::ok;
    bool failed = false;
    Call call{};
  };

  // Until so many ops are invoked and all of them have ended.
  void advance(std::uint64_t until) {
    std::uint32_t busy = 0;
    while (invoked_ < until || busy > 0) {
      Client& client = clients_[random_.below(plan_.clients)];
      if (!late_.empty() && random_.below(4 * plan_.clients) == 0) apply_late();
      switch (client.state) {
        case State::idle:
          if (invoked_ == until) break;
          invoke(client);
          ++busy;
          break;
        case State::open:
          if (client.fate == Fate::ok || client.fate == Fate::early)
            client.failed = !object_.apply(client.call);
          client.state = State::applied;
          break;
        case State::applied:
          complete(client);
          --busy;
          break;
      }
    }
  }

  void invoke(Client& client) {
    client.call = object_.invoke(random_);
    client.state = State::open;
    client.failed = false;
    client.fate = Fate::ok;
    ++invoked_;
    // Spread evenly, whatever share of the ops may end so.
    if (static_cast<double>(infos_) < plan_.infos * static_cast<double>(invoked_) &&
        object_.changes(client.call)) {
      ++infos_;
      client.fate = static_cast<Fate>(1 + random_.below(3));
    }
    line(client.process, "invoke", client.call, false);
  }

  void complete(Client& client) {
    client.state = State::idle;
    if (client.fate == Fate::ok) {
      line(client.process, client.failed ? "fail" : "ok", client.call, !client.failed);
      return;
    }
    line(client.process, "info", client.call, false);
    client.process += plan_.clients;  // as in Jepsen, nobody knows what the old one is doing
    if (client.fate == Fate::late) late_.push_back(std::move(client.call));
  }

  void apply_late() {
    std::swap(late_[random_.below(static_cast<std::uint32_t>(late_.size()))], late_.back());
    object_.apply(late_.back());
    late_.pop_back();
  }

  void line(std::uint64_t process, std::string_view type, const Call& call, bool answered) {
    time_ += 1000 + random_.below(100000);
    const auto number = [&](std::uint64_t n) { text_.number(static_cast<std::int64_t>(n)); };
    switch (text_.layout()) {
      case Layout::jsonl:
        text_.put("{\"index\":"), number(index_);
        text_.put(",\"time\":"), number(time_);
        text_.put(",\"process\":"), number(process);
        text_.put(",\"type\":\""), text_.put(type);
        text_.put("\",\"f\":\""), text_.put(object_.f(call));
        text_.put("\",\"value\":");
        break;
      case Layout::edn:
        text_.put("{:index "), number(index_);
        text_.put(", :time "), number(time_);
        text_.put(", :process "), number(process);
        text_.put(", :type :"), text_.put(type);
        text_.put(", :f :"), text_.put(object_.f(call));
        text_.put(", :value ");
        break;
      case Layout::etcd:
        text_.put("INFO  jepsen.util - "), number(process);
        text_.put("\t:"), text_.put(type);
        text_.put("\t:"), text_.put(object_.f(call));
        text_.put('\t');
        if (type == "info") {
          text_.put(":timed-out\n");
          return;
        }
        break;
    }
    object_.value(text_, call, answered);
    text_.put(text_.layout() == Layout::etcd ? "\n" : "}\n");
    ++index_;
  }

  Object& object_;
  Text& text_;
  const Plan& plan_;
  Random random_;
  std::vector<Client> clients_;
  std::vector<Call> late_;  // infos that have yet to take effect
  std::uint64_t invoked_ = 0, infos_ = 0, index_ = 0, time_ = 0;
};

}  // namespace gameday::bench
