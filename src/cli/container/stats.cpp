// SPDX-License-Identifier: Apache-2.0
#include <optional>

#include "base/strings.h"
#include "cli/commands.h"
#include "cli/container/stats_board.h"
#include "cli/format/format_flag.h"
#include "cli/format/listing.h"
#include "cli/format/units.h"
#include "cli/output.h"
#include "cli/session.h"
#include "cli/terminal/live_screen.h"
#include "client/engine.h"
#include "client/json_path.h"

namespace berth::cli {
namespace {

constexpr Flag kFlags[] = {
    {.name = "all",
     .shorthand = 'a',
     .kind = Flag::Kind::boolean,
     .usage = "Show all containers (default shows just running)"},
    kFormatFlag,
    {.name = "no-stream",
     .kind = Flag::Kind::boolean,
     .usage = "Disable streaming stats and only pull the first result"},
    {.name = "no-trunc", .kind = Flag::Kind::boolean, .usage = "Do not truncate output"},
};

constexpr std::chrono::milliseconds kInterval{500};
constexpr std::string_view kHome = "\033[H", kClearLine = "\033[K", kClearBelow = "\033[J";

struct View {
    std::string format;
    bool truncate = true;
    bool all = false;
    bool is_stream = true;
    bool is_terminal = false;
    LiveScreen* screen = nullptr;  ///< where a person looks on
    std::vector<std::string> containers;

    std::string text(const std::vector<StatsSample>& samples) const {
        Listing listing(format, stats_columns(), kStatsTable, kStatsRowType);
        for (const StatsSample& sample : samples) listing.add(sample.row(truncate));
        return is_terminal ? printable(listing.text()) : listing.text();
    }
};

/// What docker writes where nobody looks: the table, and once more over itself with its lines' ends cleared.
std::string plain_frame(const std::string& table) {
    std::string text = std::string(kHome) + table;
    std::string frame = text;
    for (std::string_view line : split(text, '\n')) frame.append(line).append(" ").append(kClearLine) += '\n';
    return frame.append(kClearBelow);
}

async::Task<void> add_all(client::Engine& engine, StatsBoard& board, bool all) {
    client::Request request;
    request.path = "/containers/json";
    if (all) request.query.emplace_back("all", "1");
    json::Value containers = co_await engine.call(std::move(request));
    for (const json::Value& container : client::items_of(containers))
        board.add(short_id(client::text_at(container, "Id")));
}

async::Task<void> draw(const View& view, StatsBoard& board) {
    while (true) {
        std::string table = view.text(board.samples());
        if (view.screen)
            view.screen->draw(table);
        else
            print_raw(plain_frame(table));
        co_await async::sleep_for(kInterval);
    }
}

/// Lists and draws when the daemon tells us what changes, so that no container is missed.
async::Task<void> draw_all(const View& view, client::Engine& engine, StatsBoard& board,
                           std::shared_ptr<async::Event> subscribed) {
    co_await subscribed->wait();
    co_await add_all(engine, board, view.all);
    co_await board.wait_for_all();
    co_await draw(view, board);
}

async::Task<void> show(const View& view, Session& session, StatsBoard& board) {
    client::Engine& engine = session.engine();
    bool is_named = !view.containers.empty();
    if (view.is_stream && !is_named) {
        auto subscribed = std::make_shared<async::Event>(session.loop());
        std::vector<async::Task<void>> tasks;
        tasks.push_back(board.follow_events(view.all, subscribed));
        tasks.push_back(draw_all(view, engine, board, subscribed));
        co_await async::any_of(std::move(tasks));
        co_return;
    }
    for (const std::string& container : view.containers) board.add(container);
    if (!is_named) co_await add_all(engine, board, view.all);
    co_await board.wait_for_all();
    if (is_named && !board.errors().empty()) throw Error(ErrorKind::not_found, board.errors());
    if (view.is_stream) co_await draw(view, board);
    print_out(view.text(board.samples()));
}

int run(Invocation& invocation) {
    Session& session = invocation.session;
    const Flags& flags = invocation.flags;
    View view;
    view.format = flags.text("format");
    if (view.format.empty()) view.format = session.config().text("statsFormat").value_or("");
    view.truncate = !flags.boolean("no-trunc");
    view.all = flags.boolean("all");
    view.is_stream = !flags.boolean("no-stream");
    view.is_terminal = session.is_stdout_terminal();
    view.containers = invocation.args;
    view.text({});  // a bad format is told at once

    StatsBoard board(session.loop(), session.engine(), view.is_stream);
    std::optional<LiveScreen> screen;
    if (view.is_stream && view.is_terminal) view.screen = &screen.emplace();
    session.run(show(view, session, board));
    return 0;
}

constexpr std::string_view kAliases[] = {"container stats", "stats"};

}  // namespace

constinit const Command kStatsCommand = {
    .name = "stats",
    .summary = "Display a live stream of container(s) resource usage statistics",
    .arguments = "[OPTIONS] [CONTAINER...]",
    .flags = kFlags,
    .max_args = kAnyNumber,
    .run = run,
    .aliases = kAliases,
    .words = Words::running_containers,
};

}  // namespace berth::cli
