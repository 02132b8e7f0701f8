// SPDX-License-Identifier: Apache-2.0
#include "runtime/capabilities.h"
#include "runtime/process_plan.h"
#include "runtime/validate.h"
#include "spec/runtime.h"
#include "tests/fuzz/property.h"

using namespace berth;
using fuzz::require;

namespace {

void check_capabilities(const spec::Capabilities& capabilities) {
    constexpr uint64_t kAvailable = 0x1ff'a804'25fb;
    runtime::CapabilitySets sets = runtime::make_capability_sets(capabilities, kAvailable);
    require(((sets.bounding | sets.permitted | sets.inheritable) & ~kAvailable) == 0,
            "only what is available is granted");
    require((sets.effective & ~sets.permitted) == 0, "what is effective is permitted");
    require((sets.ambient & ~(sets.permitted & sets.inheritable)) == 0,
            "ambient capabilities are inheritable");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    fuzz::discard_log();
    spec::Config config;
    if (!fuzz::is_valid([&] { config.process = spec::decode_process(fuzz::as_text(data, size)); })) return 0;
    std::string text = spec::encode_config(config);
    require(spec::encode_config(spec::decode_config(text)) == text, "a process survives its copy");

    const spec::Process& process = *config.process;
    if (process.capabilities) check_capabilities(*process.capabilities);
    if (!fuzz::is_valid([&] { runtime::validate_process(process); })) return 0;
    require(!process.args.empty() && process.cwd.starts_with('/'),
            "a valid process has a program and a folder");
    for (const std::string& arg : process.args) require(!arg.contains('\0'), "arguments end at their NUL");
    if (process.execCPUAffinity)
        for (const std::string& list : {process.execCPUAffinity->initial, process.execCPUAffinity->final_})
            fuzz::is_valid([&] { (void)runtime::parse_cpu_list(list, "process.execCPUAffinity"); });
    return 0;
}
