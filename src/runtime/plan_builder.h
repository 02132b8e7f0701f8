// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "base/unique_fd.h"
#include "launch/plan.h"

namespace berth::runtime {

/// The program could not be executed; exit_code is what shells (and Docker) make of it: 127 or 126.
class ExecError : public Error {
  public:
    ExecError(std::string message, int code, int exit_code)
        : Error(ErrorKind::invalid_argument, std::move(message), code), exit_code_(exit_code) {}
    int exit_code() const noexcept { return exit_code_; }

  private:
    int exit_code_;
};

/// Collects the operations of a launch::Plan, keeps alive what they point to, and knows for each what it was
/// made from
/// ("mounts[3] (/proc)"), so that a failure in the child becomes a message about config.json.
class PlanBuilder {
  public:
    void add(launch::Op op, std::string label) {
        ops_.push_back(op);
        labels_.push_back(std::move(label));
    }
    void add_stage(launch::Op op, std::string label) {
        stage_.push_back(op);
        stage_labels_.push_back(std::move(label));
    }

    const char* keep(std::string text);
    int keep(UniqueFd fd);
    template <typename T>
    const T* keep(std::vector<T> items) {
        auto kept = std::make_shared<std::vector<T>>(std::move(items));
        kept_.push_back(kept);
        return kept->data();
    }

    /// The program (`path`, or if that is empty args[0]) and its environment. Adds a slot for HOME where it
    /// has none.
    void set_program(const std::vector<std::string>& args, const std::vector<std::string>& env,
                     const std::string& path = {});

    launch::Plan& plan() { return plan_; }
    /// The finished plan; valid as long as this object, and until the next add.
    const launch::Plan& finish();

    /// Throws the Error for a `failed` report.
    [[noreturn]] void fail(const launch::Report& report) const;

  private:
    launch::Plan plan_;
    std::vector<launch::Op> ops_, stage_;
    std::vector<std::string> labels_, stage_labels_;
    std::vector<std::shared_ptr<void>> kept_;
    std::string program_;
};

}  // namespace berth::runtime
