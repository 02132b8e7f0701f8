// SPDX-License-Identifier: Apache-2.0
#include "cli/container/each_container.h"

#include <memory>
#include <optional>

#include "cli/format/object_name.h"
#include "cli/output.h"

namespace berth::cli {

namespace {

/// How it went with one container.
struct Result {
    explicit Result(async::Context& context) : known(context) {}
    async::Event known;
    std::string line, failure;
};
using Results = std::vector<std::unique_ptr<Result>>;

async::Task<void> act_on(client::Engine& engine, const OnContainer& act, std::string name, Result& result) {
    try {
        auto acting = act(engine, std::move(name));
        result.line = co_await std::move(acting);
    } catch (const Error& error) {
        result.failure = error_line(error);
    }
    result.known.set();
}

async::Task<void> print_in_order(Results& results) {
    for (auto& result : results) {
        co_await result->known.wait();
        if (result->failure.empty() && !result->line.empty()) print_out(result->line + '\n');
    }
}

async::Task<std::string> post(client::Engine& engine, std::string name, std::string verb,
                              client::Query query) {
    auto calling = engine.call(
        {.method = "POST", .path = object_path("container", name, '/' + verb), .query = std::move(query)});
    co_await std::move(calling);
    co_return name;
}

}  // namespace

async::Task<void> each_container(Session& session, std::vector<std::string> names, OnContainer act,
                                 size_t at_once) {
    Results results;
    std::vector<async::Task<void>> acts, both;
    for (const std::string& name : names) {
        results.push_back(std::make_unique<Result>(session.loop()));
        acts.push_back(act_on(session.engine(), act, name, *results.back()));
    }
    both.push_back(print_in_order(results));
    both.push_back(async::all_of(std::move(acts), at_once));
    co_await async::all_of(std::move(both));
    std::string failures;
    for (const auto& result : results)
        if (!result->failure.empty()) failures += (failures.empty() ? "" : "\n") + result->failure;
    if (!failures.empty()) throw ExitStatus{1, failures};
}

OnContainer post_to_container(std::string verb, client::Query query) {
    return [verb = std::move(verb), query = std::move(query)](client::Engine& engine, std::string name) {
        return post(engine, std::move(name), verb, query);
    };
}

int post_to_each(Invocation& call, std::string verb, client::Query query, size_t at_once) {
    OnContainer act = post_to_container(std::move(verb), std::move(query));
    call.session.run(each_container(call.session, call.args, std::move(act), at_once));
    return 0;
}

}  // namespace berth::cli
