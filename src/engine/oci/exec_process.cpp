// SPDX-License-Identifier: Apache-2.0
#include "engine/oci/exec_process.h"

#include <utility>

#include "base/error.h"
#include "engine/oci/capability_rules.h"
#include "engine/oci/config_builder.h"
#include "engine/oci/image_merge.h"
#include "engine/oci/process_parts.h"
#include "engine/oci/user_lookup.h"

namespace berth::engine {

spec::Process build_exec_process(const ExecInput& input) {
    const auto& request = input.request;
    using spec::api::items;
    if (items(request.Cmd).empty()) throw Error(ErrorKind::invalid_argument, "No exec command specified");

    SecurityOptions options = parse_security_options(items(input.host_config.SecurityOpt));
    uint64_t capabilities = request.Privileged
                                ? input.host.capabilities
                                : container_capabilities(input.host_config, input.host.capabilities);
    spec::User user = find_user(input.root, request.User.empty() ? input.config.User : request.User,
                                items(input.host_config.GroupAdd));
    spec::Process process = base_process(input.id, std::move(user), input.host_config, options, capabilities,
                                         input.daemon, input.host);
    process.args = items(request.Cmd);
    process.env = merge_environment(container_environment(input.config, request.Tty, input.link_variables),
                                    items(request.Env));
    process.cwd = working_folder(request.WorkingDir.empty() ? input.config.WorkingDir : request.WorkingDir);
    process.terminal = request.Tty;
    if (request.Tty && request.ConsoleSize && request.ConsoleSize->size() == 2 &&
        (*request.ConsoleSize)[0] > 0)
        process.consoleSize = spec::Box{(*request.ConsoleSize)[0], (*request.ConsoleSize)[1]};
    return process;
}

}  // namespace berth::engine
