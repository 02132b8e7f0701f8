// SPDX-License-Identifier: Apache-2.0
#include "registry/server/access_log.h"

#include <fcntl.h>
#include <unistd.h>

#include "base/json.h"
#include "base/log.h"
#include "base/strings.h"
#include "sys/file.h"

namespace berth::registry::server {

AccessLog::AccessLog(const std::string& path) {
    if (path.empty()) return;
    if (path == "-") {
        fd_ = STDOUT_FILENO;
        return;
    }
    file_ =
        with_context("access log", [&] { return sys::open_file(path, O_WRONLY | O_APPEND | O_CREAT, 0640); });
    fd_ = file_.get();
}

void AccessLog::write(const http::AccessRecord& record) {
    if (fd_ < 0) return;
    double seconds = std::chrono::duration<double>(record.duration).count();
    std::string line = fmt::format(
        "{{\"time\":\"{}\",\"peer\":{},\"user\":{},\"method\":{},\"target\":{},\"status\":{},\"bytes_in\":{},"
        "\"bytes_out\":{},\"seconds\":{:.6f},\"user_agent\":{}}}\n",
        rfc3339(now_ns()), json::print_string(record.peer), json::print_string(record.remote_user),
        json::print_string(record.method), json::print_string(record.target), record.status, record.bytes_in,
        record.bytes_out, seconds, json::print_string(record.user_agent));
    // One write for each line: lines of several processes don't mix, and nothing is lost at the end.
    ssize_t done = sys::retry([&] { return ::write(fd_, line.data(), line.size()); });
    if (done < 0 && !failed_) log::error("access log: {}", errno_text(errno));
    failed_ = done < 0;
}

}  // namespace berth::registry::server
