// SPDX-License-Identifier: Apache-2.0
#include "http/server_exchange.h"

#include <fmt/format.h>
#include <poll.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <ctime>

#include "base/json.h"
#include "base/strings.h"

namespace berth::http {

namespace {

/// Up to here an unread body is read so that the connection can be kept.
constexpr uint64_t kDrainLimit = 256 * 1024;
constexpr std::chrono::seconds kDrainTime(5);
/// How much of what comes next is kept while the client's end is awaited.
constexpr size_t kMaxReadAhead = 64 * 1024;
constexpr std::chrono::seconds kHangupPeriod(1);
/// Up to here a body is copied behind its head: one packet instead of two.
constexpr size_t kJoinLimit = 4096;

std::span<const std::byte> bytes_of(std::string_view text) {
    return std::as_bytes(std::span(text));
}

/// "http://host/path" as proxies send it means "/path" (RFC 9112, 3.2.2).
std::string_view origin_form(std::string_view target) {
    if (target.starts_with('/')) return target;
    for (std::string_view scheme : {"http://", "https://"}) {
        if (!target.starts_with(scheme)) continue;
        size_t slash = target.find_first_of("/?", scheme.size());
        return slash == std::string_view::npos ? "/" : target.substr(slash);
    }
    return {};
}

std::string decode_path(std::string_view path) {
    for (size_t at = path.find('%'); at != std::string_view::npos; at = path.find('%', at + 1)) {
        std::string_view digits = path.substr(at + 1, 2);
        if (digits.size() != 2 || !parse_number<uint8_t>(digits, 16) || digits == "00")
            throw StatusError(400, ErrorKind::invalid_argument,
                              "invalid URL escape " + quote(path.substr(at, 3)));
    }
    return percent_decode(path);
}

bool is_set_by_server(std::string_view name) {
    return same_name(name, "Content-Length") || same_name(name, "Transfer-Encoding") ||
           same_name(name, "Connection") || same_name(name, "Date");
}

}  // namespace

std::string_view http_date() {
    static thread_local time_t second = 0;
    static thread_local std::string text;
    time_t now = ::time(nullptr);
    if (now != second) {
        tm parts{};
        ::gmtime_r(&now, &parts);
        static constexpr const char* kDays[] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
        static constexpr const char* kMonths[] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                                  "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
        text = fmt::format("{}, {:02} {} {} {:02}:{:02}:{:02} GMT", kDays[parts.tm_wday], parts.tm_mday,
                           kMonths[parts.tm_mon], parts.tm_year + 1900, parts.tm_hour, parts.tm_min,
                           parts.tm_sec);
        second = now;
    }
    return text;
}

// --- Request
// -------------------------------------------------------------------------------------------------------

async::Task<bool> Request::while_connected(async::Task<void> work) {
    std::vector<async::Task<void>> tasks;
    tasks.push_back(std::move(work));
    tasks.push_back(disconnected());
    size_t first = co_await async::any_of(std::move(tasks));
    co_return first == 0;
}

async::Task<std::string> Request::read_all(size_t limit) {
    constexpr size_t kPiece = 16 * 1024;
    auto fail = [] { throw StatusError(413, ErrorKind::invalid_argument, "http: request body too large"); };
    if (content_length && *content_length > limit) fail();
    std::string text;
    while (true) {
        size_t used = text.size();
        size_t left = content_length ? static_cast<size_t>(*content_length) - used : kPiece;
        text.resize(used + std::clamp(left, size_t(1), std::max(kPiece, used)));
        std::span<char> free(text.data() + used, text.size() - used);
        size_t count = co_await read_some(std::as_writable_bytes(free));
        text.resize(used + count);
        if (count == 0) co_return text;
        if (text.size() > limit) fail();
    }
}

ServerRequest::ServerRequest(ServerConnection& connection, RequestHead head)
    : connection_(connection),
      framing_(request_framing(head)),
      body_(connection.wire(), framing_, BodyOf::request),
      minor_version_(head.minor_version) {
    method = std::move(head.method);
    target = std::move(head.target);
    headers = std::move(head.headers);
    peer = connection.peer();
    client_certificate = connection.client_certificate();
    std::string_view form = origin_form(target);
    if (form.empty() && target == "*" && method == "OPTIONS") form = "*";
    if (form.empty())
        throw StatusError(400, ErrorKind::invalid_argument, "invalid request target " + quote(target));
    size_t question = std::min(form.find('?'), form.size());
    path = decode_path(form.substr(0, question));
    if (path.empty()) path = "/";
    if (question < form.size()) query = Query::parse(form.substr(question + 1));
    has_body = framing_.kind != Framing::Kind::none;
    if (framing_.kind != Framing::Kind::chunked) content_length = framing_.length;
    keeps_alive_ = minor_version_ > 0 ? !headers.has_token("Connection", "close")
                                      : headers.has_token("Connection", "keep-alive");
    if (auto expected = headers.find("Expect"); expected && minor_version_ > 0) {
        if (!same_name(*expected, "100-continue"))
            throw StatusError(417, ErrorKind::invalid_argument, "unknown expectation " + quote(*expected));
        waits_for_continue_ = has_body;
    }
}

async::Task<size_t> ServerRequest::read_some(std::span<std::byte> into) {
    if (waits_for_continue_) {
        waits_for_continue_ = false;
        // A client that has begun to send does not wait any more.
        if (connection_.wire().buffered().empty()) {
            constexpr std::string_view kContinue = "HTTP/1.1 100 Continue\r\n\r\n";
            co_await connection_.wire().stream().write(bytes_of(kContinue));
        }
    }
    size_t count = co_await body_.read_some(into);
    co_return count;
}

async::Task<void> ServerRequest::disconnected() {
    constexpr size_t kBuffer = 4096;
    Wire& wire = connection_.wire();
    while (wire.buffered().size() < kMaxReadAhead) {
        co_await wire.stream().wait_readable();
        bool more = false;
        try {
            more = co_await wire.fill(kBuffer);
        } catch (const Error&) {
            // Reset by the client, or closed by us: the same end.
        }
        if (!more) co_return;
    }
    // The end lies behind more than is kept; the kernel knows of it without reading.
    pollfd gone{wire.stream().fd(), POLLRDHUP, 0};
    while (::poll(&gone, 1, 0) == 0) co_await async::sleep_for(kHangupPeriod);
}

async::Task<bool> ServerRequest::drain() {
    if (body_.at_end()) co_return true;
    if (body_.is_broken() || waits_for_continue_ || (body_.has_length() && body_.remaining() > kDrainLimit))
        co_return false;
    connection_.wire().stream().set_read_deadline(std::chrono::steady_clock::now() + kDrainTime);
    std::vector<std::byte> buffer(16 * 1024);
    uint64_t before = body_.bytes_read();
    while (!body_.at_end() && body_.bytes_read() - before <= kDrainLimit) co_await body_.read_some(buffer);
    co_return body_.at_end();
}

// --- Response
// ------------------------------------------------------------------------------------------------------

async::Task<void> Response::write(std::string_view text) {
    return write(bytes_of(text));
}

bool ServerResponse::has_body() const {
    return request_.method != "HEAD" && status >= 200 && status != 204 && status != 304;
}

void ServerResponse::begin(State next) {
    if (started()) throw Error(ErrorKind::internal, "the response is started already");
    if (status < 100 || status > 999)
        throw make_error(ErrorKind::internal, "invalid status {} of a response", status);
    state_ = next;
}

std::string ServerResponse::head_text(std::optional<uint64_t> length) {
    const BodyReader& body = request_.body();
    closes_ = !request_.keeps_alive() || connection_.server().stopping ||
              (!body.at_end() && (body.is_broken() || request_.waits_for_continue() ||
                                  (body.has_length() && body.remaining() > kDrainLimit))) ||
              headers.has_token("Connection", "close");
    // Without a length a 1.0 client knows the end by the connection's.
    if (has_body() && !length && !chunked_) closes_ = true;
    std::string text;
    text.reserve(512);
    fmt::format_to(std::back_inserter(text), "HTTP/1.1 {} {}\r\n", status, reason_phrase(status));
    for (const auto& [name, value] : headers)
        if (!is_set_by_server(name)) text.append(name).append(": ").append(value).append("\r\n");
    text.append("Date: ").append(http_date()).append("\r\n");
    if (length)
        fmt::format_to(std::back_inserter(text), "Content-Length: {}\r\n", *length);
    else if (chunked_)
        text += "Transfer-Encoding: chunked\r\n";
    if (closes_)
        text += "Connection: close\r\n";
    else if (request_.minor_version() == 0)
        text += "Connection: keep-alive\r\n";
    text += "\r\n";
    return text;
}

async::Task<void> ServerResponse::send(std::string body) {
    begin(State::finished);
    async::Stream& stream = connection_.wire().stream();
    if (!has_body()) {
        // A length is told where it says what a GET would give; 1xx and 204 have none (RFC 9110, 8.6).
        auto given = parse_number<uint64_t>(headers.get("Content-Length"));
        std::optional<uint64_t> length = given;
        if (!given && request_.method == "HEAD") length = body.size();
        if (status < 200 || status == 204 || (status == 304 && !given)) length = std::nullopt;
        std::string head = head_text(length);
        co_await stream.write(bytes_of(head));
        co_return;
    }
    std::string head = head_text(body.size());
    bytes_out_ += body.size();
    if (body.size() <= kJoinLimit) {
        head += body;
        co_await stream.write(bytes_of(head));
    } else {
        std::array<std::span<const std::byte>, 2> pieces{bytes_of(head), bytes_of(body)};
        co_await stream.write_pieces(pieces);
    }
}

async::Task<void> ServerResponse::send_file(int fd, uint64_t offset, uint64_t length) {
    begin(State::body);
    std::string head = head_text(length);
    co_await connection_.wire().stream().write(bytes_of(head));
    if (has_body()) {
        bytes_out_ += length;
        co_await connection_.wire().stream().send_file(fd, offset, length);
    }
    state_ = State::finished;
}

async::Task<void> ServerResponse::start() {
    begin(State::body);
    if (auto given = headers.find("Content-Length")) {
        announced_ = parse_number<uint64_t>(*given);
        if (!announced_)
            throw make_error(ErrorKind::internal, "bad Content-Length {} of a response", quote(*given));
    }
    chunked_ = has_body() && !announced_ && request_.minor_version() > 0;
    std::string head = head_text(announced_);
    co_await connection_.wire().stream().write(bytes_of(head));
}

async::Task<void> ServerResponse::write(std::span<const std::byte> data) {
    if (state_ != State::body) throw Error(ErrorKind::internal, "write outside of start and finish");
    if (data.empty() || !has_body()) co_return;
    bytes_out_ += data.size();
    if (announced_ && bytes_out_ > *announced_)
        throw Error(ErrorKind::internal, "a response is longer than its Content-Length");
    async::Stream& stream = connection_.wire().stream();
    if (!chunked_) {
        co_await stream.write(data);
        co_return;
    }
    std::string size = fmt::format("{:x}\r\n", data.size());
    std::array<std::span<const std::byte>, 3> pieces{bytes_of(size), data, bytes_of("\r\n")};
    co_await stream.write_pieces(pieces);
}

async::Task<void> ServerResponse::finish() {
    if (state_ != State::body) throw Error(ErrorKind::internal, "finish without start");
    if (has_body() && announced_ && bytes_out_ != *announced_)
        throw Error(ErrorKind::internal, "a response is shorter than its Content-Length");
    constexpr std::string_view kLastChunk = "0\r\n\r\n";
    if (chunked_) co_await connection_.wire().stream().write(bytes_of(kLastChunk));
    state_ = State::finished;
}

async::Task<void> ServerResponse::run_on(async::Context& other, async::Task<void> work) {
    return connection_.run_on(other, std::move(work));
}

async::Task<std::unique_ptr<async::Stream>> ServerResponse::hijack(std::string head) {
    begin(State::finished);
    hijacked_ = true;
    if (!head.empty()) co_await connection_.wire().stream().write(bytes_of(head));
    std::unique_ptr<async::Stream> stream = connection_.release();
    stream->set_idle_timeout(std::chrono::milliseconds(0));
    stream->set_read_deadline(std::nullopt);
    co_return stream;
}

async::Task<void> default_error_response(std::exception_ptr error, Response& response) {
    std::string message;
    response.headers = Headers();
    try {
        std::rethrow_exception(error);
    } catch (const Error& failure) {
        response.status = status_of(failure);
        message = failure.what();
    } catch (...) {
        response.status = 500;
        message = current_exception_message();
    }
    response.headers.set("Content-Type", "application/json");
    std::string body = fmt::format("{{\"message\":{}}}\n", json::print_string(message));
    co_await response.send(std::move(body));
}

}  // namespace berth::http
