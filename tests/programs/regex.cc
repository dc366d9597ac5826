// Much work for a compiler from few lines: what cc1plus is given as a large program's input.
#include <regex>

bool matches(const char *text) { return std::regex_match(text, std::regex("(a|b)*[0-9]{3}")); }
