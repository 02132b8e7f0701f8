// SPDX-License-Identifier: Apache-2.0
#include "engine/oci/update_rules.h"

#include <algorithm>
#include <utility>

#include "base/error.h"
#include "engine/oci/create_rules.h"
#include "engine/oci/resource_spec.h"

namespace berth::engine {

namespace {

using spec::api::HostConfig;
using spec::api::Resources;

[[noreturn]] void fail_conflict(std::string_view why) {
    throw Error(ErrorKind::conflict, std::string(why));
}

/// NanoCpus is a period and a quota of its own: a container has the one or the other.
void check_cpu_conflicts(const Resources& now, const Resources& wanted) {
    if (wanted.NanoCpus > 0 && now.CpuPeriod > 0)
        fail_conflict("Conflicting options: Nano CPUs cannot be updated as CPU Period has already been set");
    if (wanted.NanoCpus > 0 && now.CpuQuota > 0)
        fail_conflict("Conflicting options: Nano CPUs cannot be updated as CPU Quota has already been set");
    if (wanted.CpuPeriod > 0 && now.NanoCpus > 0)
        fail_conflict("Conflicting options: CPU Period cannot be updated as NanoCPUs has already been set");
    if (wanted.CpuQuota > 0 && now.NanoCpus > 0)
        fail_conflict("Conflicting options: CPU Quota cannot be updated as NanoCPUs has already been set");
}

template <typename T>
void take(T& into, const T& wanted) {
    if (wanted != T()) into = wanted;
}

void take_limits(Resources& into, const Resources& wanted) {
    check_cpu_conflicts(into, wanted);
    if (wanted.Memory != 0 && wanted.Memory > into.MemorySwap && wanted.MemorySwap == 0 &&
        into.MemorySwap != -1)
        fail_conflict(
            "Memory limit should be smaller than already set memoryswap limit, update the memoryswap at the "
            "same "
            "time");
    take(into.BlkioWeight, wanted.BlkioWeight);
    take(into.CpuShares, wanted.CpuShares);
    take(into.NanoCpus, wanted.NanoCpus);
    take(into.CpuPeriod, wanted.CpuPeriod);
    take(into.CpuQuota, wanted.CpuQuota);
    take(into.CpusetCpus, wanted.CpusetCpus);
    take(into.CpusetMems, wanted.CpusetMems);
    take(into.Memory, wanted.Memory);
    take(into.MemorySwap, wanted.MemorySwap);
    take(into.MemoryReservation, wanted.MemoryReservation);
    take(into.CpuRealtimePeriod, wanted.CpuRealtimePeriod);
    take(into.CpuRealtimeRuntime, wanted.CpuRealtimeRuntime);
    if (wanted.PidsLimit) into.PidsLimit = std::max<int64_t>(*wanted.PidsLimit, 0);
}

void take_restart_policy(HostConfig& into, const spec::api::RestartPolicy& wanted) {
    if (wanted.Name.empty()) return;
    if (into.AutoRemove && wanted.Name != "no")
        fail_conflict("Restart policy cannot be updated because AutoRemove is enabled for the container");
    into.RestartPolicy_ = wanted;
}

/// Only what an update can change in a running container's cgroup.
Resources changeable(const Resources& wanted) {
    Resources result;
    result.BlkioWeight = wanted.BlkioWeight;
    result.CpuShares = wanted.CpuShares;
    result.NanoCpus = wanted.NanoCpus;
    result.CpuPeriod = wanted.CpuPeriod;
    result.CpuQuota = wanted.CpuQuota;
    result.CpusetCpus = wanted.CpusetCpus;
    result.CpusetMems = wanted.CpusetMems;
    result.MemoryReservation = wanted.MemoryReservation;
    result.CpuRealtimePeriod = wanted.CpuRealtimePeriod;
    result.CpuRealtimeRuntime = wanted.CpuRealtimeRuntime;
    return result;
}

spec::Resources changes(const Resources& wanted, const Resources& result) {
    spec::Resources changed = resource_spec(changeable(wanted));
    // Swap is counted together with memory: one says nothing without the other.
    if (wanted.Memory != 0 || wanted.MemorySwap != 0) {
        if (!changed.memory) changed.memory.emplace();
        if (result.Memory > 0) changed.memory->limit = result.Memory;
        if (result.MemorySwap != 0) changed.memory->swap = result.MemorySwap;
    }
    if (wanted.PidsLimit) changed.pids = spec::PidsResources{*wanted.PidsLimit > 0 ? *wanted.PidsLimit : -1};
    return changed;
}

}  // namespace

UpdatePlan apply_update_rules(const std::string& id, const HostConfig& now, spec::api::UpdateRequest request,
                              const HostFacts& host) {
    UpdatePlan plan;
    check_restart_policy(request.RestartPolicy_);
    plan.warnings = check_resources(request, host, true);
    plan.host_config = now;
    with_context([&] { return fmt::format("Cannot update container {}", id); },
                 [&] {
                     take_limits(plan.host_config, request);
                     take_restart_policy(plan.host_config, request.RestartPolicy_);
                 });
    plan.resources = changes(request, plan.host_config);
    return plan;
}

}  // namespace berth::engine
