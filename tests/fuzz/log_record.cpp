// SPDX-License-Identifier: Apache-2.0
#include "shim/log_record.h"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <memory>

#include "base/json.h"
#include "base/strings.h"
#include "shim/log_writer.h"
#include "sys/file.h"
#include "tests/fuzz/property.h"

using namespace berth;
using fuzz::require;
using shim::Stream;

namespace {

class Folder {
  public:
    Folder() { require(::mkdtemp(name_) != nullptr, "there is a folder for the log"); }
    ~Folder() { sys::remove_tree_at(AT_FDCWD, name_); }
    std::string log() const { return std::string(name_) + "/log.json"; }

  private:
    char name_[32] = "/tmp/berth-fuzz-XXXXXX";
};

void check_text(std::string_view text) {
    size_t room = shim::max_encoded_size(text.size());
    std::unique_ptr<char[]> out(new char[room]);
    std::string encoded = "\"";
    encoded.append(out.get(), shim::encode_json_text(out.get(), text));
    encoded += '"';
    require(!encoded.contains('\n') && !encoded.contains('<'), "Docker's choice of escapes");
    require(json::parse(encoded).as_string() == fuzz::replace_invalid_utf8(text), "the text is read back");

    size_t tail = shim::incomplete_utf8_tail(text);
    require(tail <= 3 && tail <= text.size(), "a tail has at most 3 bytes");
    std::string_view head = text.substr(0, text.size() - tail);
    require(fuzz::replace_invalid_utf8(head) + fuzz::replace_invalid_utf8(text.substr(head.size())) ==
                fuzz::replace_invalid_utf8(text),
            "a cut before the tail tears no character");
}

void check_time(std::string_view bytes) {
    uint64_t time_ns = 0;
    std::memcpy(&time_ns, bytes.data(), std::min(bytes.size(), sizeof time_ns));
    time_ns &= INT64_MAX;
    std::string expected = rfc3339(static_cast<int64_t>(time_ns));
    expected.pop_back();
    expected.resize(expected.find_last_not_of('0') + 1);
    if (expected.ends_with('.')) expected.pop_back();
    require(shim::RecordTime().format(static_cast<int64_t>(time_ns)) == expected + 'Z', "times are RFC 3339");
}

/// What the log should hold of one stream.
struct Expected {
    std::string whole;    ///< what can no longer change
    std::string segment;  ///< since the last flush

    void end_segment() {
        whole += fuzz::replace_invalid_utf8(segment);
        segment.clear();
    }
};

/// The texts of the two streams, put together from the records.
std::array<std::string, 2> read_log(const std::string& path) {
    std::array<std::string, 2> texts;
    std::string log = sys::read_file(path);
    require(log.empty() || log.ends_with('\n'), "the log ends with a whole record");
    for (std::string_view line : split(log, '\n')) {
        if (line.empty()) continue;
        json::Value record = json::parse(line);
        const json::Object& members = record.as_object();
        const auto& text = members.at("log").as_string();
        std::string_view content(text.data(), text.size());
        // A byte that is not UTF-8 becomes three.
        require(content.size() <= 3 * shim::kMaxRecordText + 1, "no record is longer than it may be");
        require(content.substr(0, content.size() - 1).find('\n') == std::string_view::npos,
                "a record is one line");
        require(!members.at("time").as_string().empty(), "a record has a time");
        texts[members.at("stream").as_string() == "stderr" ? 1 : 0] += content;
    }
    return texts;
}

/// Chunks: a byte that says where to (and bit 3: after so many plain bytes that the line is cut in it, which
/// a short input could not do), then the text up to a NUL.
void check_writer(fuzz::Bytes bytes) {
    static const Folder folder;
    std::string path = folder.log();
    ::unlink(path.c_str());
    shim::LogOptions options;
    options.path = path;
    options.attrs = bytes.byte() & 1 ? R"({"tag":"a"})" : "";
    shim::LogWriter writer(options);
    std::array<Expected, 2> expected;
    int64_t now = 1'709'294'400'000'000'000;
    size_t total = 0;
    while (!bytes.empty() && total < 100'000) {
        uint8_t what = bytes.byte();
        auto stream = static_cast<Stream>(what & 1);
        std::string chunk((what & 8) != 0 ? shim::kMaxRecordText - (what >> 4) : 0, 'x');
        chunk += bytes.text();
        total += chunk.size();
        writer.append(stream, chunk, now += what);
        expected[what & 1].segment += chunk;
        if (what & 2) {
            writer.flush(stream, now);
            expected[what & 1].end_segment();
        }
        if (what & 4) writer.idle();
    }
    for (int i : {0, 1}) {
        writer.flush(static_cast<Stream>(i), now);
        expected[i].end_segment();
    }
    require(writer.dropped() == 0, "no record is lost");
    std::array<std::string, 2> logged = read_log(path);
    require(logged[0] == expected[0].whole, "stdout is in the log");
    require(logged[1] == expected[1].whole, "stderr is in the log");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    std::string_view text = fuzz::as_text(data, size);
    check_text(text);
    check_time(text);
    check_writer(fuzz::Bytes(data, size));
    return 0;
}
