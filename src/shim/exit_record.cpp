// SPDX-License-Identifier: Apache-2.0
#include "shim/exit_record.h"

#include <fcntl.h>
#include <unistd.h>

#include "sys/file.h"

namespace berth::shim {

json::Object encode_exit(const ExitRecord& record) {
    return json::encode(record).get_object();
}

void write_exit(int directory, const ExitRecord& record) {
    sys::write_file_atomic_at(directory, kExitFile, json::print(encode_exit(record)) + '\n', 0644);
}

void sync_exit(int directory) {
    UniqueFd file = sys::open_at(directory, kExitFile, O_RDONLY);
    sys::check(fsync(file.get()), "fsync exit.json");
    // The descriptor that was inherited may be O_PATH.
    UniqueFd folder = sys::open_at(directory, ".", O_RDONLY | O_DIRECTORY);
    sys::check(fsync(folder.get()), "fsync of the container's directory");
}

std::optional<ExitRecord> read_exit(int directory) {
    std::optional<std::string> text = sys::try_read_file_at(directory, kExitFile);
    if (!text) return std::nullopt;
    try {
        auto record = json::decode_text<ExitRecord>(*text);
        if (record.time_ns == 0) return std::nullopt;
        return record;
    } catch (const Error&) {
        return std::nullopt;
    }
}

}  // namespace berth::shim
