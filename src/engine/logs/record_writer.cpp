// SPDX-License-Identifier: Apache-2.0
#include "engine/logs/record_writer.h"

#include <algorithm>
#include <cstring>
#include <vector>

#include "base/json.h"
#include "base/strings.h"

namespace berth::engine {

namespace {

constexpr size_t kFrameHead = 8;
constexpr size_t kTimeSize = std::string_view("2024-03-01T12:00:00.123456789Z ").size();

void query_escape(std::string_view text, std::string& out) {
    for (char c : text) {
        bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
                     c == '_' || c == '.' || c == '~';
        if (plain)
            out += c;
        else if (c == ' ')
            out += '+';
        else
            out += fmt::format("%{:02X}", static_cast<unsigned char>(c));
    }
}

}  // namespace

std::string details_of(std::string_view attrs) {
    std::vector<std::string> pairs;
    try {
        json::Value value = attrs.empty() ? json::Value(json::Object()) : json::parse(attrs);
        std::vector<std::pair<std::string, std::string>> members;
        for (const auto& member : value.as_object()) {
            const json::Value& found = member.value();
            members.emplace_back(member.key(),
                                 found.is_string() ? std::string(found.get_string()) : json::print(found));
        }
        std::sort(members.begin(), members.end());
        for (const auto& [key, text] : members) {
            std::string& pair = pairs.emplace_back();
            query_escape(key, pair);
            pair += '=';
            query_escape(text, pair);
        }
    } catch (const std::exception&) {
        return {};
    }
    return join(pairs, ",");
}

/// Always 9 digits behind the point, and a blank.
char* RecordWriter::put_time(char* out, const LogRecord& record) {
    std::string_view time = record.time.empty() ? clock_.format(record.time_ns) : record.time;
    constexpr size_t kSecond = 19;
    constexpr size_t kDigits = 9;
    std::memcpy(out, time.data(), kSecond);
    out += kSecond;
    *out++ = '.';
    std::string_view fraction = time.substr(kSecond, time.size() - kSecond - 1);
    if (fraction.starts_with('.')) fraction.remove_prefix(1);
    fraction = fraction.substr(0, kDigits);
    std::memset(out, '0', kDigits);
    std::memcpy(out, fraction.data(), fraction.size());
    out += kDigits;
    *out++ = 'Z';
    *out++ = ' ';
    return out;
}

void RecordWriter::append(LogRecord record, LogBatch& into) {
    if (details_) {
        std::string_view attrs = record.attrs.empty() ? std::string_view(default_attrs_) : record.attrs;
        if (details_text_.empty() || attrs != attrs_) {
            attrs_ = attrs;
            details_text_ = details_of(attrs) + ' ';
        }
    }
    into.reserve(kFrameHead + kTimeSize + details_text_.size() + record.text.size() + 16);
    char* start = into.end();
    char* out = start + (framed_ ? kFrameHead : 0);
    if (timestamps_) {
        // A zone other than UTC only comes from others' files.
        if (!record.time.empty() && (record.time.size() < 20 || record.time.back() != 'Z')) {
            record.time_ns = RecordParser(shim::LogFormat::json_file).time_of(record);
            record.time = {};
        }
        out = put_time(out, record);
    }
    if (details_) out = std::copy(details_text_.begin(), details_text_.end(), out);
    if (record.escaped) {
        char* end = unescape_json(out, record.text);
        while (end == nullptr) {
            if (!drop_half_record(record)) return;
            end = unescape_json(out, record.text);
        }
        out = end;
    } else {
        std::memcpy(out, record.text.data(), record.text.size());
        out += record.text.size();
        if (record.adds_newline) *out++ = '\n';
    }
    if (framed_) {
        auto length = static_cast<uint32_t>(out - start - static_cast<ptrdiff_t>(kFrameHead));
        const char head[kFrameHead] = {record.stream == shim::Stream::out ? '\1' : '\2',
                                       0,
                                       0,
                                       0,
                                       static_cast<char>(length >> 24),
                                       static_cast<char>(length >> 16),
                                       static_cast<char>(length >> 8),
                                       static_cast<char>(length)};
        std::memcpy(start, head, kFrameHead);
    }
    into.end_at(out);
}

}  // namespace berth::engine
