#include "harness/cli/line_input.h"

#include <editline/readline.h>
#include <fmt/format.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>

namespace gameday::cli {
namespace {

class PipeInput final : public LineInput {
 public:
  int source() const override { return at_end_ ? -1 : STDIN_FILENO; }
  bool read_some() override {
    std::array<char, 4096> buffer;
    const ssize_t n = ::read(STDIN_FILENO, buffer.data(), buffer.size());
    if (n < 0 && errno == EINTR) return true;
    if (n > 0) text_.append(buffer.data(), static_cast<std::size_t>(n));
    for (std::size_t end = 0; (end = text_.find('\n')) != std::string::npos; text_.erase(0, end + 1))
      lines_.push_back(text_.substr(0, end));
    if (n > 0) return true;
    if (!text_.empty()) lines_.push_back(std::exchange(text_, {}));
    at_end_ = true;
    return false;
  }

 private:
  std::string text_;
  bool at_end_ = false;
};

class NoInput final : public LineInput {
 public:
  int source() const override { return -1; }
  bool read_some() override { return true; }
};

// libedit, by its readline interface, which speaks to a global.
class TerminalInput;
TerminalInput* active = nullptr;

class TerminalInput final : public LineInput {
 public:
  TerminalInput(std::string prompt, Complete complete)
      : prompt_(std::move(prompt)), complete_(std::move(complete)) {
    active = this;
    rl_catch_signals = 0;
    rl_basic_word_break_characters = " \t=,";
    rl_attempted_completion_function = [](const char* word, int from, int) -> char** {
      return active->completions(word, from);
    };
  }
  ~TerminalInput() override { active = nullptr; }

  int source() const override { return STDIN_FILENO; }
  void begin() override {
    std::fflush(stdout);
    rl_callback_handler_install(prompt_.c_str(), [](char* line) { active->take(line); });
    shown_ = true;
  }
  void end() override {
    if (shown_) rl_callback_handler_remove();
    shown_ = false;
  }
  void redraw() override {
    std::fflush(stdout);
    if (shown_) rl_forced_update_display();
  }
  bool read_some() override {
    rl_callback_read_char();
    return !at_end_;
  }

 private:
  void take(char* line) {
    end();  // at once, or libedit shows another prompt
    if (line == nullptr) {
      at_end_ = true;
      fmt::print("\n");
      return;
    }
    if (*line != 0) add_history(line);
    lines_.emplace_back(line);
    std::free(line);
  }

  char** completions(const char* word, int from) {
    rl_attempted_completion_over = 1;  // no names of files
    const std::string line(rl_line_buffer, static_cast<std::size_t>(from));
    found_ = complete_(line);
    std::erase_if(found_, [&](const std::string& one) { return !one.starts_with(word); });
    return rl_completion_matches(word, [](const char*, int state) -> char* {
      const auto at = static_cast<std::size_t>(state == 0 ? (active->given_ = 0) : ++active->given_);
      return at < active->found_.size() ? ::strdup(active->found_[at].c_str()) : nullptr;
    });
  }

  const std::string prompt_;
  const Complete complete_;
  std::vector<std::string> found_;
  int given_ = 0;
  bool shown_ = false, at_end_ = false;
};

}  // namespace

std::unique_ptr<LineInput> LineInput::make(LineSource source, std::string prompt, Complete complete) {
  if (source == LineSource::terminal)
    return std::make_unique<TerminalInput>(std::move(prompt), std::move(complete));
  if (source == LineSource::pipe) return std::make_unique<PipeInput>();
  return std::make_unique<NoInput>();
}

LineInput::LineInput() : wake_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {}

std::optional<std::string> LineInput::next() {
  show_waiting(false);
  begin();
  bool more = true;
  while (lines_.empty() && more) {
    std::array<pollfd, 2> fds{{{wake_.get(), POLLIN, 0}, {source(), POLLIN, 0}}};
    if (::poll(fds.data(), fds.size(), -1) < 0 && errno != EINTR) break;
    if (fds[0].revents != 0) {
      eventfd_t ignored = 0;
      ::eventfd_read(wake_.get(), &ignored);
      {
        const std::lock_guard lock(mutex_);
        if (interrupted_) break;
      }
      show_waiting(true);
    }
    if (fds[1].revents != 0) more = read_some();
  }
  end();
  const std::lock_guard lock(mutex_);
  if (lines_.empty() || interrupted_) return std::nullopt;
  std::string line = std::move(lines_.front());
  lines_.erase(lines_.begin());
  return line;
}

void LineInput::interrupt() {
  {
    const std::lock_guard lock(mutex_);
    interrupted_ = true;
  }
  ::eventfd_write(wake_.get(), 1);
}

void LineInput::show(const std::string& text) {
  {
    const std::lock_guard lock(mutex_);
    waiting_.push_back(text);
  }
  ::eventfd_write(wake_.get(), 1);
}

void LineInput::show_waiting(bool at_prompt) {
  std::vector<std::string> texts;
  {
    const std::lock_guard lock(mutex_);
    texts.swap(waiting_);
  }
  if (texts.empty()) return;
  const bool clear = at_prompt && ::isatty(STDOUT_FILENO) == 1;
  for (const auto& text : texts) fmt::print("{}{}\n", clear ? "\r\033[K" : "", text);
  std::fflush(stdout);
  if (at_prompt) redraw();
}

}  // namespace gameday::cli
