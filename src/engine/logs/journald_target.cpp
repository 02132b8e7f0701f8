// SPDX-License-Identifier: Apache-2.0
#include <cstring>

#include "engine/logs/forward_socket.h"
#include "engine/logs/forward_target.h"
#include "shim/log_record.h"

/// journald's native protocol: a datagram for each record, of lines KEY=value, or, where the value has a
/// newline, KEY, newline, length (8 bytes, little endian), value. https://systemd.io/JOURNAL_NATIVE_PROTOCOL/
namespace berth::engine {

namespace {

/// A journal's field names: capitals, digits and underscores, not beginning with one.
std::string field_name(std::string key) {
    std::string name;
    for (char c : key) {
        if (c >= 'a' && c <= 'z') c = static_cast<char>(c - 32);
        if (!((c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9'))) c = '_';
        if (!name.empty() || c != '_') name += c;
    }
    return name;
}

void add_field(std::string& message, std::string_view key, std::string_view value) {
    message += key;
    if (value.find('\n') == std::string_view::npos) {
        message += '=';
    } else {
        message += '\n';
        for (unsigned byte = 0; byte < 8; ++byte)
            message += static_cast<char>(uint64_t{value.size()} >> (8 * byte));
    }
    message += value;
    message += '\n';
}

class JournaldTarget : public ForwardTarget {
  public:
    explicit JournaldTarget(const ForwardLog& log) : path_(log.places.journal) {
        const LogContainer& container = log.container;
        std::string tag = log_tag(log.options, container, "{{.ID}}");
        std::map<std::string, std::string> fields = {
            {"CONTAINER_ID", container.id.substr(0, 12)},
            {"CONTAINER_ID_FULL", container.id},
            {"CONTAINER_NAME", container.name.substr(container.name.starts_with('/') ? 1 : 0)},
            {"CONTAINER_TAG", tag},
            {"IMAGE_NAME", container.image_name},
            {"SYSLOG_IDENTIFIER", tag},
        };
        for (auto& [key, value] : log_attributes(log.options, container, field_name)) fields[key] = value;
        for (const auto& [key, value] : fields)
            if (!key.empty()) add_field(fixed_, key, value);
    }

    async::Task<void> connect() override {
        if (socket_.connected()) co_return;
        LogAddress address{"unixgram", "", 0, path_};
        co_await socket_.connect(address);
    }

    async::Task<void> send(const std::vector<ForwardRecord>& records, size_t& sent) override {
        for (; sent < records.size(); ++sent) {
            std::string message = encode(records[sent]);
            // journald takes what is longer in a memfd; no record is.
            co_await socket_.send(message);
        }
    }

  private:
    std::string encode(const ForwardRecord& record) const {
        std::string message;
        add_field(message, "PRIORITY", record.stream == shim::Stream::err ? "3" : "6");
        add_field(message, "MESSAGE", record.text);
        add_field(message, "SYSLOG_TIMESTAMP", shim::RecordTime().format(record.time_ns));
        if (record.partial) {
            if (!record.partial_last) add_field(message, "CONTAINER_PARTIAL_MESSAGE", "true");
            add_field(message, "CONTAINER_PARTIAL_ID", record.partial_id);
            add_field(message, "CONTAINER_PARTIAL_ORDINAL", std::to_string(record.partial_ordinal));
            add_field(message, "CONTAINER_PARTIAL_LAST", record.partial_last ? "true" : "false");
        }
        return message + fixed_;
    }

    std::string path_;
    std::string fixed_;
    DatagramSocket socket_;
};

}  // namespace

std::unique_ptr<ForwardTarget> make_journald_target(const ForwardLog& log) {
    return std::make_unique<JournaldTarget>(log);
}

}  // namespace berth::engine
