// Lines of a person at a terminal, with editing, history and completion; or of a pipe; or none.
#pragma once

#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "harness/lab/fd.h"

namespace gameday::cli {

enum class LineSource { terminal, pipe, nothing };

class LineInput {
 public:
  // complete: the words that may stand after this beginning of a line.
  using Complete = std::function<std::vector<std::string>(const std::string& line)>;
  static std::unique_ptr<LineInput> make(LineSource source, std::string prompt, Complete complete);
  virtual ~LineInput() = default;

  // The next line; nullopt: the end, or interrupted. While nobody asks, the terminal is as ever.
  std::optional<std::string> next();
  void interrupt();                    // any thread; for good
  void show(const std::string& text);  // any thread: a line above the prompt, at once or before it

 protected:
  LineInput();
  virtual int source() const = 0;  // what is polled; -1: nothing
  virtual void begin() {}          // shows the prompt
  virtual void end() {}            // takes it away
  virtual void redraw() {}         // after text came in between
  // Reads what is there: false at the end. A line may be in lines_ then.
  virtual bool read_some() = 0;

  std::vector<std::string> lines_;  // read, not yet asked for; the next is the first

 private:
  void show_waiting(bool at_prompt);

  lab::Fd wake_;
  std::mutex mutex_;  // for all below
  bool interrupted_ = false;
  std::vector<std::string> waiting_;
};

}  // namespace gameday::cli
