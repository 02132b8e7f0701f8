// SPDX-License-Identifier: Apache-2.0
#include <signal.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <optional>

#include "base/strings.h"
#include "cli/commands.h"
#include "cli/container/top_view.h"
#include "cli/format/listing.h"
#include "cli/format/object_name.h"
#include "cli/output.h"
#include "cli/session.h"
#include "cli/terminal/foreground.h"
#include "cli/terminal/live_screen.h"
#include "cli/terminal/local_file.h"
#include "client/json_path.h"

namespace berth::cli {

namespace {

constexpr Flag kFlags[] = {
    {.name = "no-stream",
     .kind = Flag::Kind::boolean,
     .usage = "Print the live view once and end",
     .hidden = true},
};

constexpr std::chrono::seconds kInterval{1};
constexpr size_t kAtOnce = 8;
/// Few, so that the command has room in a window, and with the use of the processor.
constexpr std::string_view kColumns = "-eo user,pid,%cpu,%mem,rss,stat,time,args";
constexpr std::string_view kLeave = "qQ\x03\x04";  // q, ctrl-c, ctrl-d
constexpr char kSuspend = '\x1a';

/// What docker prints.
int print_once(Invocation& call) {
    client::Request request;
    request.path = object_path("container", call.args[0], "/top");
    std::vector<std::string> words(call.args.begin() + 1, call.args.end());
    if (!words.empty()) request.query = {{"ps_args", join(words, " ")}};
    json::Value processes = call.session.call(std::move(request));
    std::vector<std::string> rows = {join(client::texts_at(processes, "Titles"), "\t")};
    for (const json::Value& process : client::list_at(processes, "Processes"))
        rows.push_back(join(client::texts_of(process), "\t"));
    constexpr size_t kWidth = 20, kGap = 3;
    print_out(tabulate(rows, kWidth, kGap));
    return 0;
}

/// Where the view comes from: one container, or all that run.
class Processes {
  public:
    /// `container`: "" is all.
    Processes(Session& session, std::string container)
        : engine_(session.engine()), container_(std::move(container)) {}

    /// Nothing where the container that was there before has ended.
    async::Task<std::optional<std::string>> next() {
        auto asking = container_.empty() ? of_all() : of_one();
        bool was_there = !last_.empty();
        try {
            last_ = co_await std::move(asking);
        } catch (const client::ApiError& error) {
            bool has_ended = error.status() == 404 || error.status() == 409;
            if (!was_there || container_.empty() || !has_ended) throw;
            if (!error.message().contains("is restarting")) co_return std::nullopt;
        }
        co_return last_;
    }

  private:
    async::Task<std::string> of_one() {
        auto asking = ask(container_);
        json::Value processes = co_await std::move(asking);
        TopView view(false);
        view.add(container_, processes);
        co_return view.text();
    }

    async::Task<std::string> of_all() {
        auto asking = engine_.call({.path = "/containers/json"});
        json::Value containers = co_await std::move(asking);
        const json::Array& items = client::items_of(containers);
        if (items.empty()) co_return "No container is running.\n";
        auto answers = std::make_shared<std::vector<json::Value>>(items.size());
        std::vector<async::Task<void>> tasks;
        for (size_t at = 0; at < items.size(); ++at)
            tasks.push_back(ask_one_of(client::text_at(items[at], "Id"), answers, at));
        co_await async::all_of(std::move(tasks), kAtOnce);
        TopView view(true);
        for (size_t at = 0; at < items.size(); ++at) view.add(name_of(items[at]), (*answers)[at]);
        co_return view.text();
    }

    static std::string name_of(const json::Value& container) {
        std::vector<std::string> names = client::texts_at(container, "Names");
        // Others are those of links, "/web/alias".
        for (const std::string& name : names)
            if (name.rfind('/') == 0) return name.substr(1);
        return client::text_at(container, "Id").substr(0, 12);
    }

    async::Task<void> ask_one_of(std::string id, std::shared_ptr<std::vector<json::Value>> into, size_t at) {
        try {
            auto asking = ask(std::move(id));
            (*into)[at] = co_await std::move(asking);
        } catch (const client::ApiError&) {
            // It has ended meanwhile.
        }
    }

    async::Task<json::Value> ask(std::string container) {
        std::string path = object_path("container", container, "/top");
        if (!is_ps_simple_) {
            try {
                auto asking = engine_.call({.path = path, .query = {{"ps_args", std::string(kColumns)}}});
                json::Value processes = co_await std::move(asking);
                co_return processes;
            } catch (const client::ApiError& error) {
                if (error.status() < 500) throw;
            }
        }
        auto asking = engine_.call({.path = path});
        json::Value processes = co_await std::move(asking);
        is_ps_simple_ = true;  // the daemon's host has one that knows other columns
        co_return processes;
    }

    client::Engine& engine_;
    const std::string container_;
    std::string last_;
    bool is_ps_simple_ = false;
};

async::Task<void> refresh(Processes& processes, LiveScreen& screen, std::string& shown) {
    while (true) {
        screen.draw(shown);
        co_await async::sleep_for(kInterval);
        auto asking = processes.next();
        std::optional<std::string> text = co_await std::move(asking);
        if (!text) co_return;
        shown = std::move(*text);
    }
}

/// Until a person has enough of it, or their terminal is gone.
async::Task<void> wait_for_key(async::Context& loop, LiveScreen& screen) {
    LocalFile in(loop, STDIN_FILENO);
    std::array<std::byte, 64> typed{};
    while (size_t count = co_await in.read_some(typed)) {
        std::string_view keys(reinterpret_cast<const char*>(typed.data()), count);
        if (keys.find_first_of(kLeave) != std::string_view::npos) co_return;
        if (!keys.contains(kSuspend)) continue;
        screen.set_back();
        kill(getpid(), SIGTSTP);
    }
}

/// Draws the view anew when the window changes, while this lives.
class ResizeHook {
  public:
    ResizeHook(Foreground& foreground, LiveScreen& screen, const std::string& shown)
        : foreground_(foreground) {
        foreground_.on_resize([&] { screen.draw(shown); });
    }
    ResizeHook(const ResizeHook&) = delete;
    ResizeHook& operator=(const ResizeHook&) = delete;
    ~ResizeHook() { foreground_.on_resize({}); }

  private:
    Foreground& foreground_;
};

async::Task<int> watch(Foreground& foreground, Processes& processes) {
    auto asking = processes.next();
    std::optional<std::string> first = co_await std::move(asking);
    std::string shown = std::move(first).value_or("");
    foreground.set_raw(STDIN_FILENO);
    LiveScreen screen;
    ResizeHook hook(foreground, screen, shown);
    std::vector<async::Task<void>> tasks;
    tasks.push_back(refresh(processes, screen, shown));
    tasks.push_back(wait_for_key(foreground.session().loop(), screen));
    co_await async::any_of(std::move(tasks));
    co_return 0;
}

async::Task<std::string> text_of(Processes& processes) {
    auto asking = processes.next();
    std::optional<std::string> text = co_await std::move(asking);
    co_return std::move(text).value_or("");
}

int run(Invocation& call) {
    Session& session = call.session;
    bool is_for_people = session.is_stdin_terminal() && session.is_stdout_terminal();
    if (!is_for_people || call.args.size() > 1) return print_once(call);
    std::string container = call.args.empty() ? "" : call.args[0];
    if (!call.flags.boolean("no-stream")) {
        Foreground foreground(session);
        Processes processes(session, std::move(container));
        return foreground.run(watch(foreground, processes));
    }
    Processes processes(session, std::move(container));
    print_out(session.run(text_of(processes)));
    return 0;
}

constexpr std::string_view kAliases[] = {"container top", "top"};

}  // namespace

constinit const Command kTopCommand = {
    .name = "top",
    .summary = "Display the running processes of a container",
    .arguments = "CONTAINER [ps OPTIONS]",
    .flags = kFlags,
    .min_args = 1,
    .max_args = kAnyNumber,
    .run = run,
    .aliases = kAliases,
    .ends_flags_at_word = true,
    .words = Words::running_containers,
    .optional_on_terminal = true,
    .for_people =
        "On a terminal, and without ps options, the view is live until q is pressed or\n"
        "the container ends, and without CONTAINER it shows all that run. With\n"
        "--no-stream, before CONTAINER, it is printed once.",
};

}  // namespace berth::cli
