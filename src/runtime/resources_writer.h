// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "spec/runtime.h"

/// What resources_v1.cpp and resources_v2.cpp share. See runtime/resources.h.
namespace berth::runtime {

/// What it means that the kernel has no such file.
enum class Missing {
    warn,    ///< the limit can't be had: a warning
    ignore,  ///< the value is what holds anyway
};

/// One value for one file of a cgroup. `field` is below linux.resources ("memory.limit").
struct Limit {
    std::string file;
    std::string value;
    std::string field;
    Missing missing = Missing::warn;
};

/// The files of one controller in one container's cgroup.
class ControllerFiles {
  public:
    /// `dir` null: the host doesn't have the controller; every write is a warning.
    ControllerFiles(const std::string* dir, std::string_view controller)
        : dir_(dir), controller_(controller) {}

    bool present() const noexcept { return dir_ != nullptr; }
    bool has(std::string_view file) const;
    std::optional<std::string> read(std::string_view file) const;
    std::optional<uint64_t> read_number(std::string_view file) const;

    void write(const Limit& limit) const;
    /// Limits that bound each other: the kernel refuses (EINVAL) some orders, which depend on the values that
    /// are in force. Tries in the given order, and again what was refused as long as something else got
    /// through.
    void write_together(const std::vector<Limit>& limits) const;

  private:
    /// 0 or the errno of write(2). ENOENT: no such file.
    int try_write(const Limit& limit) const;
    void warn_missing(const Limit& limit) const;

    const std::string* dir_;
    std::string_view controller_;
};

/// "8:0 1048576", as the blkio files take it.
std::string device_value(int64_t major, int64_t minor, uint64_t value);

/// Refuses limit and swap if they are below what the container uses (memory.checkBeforeUpdate).
void check_memory_usage(const spec::MemoryResources& memory, uint64_t usage);

/// The end of a message about a limit that the kernel refused with EBUSY; "" if nothing is known.
std::string usage_text(std::optional<uint64_t> usage, std::optional<uint64_t> peak);

namespace v1 {
void write_memory(const ControllerFiles& files, const spec::MemoryResources& memory);
void write_cpu(const ControllerFiles& files, const spec::CpuResources& cpu);
void write_cpuset(const ControllerFiles& files, const spec::CpuResources& cpu);
void write_block_io(const ControllerFiles& files, const spec::BlockIoResources& io);
void write_network(const ControllerFiles& net_cls, const ControllerFiles& net_prio,
                   const spec::NetworkResources& network);
}  // namespace v1

namespace v2 {
void write_memory(const ControllerFiles& files, const spec::MemoryResources& memory);
void write_cpu(const ControllerFiles& files, const spec::CpuResources& cpu);
void write_block_io(const ControllerFiles& files, const spec::BlockIoResources& io);
/// `dir`: the cgroup2 directory.
void write_unified(const std::string& dir, const std::map<std::string, std::string>& unified);
}  // namespace v2

}  // namespace berth::runtime
