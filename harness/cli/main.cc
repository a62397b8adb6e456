#include "harness/cli/gameday.h"

int main(int argc, char** argv) { return gameday::program(argc, argv); }
