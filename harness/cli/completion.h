// What a shell offers when somebody presses Tab. The program itself is asked (`gameday __complete`),
// so that the answer fits the command line, the catalogues and the runs that there are; bash and zsh only
// get a few lines that ask.
#pragma once

#include <string>
#include <vector>

#include "harness/cli/command_line.h"

namespace gameday::cli {

struct Suggestion {
  std::string text, help;
};

struct Suggestions {
  std::vector<Suggestion> words;  // each a whole word
  bool files = false, folders = false;  // names of these, too
};

// For the last of these words, which follow the program's name.
Suggestions suggest(const CLI::App& app, const std::vector<std::string>& words);

// `gameday __complete WORD...`: a suggestion a line, with its help behind a tab; ":files" and ":folders".
int complete_command(const CLI::App& app, const std::vector<std::string>& words);

Command define_completion(CLI::App& app);

}  // namespace gameday::cli
