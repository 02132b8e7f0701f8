// SPDX-License-Identifier: Apache-2.0
#include <fmt/core.h>
#include <unistd.h>

#include <ctime>

#include "engine/logs/forward_socket.h"
#include "engine/logs/forward_target.h"
#include "sys/file.h"

namespace berth::engine {

namespace {

std::string host_name() {
    char name[256] = {};
    ::gethostname(name, sizeof name - 1);
    return name;
}

/// "Mar  1 12:00:00", the host's local time (RFC 3164, 4.1.2).
std::string short_time(int64_t time_ns) {
    static constexpr const char* kMonths[] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                              "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
    time_t second = time_ns / 1'000'000'000;
    tm parts{};
    ::localtime_r(&second, &parts);
    return fmt::format("{} {:2} {:02}:{:02}:{:02}", kMonths[parts.tm_mon], parts.tm_mday, parts.tm_hour,
                       parts.tm_min, parts.tm_sec);
}

/// "2024-03-01T12:00:00+01:00", with microseconds if `micro` (RFC 5424, 6.2.3).
std::string long_time(int64_t time_ns, bool micro) {
    time_t second = time_ns / 1'000'000'000;
    tm parts{};
    ::localtime_r(&second, &parts);
    std::string text =
        fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}", parts.tm_year + 1900, parts.tm_mon + 1,
                    parts.tm_mday, parts.tm_hour, parts.tm_min, parts.tm_sec);
    if (micro) text += fmt::format(".{:06}", time_ns % 1'000'000'000 / 1000);
    long offset = parts.tm_gmtoff / 60;
    if (offset == 0) return text + "Z";
    long size = offset < 0 ? -offset : offset;
    return text + fmt::format("{}{:02}:{:02}", offset < 0 ? '-' : '+', size / 60, size % 60);
}

class SyslogTarget : public ForwardTarget {
  public:
    explicit SyslogTarget(const ForwardLog& log)
        : address_(parse_syslog_address(log.option("syslog-address"))),
          facility_(parse_syslog_facility(log.option("syslog-facility"))),
          format_(log.option("syslog-format")),
          tag_(log_tag(log.options, log.container, "{{.ID}}")),
          host_(host_name()),
          local_(log.places.syslog) {
        std::string ca = log.option("syslog-tls-ca-cert");
        if (!ca.empty()) tls_.ca_files.push_back(ca);
        tls_.certificate_file = log.option("syslog-tls-cert");
        tls_.key_file = log.option("syslog-tls-key");
        // Its presence counts, whatever it says, as with dockerd.
        tls_.verify = !log.options.contains("syslog-tls-skip-verify");
    }

    async::Task<void> connect() override {
        if (address_.scheme.empty()) {
            co_await connect_local();
        } else if (is_datagram(address_)) {
            if (!datagrams_.connected()) co_await datagrams_.connect(address_);
        } else {
            co_await connect_stream(address_);
        }
    }

    async::Task<void> send(const std::vector<ForwardRecord>& records, size_t& sent) override {
        if (datagrams_.connected()) {
            for (; sent < records.size(); ++sent) {
                std::string message = encode(records[sent]);
                bool fits = co_await datagrams_.send(message);
                if (!fits) co_await send_shortened(message);
            }
            co_return;
        }
        std::string all;
        for (size_t i = sent; i < records.size(); ++i) all += frame(encode(records[i]));
        co_await stream_.send(all);
        sent = records.size();
    }

    bool delivered() override { return datagrams_.connected() || stream_.delivered(); }
    bool lost() override { return !datagrams_.connected() && !stream_.connected(); }
    bool resends() const override { return !datagrams_.connected(); }

  private:
    static bool is_datagram(const LogAddress& address) {
        return address.scheme == "udp" || address.scheme == "unixgram";
    }

    async::Task<void> connect_stream(LogAddress address) {
        http::TlsClientOptions tls = tls_;
        co_await stream_.connect(std::move(address), std::move(tls));
    }

    /// The host's own syslog: datagrams, else a stream, at the usual places.
    async::Task<void> connect_local() {
        if (datagrams_.connected()) co_return;
        for (size_t i = 0; i < local_.size(); ++i) {
            for (const char* scheme : {"unixgram", "unix"}) {
                LogAddress address{scheme, "", 0, local_[i]};
                try {
                    if (is_datagram(address))
                        co_await datagrams_.connect(address);
                    else
                        co_await connect_stream(address);
                    co_return;
                } catch (const Error&) {
                    // The next one.
                }
            }
        }
        throw Error(ErrorKind::unavailable, "Unix syslog delivery error");
    }

    async::Task<void> send_shortened(std::string message) {
        constexpr size_t kAlwaysFits = 8192;
        message.resize(kAlwaysFits);
        co_await datagrams_.send(message);
    }

    std::string encode(const ForwardRecord& record) const {
        int priority = facility_ * 8 + (record.stream == shim::Stream::err ? 3 : 6);
        int pid = ::getpid();
        std::string message;
        if (format_ == "rfc3164") {
            message =
                fmt::format("<{}>{} {} {}[{}]: ", priority, short_time(record.time_ns), host_, tag_, pid);
        } else if (!format_.empty()) {
            std::string time = long_time(record.time_ns, format_ == "rfc5424micro");
            message = fmt::format("<{}>1 {} {} {} {} {} - ", priority, time, host_, tag_, pid, tag_);
        } else {
            message = fmt::format("<{}>{} {}[{}]: ", priority, short_time(record.time_ns), tag_, pid);
        }
        return message + record.text + "\n";
    }

    /// RFC 5425, 4.3: over TLS the length comes first; else lines (RFC 6587, 3.4.2).
    std::string frame(std::string message) const {
        if (address_.scheme != "tcp+tls" || !format_.starts_with("rfc5424")) return message;
        return std::to_string(message.size()) + " " + message;
    }

    LogAddress address_;
    int facility_;
    std::string format_;
    std::string tag_;
    std::string host_;
    std::vector<std::string> local_;
    http::TlsClientOptions tls_;
    DatagramSocket datagrams_;
    EndpointStream stream_;
};

}  // namespace

std::unique_ptr<ForwardTarget> make_syslog_target(const ForwardLog& log) {
    return std::make_unique<SyslogTarget>(log);
}

}  // namespace berth::engine
