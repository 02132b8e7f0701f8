// SPDX-License-Identifier: Apache-2.0
#include "cli/image/progress.h"

#include <errno.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "cli/image/progress_display.h"
#include "cli/output.h"
#include "sys/file.h"

namespace berth::cli {

namespace {

void write_to(int fd, std::string_view text) {
    while (!text.empty()) {
        ssize_t written = sys::retry([&] { return write(fd, text.data(), text.size()); });
        if (written < 0 && errno == EPIPE) throw OutputClosed{};
        sys::check(written, "write the progress");
        text.remove_prefix(static_cast<size_t>(written));
    }
}

unsigned columns_of(int fd) {
    winsize size{};
    return ioctl(fd, TIOCGWINSZ, &size) == 0 ? size.ws_col : 0;
}

[[noreturn]] void fail(const json::Value& message) {
    std::string text = client::text_at(message, "errorDetail.message");
    throw Error(ErrorKind::internal, text.empty() ? client::text_at(message, "error") : text);
}

}  // namespace

async::Task<void> show_progress(client::Response& response, bool is_terminal, int to_fd,
                                std::function<void(const json::Value& aux)> aux) {
    std::function<unsigned()> columns;
    if (is_terminal) columns = [to_fd] { return columns_of(to_fd); };
    ProgressDisplay display(std::move(columns));
    while (std::optional<json::Value> message = co_await response.next_json()) {
        if (const json::Value* value = client::find_at(*message, "aux"); value && !value->is_null()) {
            if (aux) aux(*value);
            continue;
        }
        if (client::find_at(*message, "errorDetail") || client::find_at(*message, "error")) fail(*message);
        if (to_fd >= 0) write_to(to_fd, display.text(*message));
    }
}

async::Task<void> send_with_progress(Session& session, client::Request request, bool is_terminal, int to_fd,
                                     std::function<void(const json::Value& aux)> aux) {
    std::unique_ptr<client::Response> response = co_await session.engine().send(std::move(request));
    co_await show_progress(*response, is_terminal, to_fd, std::move(aux));
}

}  // namespace berth::cli
