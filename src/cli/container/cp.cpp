// SPDX-License-Identifier: Apache-2.0
#include <unistd.h>

#include "base/base64.h"
#include "cli/commands.h"
#include "cli/container/copy_archive.h"
#include "cli/container/copy_pipe.h"
#include "cli/container/copy_progress.h"
#include "cli/format/object_name.h"
#include "cli/session.h"
#include "cli/terminal/pass_on.h"

namespace berth::cli {

namespace {

constexpr Flag kFlags[] = {
    {"archive", 'a', Flag::Kind::boolean, "Archive mode (copy all uid/gid information)"},
    {"follow-link", 'L', Flag::Kind::boolean, "Always follow symbol link in SRC_PATH"},
    {"quiet", 'q', Flag::Kind::boolean,
     "Suppress progress output during copy. Progress output is automatically suppressed if no terminal is "
     "attached"},
};

/// One of the two words: "CONTAINER:PATH", or a local path. "./a:b" and "/a:b" are local.
struct Place {
    std::string container, path;
};

Place parse_place(const std::string& word) {
    size_t colon = word.find(':');
    if (word.starts_with('/') || colon == std::string::npos || word.starts_with('.')) return {"", word};
    return {word.substr(0, colon), word.substr(colon + 1)};
}

/// Go's bits of os.FileMode in what the daemon tells of a path.
constexpr uint64_t kFolder = 1u << 31, kLink = 1u << 27, kDevice = 1u << 26, kIrregular = 1u << 19;

struct PathStat {
    uint64_t mode = 0;
    std::string link_target;
};

PathStat stat_of(const client::Response& response) {
    auto text = decode_base64(response.header("X-Docker-Container-Path-Stat"));
    if (!text) throw Error(ErrorKind::internal, "unable to get resource stat from response");
    json::Value value = json::parse(*text);
    return {static_cast<uint64_t>(client::number_at(value, "mode")), client::text_at(value, "linkTarget")};
}

client::Request archive_request(const char* method, const std::string& container, const std::string& path) {
    client::Request request;
    request.method = method;
    request.path = object_path("container", container, "/archive");
    request.query = {{"path", path}};
    return request;
}

/// Nothing where the daemon can't tell: what follows shows why.
async::Task<std::optional<PathStat>> stat_in(client::Engine& engine, std::string container,
                                             std::string path) {
    try {
        auto response = co_await engine.send(archive_request("HEAD", container, path));
        co_return stat_of(*response);
    } catch (const client::ApiError&) {
        co_return std::nullopt;
    }
}

std::string link_target(const std::string& path, const std::string& target) {
    return target.starts_with('/') ? target : joined(entry_folder(path), target);
}

struct Copy {
    Session& session;
    std::string container, from, to;
    bool follow, keep_owners, quiet;
};

// --- into a container

/// Where in the container it goes: links are followed once.
async::Task<CopyEnd> find_target(Copy& copy) {
    client::Engine& engine = copy.session.engine();
    CopyEnd target{.path = copy.to};
    auto found = co_await stat_in(engine, copy.container, copy.to);
    if (found && (found->mode & kLink)) {
        target.path = link_target(copy.to, found->link_target);
        found = co_await stat_in(engine, copy.container, target.path);
    }
    if (!found) co_return target;
    const char* problem = found->mode & kDevice      ? "got a device"
                          : found->mode & kIrregular ? "got an irregular file"
                                                     : nullptr;
    if (problem)
        throw make_error(ErrorKind::invalid_argument,
                         "destination \"{}:{}\" must be a directory or a regular file: {}", copy.container,
                         copy.to, problem);
    target.exists = true;
    target.is_folder = found->mode & kFolder;
    co_return target;
}

async::Task<std::string> next_piece(CopyArchive& archive) {
    co_return archive.next_piece();
}

async::Task<void> copy_in(Copy& copy) {
    CopyEnd target = co_await find_target(copy);
    CopyPlan plan{.folder = target.path};
    std::unique_ptr<CopyArchive> archive;
    if (copy.from == "-") {
        if (!target.is_folder)
            throw make_error(ErrorKind::invalid_argument, "destination \"{}:{}\" must be a directory",
                             copy.container, copy.to);
    } else {
        CopyEnd source = local_source(absolute_path(copy.from), copy.follow);
        plan = plan_copy(source, target);
        std::string name = source.rebase.empty() ? entry_name(source.path) : source.rebase;
        archive = std::make_unique<CopyArchive>(source.path, plan.renamed(std::move(name)));
    }
    CopyProgress progress(copy.quiet, copy.session.is_stderr_terminal(), "Copying to container - ");
    client::Request request = archive_request("PUT", copy.container, plan.folder);
    request.query.emplace_back("noOverwriteDirNonDir", "true");
    if (copy.keep_owners) request.query.emplace_back("copyUIDGID", "true");
    if (archive) {
        request.produce = [&archive] { return next_piece(*archive); };
        request.sent = [&progress](uint64_t bytes) { progress.add(bytes); };
    } else {
        request.file = STDIN_FILENO;
    }
    co_await copy.session.engine().call(std::move(request));
    progress.finish(fmt::format("{}:{}", copy.container, target.path));
}

// --- out of a container

/// The link itself, or with -L what it leads to, under the link's name.
async::Task<CopyEnd> find_source(Copy& copy) {
    CopyEnd source{.path = copy.from};
    if (!copy.follow) co_return source;
    auto found = co_await stat_in(copy.session.engine(), copy.container, copy.from);
    if (found && (found->mode & kLink))
        source = followed(copy.from, link_target(copy.from, found->link_target));
    co_return source;
}

async::Task<void> unpack(CopyPipe& pipe, const CopyPlan& plan) {
    auto work = [&pipe, &plan] {
        try {
            unpack_copy(pipe, plan);
        } catch (...) {
            pipe.abandon();
            throw;
        }
        pipe.abandon();
    };
    co_await async::run_blocking(work);
}

async::Task<void> pump(client::Response& response, CopyPipe& pipe, CopyProgress& progress) {
    std::vector<std::byte> buffer(256 * 1024);
    try {
        while (size_t count = co_await response.read_some(buffer)) {
            progress.add(count);
            // After its end mark the archive's padding has no reader any more, but is counted.
            pipe.put({reinterpret_cast<const char*>(buffer.data()), count});
        }
        pipe.end();
    } catch (const std::exception& error) {
        pipe.end(error.what());
    } catch (...) {
        pipe.end("interrupted");
        throw;
    }
}

async::Task<void> copy_out(Copy& copy) {
    std::string to = copy.to == "-" ? "-" : absolute_path(copy.to);
    check_output_path(to);
    CopyEnd source = co_await find_source(copy);
    auto response = co_await copy.session.engine().send(archive_request("GET", copy.container, source.path));
    if (to == "-") {
        co_await pass_on(copy.session.loop(), *response);
        co_return;
    }
    source.is_folder = stat_of(*response).mode & kFolder;
    source.exists = true;
    CopyPlan plan = plan_copy(source, local_target(to));
    if (plan.new_name.empty() && !source.rebase.empty()) {
        plan.old_name = entry_name(source.path);
        plan.new_name = source.rebase;
    } else if (!source.rebase.empty()) {
        plan.old_name = entry_name(source.path);
    }
    CopyProgress progress(copy.quiet, copy.session.is_stderr_terminal(), "Copying from container - ");
    CopyPipe pipe;
    std::vector<async::Task<void>> both;
    both.push_back(unpack(pipe, plan));
    both.push_back(pump(*response, pipe, progress));
    co_await async::all_of(std::move(both));
    progress.finish(to);
}

int run(Invocation& call) {
    auto refuse = [](const char* message) { throw Error(ErrorKind::invalid_argument, message); };
    if (call.args[0].empty()) refuse("source can not be empty");
    if (call.args[1].empty()) refuse("destination can not be empty");
    Place from = parse_place(call.args[0]), to = parse_place(call.args[1]);
    bool is_out = !from.container.empty(), is_in = !to.container.empty();
    if (is_out && is_in) refuse("copying between containers is not supported");
    if (!is_out && !is_in) refuse("must specify at least one container source");
    bool quiet =
        call.flags.is_set("quiet") ? call.flags.boolean("quiet") : !call.session.is_stdout_terminal();
    Copy copy{call.session, is_out ? from.container : to.container, from.path,
              to.path,      call.flags.boolean("follow-link"),      call.flags.boolean("archive"),
              quiet};
    call.session.run(is_out ? copy_out(copy) : copy_in(copy));
    return 0;
}

constexpr std::string_view kAliases[] = {"container cp", "cp"};

}  // namespace

constinit const Command kCpCommand = {
    .name = "cp",
    .summary = "Copy files/folders between a container and the local filesystem",
    .arguments =
        "[OPTIONS] CONTAINER:SRC_PATH DEST_PATH|-\n\tdocker cp [OPTIONS] SRC_PATH|- CONTAINER:DEST_PATH",
    .description =
        "Copy files/folders between a container and the local filesystem\n"
        "\n"
        "Use '-' as the source to read a tar archive from stdin\n"
        "and extract it to a directory destination in a container.\n"
        "Use '-' as the destination to stream a tar archive of a\n"
        "container source to stdout.",
    .flags = kFlags,
    .min_args = 2,
    .max_args = 2,
    .run = run,
    .aliases = kAliases,
    .words = Words::containers,
};

}  // namespace berth::cli
