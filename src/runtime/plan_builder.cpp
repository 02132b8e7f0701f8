// SPDX-License-Identifier: Apache-2.0
#include "runtime/plan_builder.h"

#include <cerrno>

#include "base/strings.h"

namespace berth::runtime {

namespace {

using launch::Step;

/// What was being done, as it reads between the label and the kernel's words.
std::string_view step_text(Step step) {
    switch (step) {
        case Step::none: return "";
        case Step::open_destination: return "opening the destination";
        case Step::create_destination: return "creating the destination";
        case Step::open_source: return "opening the source";
        case Step::fsopen: return "opening the file system type";
        case Step::fsconfig: return "option";
        case Step::fscreate: return "creating the file system";
        case Step::fsmount: return "fsmount";
        case Step::set_attributes: return "setting mount attributes";
        case Step::attach: return "attaching the mount";
        case Step::set_propagation: return "setting the propagation";
        case Step::copy_up: return "copying the content up";
        case Step::proc_safety: return "refused, since it would cover a part of /proc";
        case Step::not_procfs: return "refused, since it is not procfs";
        case Step::not_devpts:
            return "refused, since /dev/pts/ptmx of the container is no pseudo terminal multiplexer";
        case Step::not_the_device: return "refused, since something else than this device is there";
        case Step::outside_root: return "refused, since it lies outside of the container";
        case Step::not_a_folder: return "the destination is not a directory";
        case Step::not_a_file: return "the source is not a directory, but the destination is";
        case Step::send_console: return "sending the terminal to the console socket";
        case Step::look_up_program: return "looking up the program";
        case Step::set_groups: return "setgroups";
        case Step::set_ids: return "setting user and group";
        case Step::set_capabilities: return "setting capabilities";
        case Step::load_filter: return "loading the seccomp filter";
        case Step::execute: return "execve";
        case Step::clone: return "clone3";
    }
    return "";
}

[[noreturn]] void fail_program(const std::string& program, const launch::Report& report) {
    int code = report.error;
    std::string name = quote(program);
    bool by_path = program.find('/') != std::string::npos;
    if (code == ENOENT && report.step == Step::execute)
        throw ExecError(fmt::format("exec {}: no such file or directory (is its interpreter there?)", name),
                        code, 127);
    if (code == ENOENT && !by_path)
        throw ExecError(fmt::format("exec: {}: executable file not found in $PATH", name), code, 127);
    if (code == ENOENT || code == ENOTDIR)
        throw ExecError(fmt::format("exec: {}: stat {}: {}", name, program, errno_text(code)), code, 127);
    throw ExecError(fmt::format("exec: {}: {}", name, errno_text(code)), code, 126);
}

}  // namespace

const char* PlanBuilder::keep(std::string text) {
    auto kept = std::make_shared<std::string>(std::move(text));
    kept_.push_back(kept);
    return kept->c_str();
}

int PlanBuilder::keep(UniqueFd fd) {
    auto kept = std::make_shared<UniqueFd>(std::move(fd));
    kept_.push_back(kept);
    return kept->get();
}

void PlanBuilder::set_program(const std::vector<std::string>& args, const std::vector<std::string>& env,
                              const std::string& path) {
    std::vector<const char*> argv, environment;
    for (const std::string& arg : args) argv.push_back(keep(arg));
    argv.push_back(nullptr);
    bool has_home = false;
    for (const std::string& entry : env) {
        environment.push_back(keep(entry));
        has_home = has_home || entry.starts_with("HOME=");
    }
    plan_.add_home = !has_home;
    plan_.home_slot = environment.size();
    environment.push_back(nullptr);
    environment.push_back(nullptr);
    program_ = path.empty() ? args.at(0) : path;
    plan_.program = keep(program_);
    plan_.argv = keep(std::move(argv));
    plan_.env = const_cast<const char**>(keep(std::move(environment)));
}

const launch::Plan& PlanBuilder::finish() {
    plan_.ops = ops_.data();
    plan_.op_count = ops_.size();
    plan_.stage = stage_.data();
    plan_.stage_count = stage_.size();
    return plan_;
}

void PlanBuilder::fail(const launch::Report& report) const {
    if (report.step == Step::look_up_program || report.step == Step::execute) fail_program(program_, report);
    const std::vector<std::string>& labels = report.in_stage ? stage_labels_ : labels_;
    std::string message;
    if (report.value >= 0 && static_cast<size_t>(report.value) < labels.size())
        message = labels[static_cast<size_t>(report.value)];
    else
        message = report.value == launch::kCloneIndex ? "cloning the container's first process"
                                                      : "container process";
    if (std::string_view step = step_text(report.step); !step.empty()) message += fmt::format(": {}", step);
    if (report.detail[0] != '\0') message += fmt::format(" \"{}\"", report.detail);
    throw errno_error(report.error, message);
}

}  // namespace berth::runtime
