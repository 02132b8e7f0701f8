// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/stats.h"

/// Reading the files of one cgroup directory; what is absent or unreadable gives nothing. For stats_v1.cpp
/// and stats_v2.cpp, see runtime/stats.h.
namespace berth::runtime {

class StatFiles {
  public:
    /// `dir` null: nothing is there.
    explicit StatFiles(const std::string* dir);
    ~StatFiles();
    StatFiles(const StatFiles&) = delete;

    std::optional<std::string> text(const std::string& file) const;
    /// One number; "max" is UINT64_MAX. 0 if absent.
    uint64_t number(const std::string& file) const;
    /// Lines "key value".
    std::map<std::string, uint64_t> keyed(const std::string& file) const;
    /// Names in the directory that start with `prefix`.
    std::vector<std::string> names(std::string_view prefix) const;

  private:
    int dir_ = -1;
};

/// "0-2,5" → 0, 1, 2, 5. Stops at what isn't a number.
std::vector<uint16_t> expand_list(std::string_view text);
/// "some avg10=… avg60=… avg300=… total=…", "full …".
std::optional<Pressure> parse_pressure(const std::optional<std::string>& text);
/// The page sizes for which there are files "hugetlb.<size><suffix>".
std::vector<std::string> page_sizes(const StatFiles& files, std::string_view suffix);

/// pids.current and pids.max, the same files in v1 and v2.
PidsStats sample_pids(const StatFiles& files);

/// Each sets what its hierarchies hold of the container's controllers.
void sample_v1(const sys::Cgroup& cgroup, Stats& stats);
void sample_v2(const sys::Cgroup& cgroup, Stats& stats);

}  // namespace berth::runtime
