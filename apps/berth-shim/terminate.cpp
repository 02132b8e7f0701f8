// SPDX-License-Identifier: Apache-2.0
// Takes the place of libstdc++'s handler for what ends in std::terminate: that one brings the name demangler
// and stdio (60 KB) into a static program.
#include <unistd.h>

#include <cstdlib>
#include <exception>
#include <string_view>

namespace __gnu_cxx {

void __verbose_terminate_handler() {
    std::string_view what = "terminated without an exception";
    try {
        if (std::current_exception()) throw;
    } catch (const std::exception& error) {
        what = error.what();
    } catch (...) {
        what = "terminated by an unknown exception";
    }
    for (std::string_view part : {std::string_view("berth-shim: fatal: "), what, std::string_view("\n")}) {
        [[maybe_unused]] ssize_t written = ::write(STDERR_FILENO, part.data(), part.size());
    }
    std::abort();
}

}  // namespace __gnu_cxx
